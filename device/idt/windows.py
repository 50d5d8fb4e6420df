# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows: a guest's accesses to its BARs become accesses to its peer's memory.

A direct window passes an access when memory space is enabled, BARSETUP says that it is a direct window, the access
lies in the BAR and below BARLIMIT, and the NTB link is up on both sides (link.py). Anything else reads as ones or is
dropped, which is unproven for the chip (FACTS 2), and is marked:

    DISABLED  memory space is off
    UNKNOWN   no such BAR
    CLOSED    BARLIMIT is 0 (as idt_ntb_peer_mw_clear_trans leaves it), or no way to the peer
    LIMIT     behind BARLIMIT or the BAR's end, or no size that an access can have

BARLIMIT is compared exactly as the driver means it: bus address + size, the first address that does not pass. (Its
lower 10 bits are reserved on the chip and count as ones, says ntb_hw_idt.h at IDT_DIR_SIZE_ALIGN.)
"""

from device.host import Status
from device.idt.interrupts import COMMAND
from device.idt.link import Link
from device.idt.maps import NT

MAE = NT["PCICMDSTS"].register.field_mask("MAE")
BAR0 = NT["BAR0"].offset >> 2
SETUP0, LIMIT0, LTBASE0, UTBASE0 = (NT[f"BAR{n}0"].offset >> 2 for n in ("SETUP", "LIMIT", "LTBASE", "UTBASE"))
SETUP_STRIDE = (NT["BARSETUP1"].offset - NT["BARSETUP0"].offset) >> 2
EN, MODE, ATRAN, TPART = (NT["BARSETUP0"].register.field_mask(n) for n in ("EN", "MODE", "ATRAN", "TPART"))

_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_ADDRESS = (1 << 64) - 1
_OK, _UNKNOWN, _LIMIT = int(Status.OK), int(Status.UNKNOWN), int(Status.LIMIT)

Way = tuple[int, int, int, int]  # bytes from the BAR's start that pass, translated address, peer's port, status


def ones(size: int) -> int:
    """What a read gives where nobody answers."""
    return _MASKS.get(size, 0)


class Windows(Link):
    """The part of an Endpoint that is about windows.

    `sizes`: bytes by BAR number. `ways`: by BAR number, what the registers of both sides say, until one of them changes
    (Switch.forget_ways).
    """

    sizes: dict[int, int]
    ways: dict[int, Way]

    def window_read(self, bar: int, offset: int, size: int) -> int:
        switch = self.switch
        switch.target = 0
        span, base, port, status = self.ways.get(bar) or self._find_way(bar)
        if status == _OK:
            if size in _MASKS and 0 <= offset <= span - size:
                switch.status = _OK
                data = switch.host.mem_read(port, (base + offset) & _ADDRESS, size)
                return int.from_bytes(data, "little")
            status = _LIMIT
        switch.status = status
        return ones(size)

    def window_write(self, bar: int, offset: int, size: int, value: int) -> None:
        switch = self.switch
        switch.target = 0
        span, base, port, status = self.ways.get(bar) or self._find_way(bar)
        if status == _OK:
            if size in _MASKS and 0 <= offset <= span - size:
                switch.status = _OK
                data = (value & _MASKS[size]).to_bytes(size, "little")
                switch.host.mem_write(port, (base + offset) & _ADDRESS, data)
                return
            status = _LIMIT
        switch.status = status

    def _find_way(self, bar: int) -> Way:
        if bar not in self.sizes:
            return 0, 0, 0, _UNKNOWN
        way = self.ways[bar] = self._way(bar)
        return way

    def _way(self, bar: int) -> Way:
        regs = self.regs
        at = SETUP_STRIDE * bar
        setup, limit = regs[SETUP0 + at], regs[LIMIT0 + at]
        if not regs[COMMAND] & MAE:
            return 0, 0, 0, int(Status.DISABLED)
        if not setup & EN or setup & (MODE | ATRAN) or not limit:
            return 0, 0, 0, int(Status.CLOSED)
        peer = self.switch.by_partition.get((setup & TPART) // (TPART & -TPART))
        if peer is None or not self.up or not peer.up:
            return 0, 0, 0, int(Status.CLOSED)
        span = min(self.sizes[bar], limit - (regs[BAR0 + bar] & ~0xF))
        return span, regs[UTBASE0 + at] << 32 | regs[LTBASE0 + at], peer.port, _OK

    def write_window(self, number: int, value: int, lanes: int) -> None:
        """Any register that decides over the function's own windows."""
        self.store(number, value, lanes)
        self.ways.clear()

    def bar_address(self, bar: int) -> int | None:
        """The bus address that the guest gave the BAR; None if the function does not have it."""
        return self.regs[BAR0 + bar] & ~0xF if bar in self.sizes else None

    def bar_size(self, bar: int) -> int:
        """Bytes; 0 if the function does not have the BAR."""
        return self.sizes.get(bar, 0)
