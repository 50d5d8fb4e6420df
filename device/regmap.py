# SPDX-License-Identifier: GPL-2.0-or-later
"""What a register is: rows with fields and access rules, from which decoding, storage and dispatch are derived.

Registers are 32 bits wide and stand on 4-byte boundaries. Accesses of 1 and 2 bytes are byte lanes of a register,
accesses of 8 bytes are two registers; an access that crosses a boundary is split (`lanes`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

DWORD = 0xFFFF_FFFF
ANYTHING = ("*",)  # Register.moved_by


class Access(Enum):
    """What a guest's write does to a field. Reading never changes one, unless the row names a read method."""

    RO = "RO"  # nothing
    RW = "RW"  # stores
    RW1C = "RW1C"  # a one clears
    WO = "WO"  # is taken by the row's write method; reads as zero


@dataclass(frozen=True)
class Field:
    """Bits `lsb` to `lsb + width - 1`. `reset` None: unproven, zero is stored. `values` names some of its values."""

    name: str
    lsb: int
    width: int = 1
    access: Access = Access.RW
    reset: int | None = None
    doc: str = ""
    values: Mapping[int, str] = field(default_factory=dict)

    @property
    def mask(self) -> int:
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """One row; with `indices`, an array: element i stands at `offset + stride * i` and is `name.format(i)`.

    `read` and `write` name the methods that carry the side effects (endpoint.py, switch.py); without one the register
    is plain storage. `source` says which file proves it, or that it is inferred.

    `moved_by`: what a guest writes, beside the register itself, that changes what it reads as: rows by their name, or
    by their write method (all that have it), of the same function or of the switch; of any function behind a "*".
    ANYTHING: it shows another register, chosen by a guest.
    """

    name: str
    offset: int
    fields: tuple[Field, ...]
    doc: str
    source: str
    indices: tuple[int, ...] | None = None
    stride: int = 0
    read: str = ""
    write: str = ""
    moved_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for i, one in enumerate(self.fields):
            if one.width < 1 or one.lsb < 0 or one.mask > DWORD:
                raise ValueError(
                    f"{self.name}.{one.name} must lie within 32 bits, not at {one.lsb} with {one.width} bits"
                )
            for other in self.fields[:i]:
                if one.mask & other.mask:
                    raise ValueError(f"{self.name}.{one.name} ({one.mask:#x}) overlaps {other.name} ({other.mask:#x})")

    def elements(self) -> Iterator[tuple[str, int, int]]:
        """Name, offset and index of every element; a plain register has one, of index 0."""
        if self.indices is None:
            yield self.name, self.offset, 0
            return
        for index in self.indices:
            yield self.name.format(index), self.offset + self.stride * index, index

    @property
    def known_as(self) -> tuple[str, str]:
        """The names by which `moved_by` of other rows can mean this one."""
        return self.name, self.write

    def mask(self, *access: Access) -> int:
        return sum(one.mask for one in self.fields if one.access in access)

    @property
    def reset(self) -> int:
        return sum((one.reset or 0) << one.lsb for one in self.fields)

    def field_mask(self, name: str) -> int:
        return next(one.mask for one in self.fields if one.name == name)


def word(access: Access = Access.RW, reset: int | None = None, name: str = "VALUE") -> tuple[Field, ...]:
    """The fields of a register that is one number."""
    return (Field(name, 0, 32, access, reset),)


class Place(NamedTuple):
    """One element of one row in a map."""

    id: int
    name: str
    offset: int
    number: int  # its index in the array, 0 for a plain register
    register: Register


class RegisterMap:
    """The rows of one address space. Ids count elements from `first_id` on; overlaps are refused."""

    def __init__(self, space: str, first_id: int, rows: Iterable[Register]) -> None:
        self.space = space
        self.rows = tuple(rows)
        self.places: list[Place] = []
        self.by_name: dict[str, Place] = {}
        self.by_offset: dict[int, Place] = {}
        self.first_ids: list[int] = []
        next_id = first_id
        for row in self.rows:
            self.first_ids.append(next_id)
            for name, offset, index in row.elements():
                place = Place(next_id, name, offset, index, row)
                other = self.by_offset.get(offset)
                if other is not None:
                    raise ValueError(f"{name} at {offset:#x} overlaps {other.name} at {other.offset:#x}")
                if offset & 3:
                    raise ValueError(f"{name} must be on a 4-byte boundary, not at {offset:#x}")
                self.places.append(place)
                self.by_name[name] = self.by_offset[offset] = place
                next_id += 1
        self.next_id = next_id

    def __getitem__(self, name: str) -> Place:
        return self.by_name[name]

    def export(self) -> list[dict[str, Any]]:
        """The rows as JSON: the compact copy that a trace carries."""
        return [
            {
                "id": first_id,
                "name": row.name,
                "indices": None if row.indices is None else list(row.indices),
                "space": self.space,
                "offset": row.offset,
                "stride": row.stride,
                "width": 32,
                "fields": [
                    [
                        one.name,
                        one.lsb,
                        one.width,
                        one.access.value,
                        {str(k): v for k, v in one.values.items()},
                        one.reset,
                        one.doc,
                    ]
                    for one in row.fields
                ],
                "doc": row.doc,
                "source": row.source,
            }
            for first_id, row in zip(self.first_ids, self.rows, strict=True)
        ]


def lanes(offset: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Split an access: (register's offset, the part's shift within it, its shift within the value, its bytes)."""
    done = 0
    while done < size:
        shift = (offset + done) & 3
        part = min(4 - shift, size - done)
        yield (offset + done) & ~3, 8 * shift, 8 * done, part
        done += part


def several(offset: Any, size: Any) -> Any:
    """An access to more than one register: what is said of it (target, status) is said of the first alone.

    Of numbers, or of arrays of them.
    """
    return (offset & 3) + size > 4
