# SPDX-License-Identifier: GPL-2.0-or-later
"""The inbound-window registers: not of the chip, but of the C device inside QEMU that this model is measured against.

They stand behind the NT function's registers, in a BAR0 of 8 KiB, and let a guest set up its peer's window into its own
memory: TPART is the peer's partition, LUTOFF the peer's BAR and entry (as LUTOFFSET), LDATA and HDATA the address in
the own memory, LLIMIT and HLIMIT the window's size in bytes, 0 to close it. A write of one of the last four is carried
out at once in the peer's BARSETUP, BARLIMIT, BARLTBASE and BARUTBASE, or in its lookup table. Offsets and names are
given (FACTS 2); what the registers do beyond that is inferred. They are there where the profile says inbound_windows.
"""

from typing import TYPE_CHECKING

from device.host import Status
from device.idt.maps import INBOUND
from device.idt.nt_registers import INBOUND_BASE
from device.idt.windows import ATRAN as SETUP_ATRAN
from device.idt.windows import DIRECT, LIMIT0, LTBASE0, SETUP0, SETUP_STRIDE, TPART, TYPES, UTBASE0
from device.profile import INBOUND_SIZE
from device.regmap import DWORD
from device.space import Space

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

TPART_AT, LUTOFF, LDATA, HDATA, LLIMIT, HLIMIT = (
    (INBOUND[name].offset - INBOUND_BASE) >> 2 for name in ("TPART", "LUTOFF", "LDATA", "HDATA", "LLIMIT", "HLIMIT")
)
INDEX, BAR = (INBOUND["LUTOFF"].register.field_mask(name) for name in ("INDEX", "BAR"))
BYTES = INBOUND_SIZE - INBOUND_BASE  # what BAR0 has beside the NT function's registers


class Inbound(Space):
    """The six registers of one NT function, `owner`."""

    def __init__(self, owner: "Endpoint") -> None:
        super().__init__(owner.switch, INBOUND, INBOUND_BASE, BYTES // 4, owner.port)
        self.owner = owner
        self.reset_registers()

    def write_inbound(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        regs, owner = self.regs, self.owner
        peer = owner.switch.by_partition.get(regs[TPART_AT])
        bar = (regs[LUTOFF] & BAR) // (BAR & -BAR)
        if peer is None or peer is owner or bar not in peer.windows:
            self.told.status = int(Status.REFUSED)
            return
        size = regs[HLIMIT] << 32 | regs[LLIMIT]
        setup = peer.regs[SETUP0 + SETUP_STRIDE * bar]
        if TYPES.get(setup & SETUP_ATRAN) is DIRECT:
            self._set_direct(peer, bar, size)
        elif not peer.set_entry(bar, regs[LUTOFF] & INDEX, regs[LDATA], regs[HDATA], owner.partition, bool(size)):
            self.told.status = int(Status.REFUSED)
        owner.switch.forget_ways()

    def _set_direct(self, peer: "Endpoint", bar: int, size: int) -> None:
        at = SETUP_STRIDE * bar
        limit = peer.bus_address(bar) + size if size else 0
        setup = peer.regs[SETUP0 + at] & ~TPART | self.owner.partition * (TPART & -TPART)
        words = [(SETUP0, setup), (LTBASE0, self.regs[LDATA]), (UTBASE0, self.regs[HDATA]), (LIMIT0, limit & DWORD)]
        if peer.windows[bar].width == 64:
            words.append((LIMIT0 + SETUP_STRIDE, limit >> 32 & DWORD))
        for register, word in words:
            peer.regs[register + at] = word
