# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages: OUTMSGn of one partition becomes INMSGm of another, as SWPxMSGCTLn says (ntb_hw_idt.c, chapter 6).

An inbound register is full from a message's arrival until its own software clears the bit in MSGSTS. A message to a
full register, or to a partition whose PCIe link is down, is refused: the old one stays, the sender's OUTMSG bit rises,
and the event's status is REFUSED.
"""

from device.host import Status
from device.idt.interrupts import MSGSTS, Interrupts
from device.idt.maps import NT

OUTMSG, INMSG, INMSGSRC = (NT[f"{name}0"].offset >> 2 for name in ("OUTMSG", "INMSG", "INMSGSRC"))
INMSG_BIT = (mask := NT["MSGSTS"].register.field_mask("INMSG")) & -mask  # of register 0
OUTMSG_BIT = (mask := NT["MSGSTS"].register.field_mask("OUTMSG")) & -mask


class Messages(Interrupts):
    """The part of an Endpoint that is about messages."""

    def write_outmsg(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        index = number - OUTMSG
        partition, register = self.switch.message_route(self.partition, index)
        peer = self.switch.by_partition.get(partition)
        full = INMSG_BIT << register
        if peer is None or not peer.linked or peer.regs[MSGSTS] & full:
            self.switch.status = int(Status.REFUSED)
            self.regs[MSGSTS] |= OUTMSG_BIT << index
            self.update_interrupts()
            return
        peer.regs[INMSG + register] = self.regs[number]
        peer.regs[INMSGSRC + register] = self.partition
        peer.regs[MSGSTS] |= full
        peer.update_interrupts()
