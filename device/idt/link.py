# SPDX-License-Identifier: GPL-2.0-or-later
"""The NTB link of one NT function, and the mapping table of requester ids that is part of it.

A request passes the bridge when both sides are up. A side is up as idt_ntb_local_link_is_up and
idt_ntb_peer_link_is_up (ntb_hw_idt.c) define it: its PCIe link, bus master, NTCTL.CPEN, and a valid entry in the
mapping table, which NTCTL.IDPROTDIS makes needless. The table belongs to the switch; as in the driver, a partition's
entry is the one of its own number (that the chip looks by requester id instead cannot be seen: the transports carry
none, so all are zero).
"""

from device.idt.events import GSIGNALS
from device.idt.interrupts import BME, COMMAND, Interrupts
from device.idt.maps import BEHIND, NT, SWITCH_OWNER
from device.idt.nt_registers import MAP_ENTRIES
from device.regmap import Access

NTCTL = NT["NTCTL"].offset >> 2
CPEN, IDPROTDIS = (NT["NTCTL"].register.field_mask(name) for name in ("CPEN", "IDPROTDIS"))
SIGNAL = NT["NTGSIGNAL"].register.field_mask("SET")
MTBLADDR = NT["NTMTBLADDR"].offset >> 2
ENTRY = BEHIND["NTMTBL0"]
ENTRY_VALID = ENTRY.register.field_mask("VALID")
ENTRY_STORED = ENTRY.register.mask(Access.RW)


class Link(Interrupts):
    """The part of an Endpoint that is about its link."""

    @property
    def up(self) -> bool:
        """This side lets requests and completions pass."""
        regs = self.regs
        return bool(
            self.linked
            and regs[COMMAND] & BME
            and regs[NTCTL] & CPEN
            and (regs[NTCTL] & IDPROTDIS or self.switch.mapping[self.partition] & ENTRY_VALID)
        )

    def write_link(self, number: int, value: int, lanes: int) -> None:
        """Any register that decides over the link."""
        self.store(number, value, lanes)
        self.switch.forget_ways()

    def write_gsignal(self, number: int, value: int, lanes: int) -> None:
        if value & lanes & SIGNAL:
            self.switch.happen(GSIGNALS, self.partition)

    def read_mtbldata(self, number: int) -> int:
        return self.switch.mapping[self._entry()]

    def write_mtbldata(self, number: int, value: int, lanes: int) -> None:
        entry, lanes = self._entry(), lanes & ENTRY_STORED
        mapping = self.switch.mapping
        mapping[entry] = mapping[entry] & ~lanes | value & lanes
        self.switch.forget_ways()

    def _entry(self) -> int:
        entry = self.regs[MTBLADDR] % MAP_ENTRIES
        self.switch.target = SWITCH_OWNER << 24 | ENTRY.id + entry
        return entry
