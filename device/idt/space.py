# SPDX-License-Identifier: GPL-2.0-or-later
"""Space: a register map come to life: flat storage and, per register, who reads and writes it.

All lists are indexed by register number (offset / 4 from the space's start), so that an access costs a list look-up.
"""

import sys
from array import array
from collections.abc import Callable

from device.host import Status
from device.regmap import DWORD, Access, RegisterMap

ReadMethod = Callable[[int], int]
WriteMethod = Callable[[int, int, int], None]


class Space:
    """`load` and `store` act on whole registers; `lanes` masks the bits that an access of 1 or 2 bytes touches."""

    def __init__(self, registers: RegisterMap, base: int, count: int, owner: int) -> None:
        self.regs = array("I", bytes(4 * count))
        self.targets = [0] * count
        self.statuses = [int(Status.UNKNOWN)] * count
        self.rw = [0] * count
        self.w1c = [0] * count
        self.resets = [0] * count
        self.reads: list[ReadMethod | None] = [None] * count
        self.writes: list[WriteMethod | None] = [None] * count
        self.index: dict[str, int] = {}
        for place in registers.places:
            row, number = place.register, (place.offset - base) >> 2
            self.index[place.name] = number
            self.targets[number] = owner << 24 | place.id
            self.statuses[number] = int(Status.OK)
            self.rw[number] = row.mask(Access.RW)
            self.w1c[number] = row.mask(Access.RW1C)
            self.resets[number] = row.reset
            if row.read:
                self.reads[number] = getattr(self, row.read)
            if row.write:
                self.writes[number] = getattr(self, row.write)

    def store(self, number: int, value: int, lanes: int = DWORD) -> None:
        """What a write does to a register's fields, without side effects."""
        regs = self.regs
        rw = self.rw[number] & lanes
        regs[number] = (regs[number] & ~rw | value & rw) & ~(value & lanes & self.w1c[number])

    def reset_registers(self) -> None:
        self.regs = array("I", self.resets)

    def dump(self) -> bytes:
        """The storage, little-endian on any machine."""
        if sys.byteorder == "little":
            return self.regs.tobytes()
        swapped = array("I", self.regs)
        swapped.byteswap()
        return swapped.tobytes()

    def load_dump(self, data: bytes) -> None:
        self.regs = array("I", data)
        if sys.byteorder == "big":
            self.regs.byteswap()
