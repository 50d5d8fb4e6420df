# SPDX-License-Identifier: GPL-2.0-or-later
"""Chip: the registers of a profile's switch as a person asks for them, by name or by address.

The rows are those of device.register_table. Where a port's function stands in the global space, and which registers
this chip has there, the model itself says: it is read at every address of that space.
"""

from difflib import get_close_matches
from typing import Any, NamedTuple

import device
from device.profile import DEFAULT, Profile
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import SWITCH_OWNER, Status
from ntbtrace.trace.registers import Field, RegisterTable

EVERYTHING = Profile.from_mapping(
    {
        "chip": DEFAULT.chip,
        "inbound_windows": True,
        "port": [{"number": n, "partition": i, "dma": True} for i, n in enumerate(DEFAULT.chip_ports)],
    }
)  # a guest at every port, and all that can stand beside the chip's own registers
NT, SWITCH, BEHIND = "nt", "switch", "behind"
SPACES = {
    NT: "the NT function: BAR0 and configuration space",
    SWITCH: "the global space, by way of GASAADDR and GASADATA",
    BEHIND: "entries behind NTMTBLADDR and LUTOFFSET, without an address of their own",
    "inbound": "BAR0, where the profile says inbound_windows",
    "plx": "the DMA engine (function 1): BAR0 and configuration space, where the profile says dma",
}  # in words, by the table's names
ID_MASK, OWNER_SHIFT = 0xFF_FFFF, 24
DWORD_BYTES = 4


class Element(NamedTuple):
    """One register, at `offset` of its row's space."""

    id: int
    name: str
    offset: int


class Row(NamedTuple):
    """One row of the table with the elements that the chip has; `label` names them all: 'BARSETUP[0-5]'."""

    label: str
    space: str
    elements: tuple[Element, ...]
    stride: int
    fields: tuple[Field, ...]
    doc: str
    source: str

    @property
    def addressed(self) -> bool:
        """It has an address, and is not merely an entry behind an indirect pair."""
        return self.space != BEHIND

    def reset(self) -> str:
        """The row's reset value in hex; 'unproven', or what of it is proven."""
        proven = sum(one.reset << one.lsb for one in self.fields if one.reset is not None)
        unknown = [one for one in self.fields if one.reset is None]
        if len(unknown) == len(self.fields):
            return "unproven"
        return f"{proven:#010x}{' partly' if unknown else ''}"


class Found(NamedTuple):
    """What a name or an address means: of `row`, these elements; `field` and `port` when one of them is meant."""

    row: Row
    elements: tuple[Element, ...]
    field: Field | None = None
    port: int | None = None


class Nobody:
    """The Host of a switch without guests."""

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        return b"\xff" * length

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        """There is no memory."""

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        return None

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        return False

    def irq(self, port: int, value: int, function: int = 0) -> None:
        """There is nobody to interrupt."""


class Chip:
    """`rows` in the order of the table; `starts`: by port, where its NT function begins in the global space."""

    def __init__(self, profile: Profile = EVERYTHING) -> None:
        table = device.register_table(profile)
        self.name = profile.chip
        self.registers = RegisterTable(table)
        self.starts, ids = self._scan(profile)
        self.rows = [row for row in (self._row(one, ids) for one in table["registers"]) if row.elements]
        self._by_id = {one.id: (row, one) for row in self.rows for one in row.elements}

    def _scan(self, profile: Profile) -> tuple[dict[int, int], set[int]]:
        """Where each port's NT function begins in the global space; the ids of the registers that the switch has."""
        switch = device.create(profile, Nobody())
        (address,) = self.registers.fields(self.registers.find("GASAADDR")[0])
        first = self.registers.find("PCIID")[0]  # at offset 0
        starts: dict[int, int] = {}
        ids: set[int] = set()
        for at in range(0, 1 << address.width, DWORD_BYTES):
            switch.global_load(at)
            owner, number = switch.target >> OWNER_SHIFT, switch.target & ID_MASK
            if switch.status == Status.OK and owner == SWITCH_OWNER:
                ids.add(number)
            elif switch.status == Status.OK and number == first:
                starts[owner] = at
        return starts, ids

    def _row(self, row: dict[str, Any], ids: set[int]) -> Row:
        first, name, space = row["id"], row["name"], row["space"]
        elements, indices = [], []
        for number, index in enumerate(row["indices"] or [0], first):
            if space != SWITCH or number in ids:  # else of a port that this chip lacks
                elements.append(Element(number, name.format(index), row["offset"] + row["stride"] * index))
                indices.append(index)
        fields = tuple(self.registers.fields(first))
        label = name.replace("{}", f"[{ranges(indices)}]")
        return Row(label, space, tuple(elements), row["stride"], fields, row["doc"], row["source"])

    def named(self, text: str) -> Found:
        """'BARSETUP2', 'BARSETUP' (all of them), 'NTCTL.CPEN', in any case. Raises NtbTraceError with what is near."""
        name, _, field = text.partition(".")
        there = [self._by_id[number] for number in self.registers.find(name) if number in self._by_id]
        if not there:
            raise NtbTraceError(f"{name.upper()} is of a port that the {self.name} does not have")
        row = there[0][0]
        return Found(row, tuple(one for _, one in there), _field(row, name, field) if field else None)

    def at(self, address: int) -> list[Found]:
        """What stands at an offset of a function's registers, and at an address of the global space.

        Raises NtbTraceError with the nearest registers.
        """
        address &= -DWORD_BYTES
        found: list[Found] = []
        near: list[tuple[int, int, str]] = []
        for row in self.rows:
            for one in row.elements if row.addressed else ():
                for port, start in (None, 0), *(self.starts.items() if row.space == NT else ()):
                    at = start + one.offset
                    if at == address:
                        found.append(Found(row, (one,), port=port))
                    near.append((abs(at - address), at, one.name if port is None else f"{port}:{one.name}"))
        if not found:
            hint = " and ".join(f"{name} at {at:#x}" for _, at, name in sorted(near)[:2])
            raise NtbTraceError(f"there is no register at {address:#x}: the nearest are {hint}")
        return found


def _field(row: Row, register: str, name: str) -> Field:
    fields = {one.name: one for one in row.fields}
    if name.upper() not in fields:
        near = get_close_matches(name.upper(), fields, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(fields)}"
        raise NtbTraceError(f"{register.upper()} has no field {name}: {hint}")
    return fields[name.upper()]


def bits(field: Field) -> str:
    """'7:4', or '3' for a single bit."""
    return f"{field.lsb + field.width - 1}:{field.lsb}" if field.width > 1 else str(field.lsb)


def reset_name(field: Field) -> str:
    return "unproven" if field.reset is None else f"{field.reset:#x}" if field.reset > 9 else str(field.reset)


def value_names(field: Field) -> str:
    """'0 DIR, 1 LUT12'; '' where no value has a name."""
    return ", ".join(f"{value} {name}" for value, name in field.values.items())


def ranges(numbers: list[int]) -> str:
    """'0-5', '0,2,4', '0,1': runs of three and more as first-last."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
