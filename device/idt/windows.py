# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows: a guest's accesses to its BARs become accesses to its peer's memory.

A direct window passes an access when memory space is enabled, the BAR is a window, BARLIMIT is over the access (0 is
closed, as the driver clears it), and the NTB link is up on both sides (Endpoint.up). Anything else is answered with
ones or dropped, and marked: DISABLED (memory space off), UNKNOWN (no such BAR), LIMIT (over the limit or the size),
CLOSED (all else). What the chip returns there is unproven (FACTS 2).
"""

from array import array
from typing import TYPE_CHECKING

from device.host import Status
from device.idt.maps import NT

if TYPE_CHECKING:
    from device.idt.switch import IdtSwitch

COMMAND = NT["PCICMDSTS"].offset >> 2
MAE = NT["PCICMDSTS"].register.field_mask("MAE")
BAR0 = NT["BAR0"].offset >> 2
SETUP0, LIMIT0, LTBASE0, UTBASE0 = (NT[f"BAR{n}0"].offset >> 2 for n in ("SETUP", "LIMIT", "LTBASE", "UTBASE"))
SETUP_STRIDE = (NT["BARSETUP1"].offset - NT["BARSETUP0"].offset) >> 2
EN, MODE, ATRAN, TPART = (NT["BARSETUP0"].register.field_mask(n) for n in ("EN", "MODE", "ATRAN", "TPART"))
TPART_LSB = (TPART & -TPART).bit_length() - 1

_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_ADDRESS = (1 << 64) - 1
_OK, _UNKNOWN, _LIMIT = int(Status.OK), int(Status.UNKNOWN), int(Status.LIMIT)

Way = tuple[int, int, int, int]  # bytes from the BAR's start that pass, translated address, peer's port, status


class Windows:
    """The part of an Endpoint that is about windows. `ways` caches what its and its peer's registers say."""

    regs: "array[int]"
    sizes: dict[int, int]
    switch: "IdtSwitch"
    ways: dict[int, Way]

    @property
    def up(self) -> bool:
        raise NotImplementedError

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
        return _MASKS.get(size, 0)

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
        peer = self.switch.by_partition.get((setup & TPART) >> TPART_LSB)
        if peer is None or not self.up or not peer.up:
            return 0, 0, 0, int(Status.CLOSED)
        span = min(self.sizes[bar], limit - (regs[BAR0 + bar] & ~0xF))
        return span, regs[UTBASE0 + at] << 32 | regs[LTBASE0 + at], peer.port, _OK
