# SPDX-License-Identifier: GPL-2.0-or-later
"""Space: a register map come to life: flat storage and, per register, who reads and writes it.

All lists are indexed by register number (offset / 4 from the space's start), so that an access costs a list look-up.
"""

import sys
from array import array
from collections.abc import Callable
from typing import Protocol

from device.host import Status
from device.regmap import DWORD, Access, RegisterMap, lanes

ReadMethod = Callable[[int], int]
WriteMethod = Callable[[int, int, int], None]

SIZES = frozenset({1, 2, 4, 8})  # bytes of an access
_UNKNOWN = int(Status.UNKNOWN)


class Told(Protocol):
    """Who is told what an access was about, and how it went: the switch."""

    target: int
    status: int


class Space:
    """`load` and `save` access whole registers with their side effects, `store` without.

    `lanes` masks the bits that a write of 1 or 2 bytes touches. A row's read method takes the register's number; its
    write method number, value and lanes.
    """

    def __init__(self, told: Told, registers: RegisterMap, base: int, count: int, owner: int) -> None:
        self.told = told
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

    def read(self, offset: int, size: int, end: int) -> int:
        """An access of any size and place to the registers below offset `end`: zeros, and UNKNOWN, for no such place.

        What is said of an access to several registers is said of the first one.
        """
        told = self.told
        told.target, told.status = 0, _UNKNOWN
        if size not in SIZES or not 0 <= offset <= end - size:
            return 0
        value, about = 0, None
        for at, shift, place, part in lanes(offset, size):
            space, number = self.space_at(at)
            value |= (space.load(number) >> shift & (1 << 8 * part) - 1) << place
            about = about or (told.target, told.status)
        told.target, told.status = about or (0, _UNKNOWN)
        return value

    def write(self, offset: int, size: int, value: int, end: int) -> None:
        """As `read`; what has no place is dropped."""
        told = self.told
        told.target, told.status = 0, _UNKNOWN
        if size not in SIZES or not 0 <= offset <= end - size:
            return
        about = None
        for at, shift, place, part in lanes(offset, size):
            mask = (1 << 8 * part) - 1
            space, number = self.space_at(at)
            space.save(number, (value >> place & mask) << shift, mask << shift)
            about = about or (told.target, told.status)
        told.target, told.status = about or (0, _UNKNOWN)

    def space_at(self, offset: int) -> "tuple[Space, int]":
        """Who has the register at an offset, and its number there."""
        return self, offset >> 2

    def load(self, number: int) -> int:
        """Read a register; a hole in the map gives zero, and UNKNOWN."""
        told = self.told
        told.target = self.targets[number]
        told.status = self.statuses[number]
        read = self.reads[number]
        return self.regs[number] if read is None else read(number)

    def look(self, number: int) -> int:
        """What `load` would give; nobody is told."""
        read = self.reads[number]
        if read is None:
            return self.regs[number]
        told = self.told
        target, status = told.target, told.status
        value = read(number)
        told.target, told.status = target, status
        return value

    def save(self, number: int, value: int, lanes: int) -> None:
        """Write the lanes of a register; to a hole in the map nothing happens, and UNKNOWN."""
        told = self.told
        told.target = self.targets[number]
        told.status = self.statuses[number]
        write = self.writes[number]
        if write is None:
            self.store(number, value, lanes)
        else:
            write(number, value, lanes)

    def store(self, number: int, value: int, lanes: int = DWORD) -> None:
        """What a write does to a register's fields."""
        regs = self.regs
        rw = self.rw[number] & lanes
        regs[number] = (regs[number] & ~rw | value & rw) & ~(value & lanes & self.w1c[number])

    def set_reset(self, name: str, field: str, value: int, registers: RegisterMap) -> None:
        """What the profile, and not the table, says that a field resets to."""
        mask = registers[name].register.field_mask(field)
        number = self.index[name]
        self.resets[number] = self.resets[number] & ~mask | value * (mask & -mask)

    def reset_registers(self) -> None:
        self.regs = array("I", self.resets)


def to_bytes(words: "array[int]") -> bytes:
    """32-bit words, little-endian on any machine."""
    if sys.byteorder == "big":
        words = words[:]
        words.byteswap()
    return words.tobytes()


def from_bytes(data: bytes) -> "array[int]":
    """The inverse of to_bytes."""
    words = array("I", data)
    if sys.byteorder == "big":
        words.byteswap()
    return words
