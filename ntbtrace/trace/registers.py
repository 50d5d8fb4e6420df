# SPDX-License-Identifier: GPL-2.0-or-later
"""RegisterTable: names and fields of the registers, from the trace's header: an old file needs no model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ntbtrace.errors import NtbTraceError

if TYPE_CHECKING:
    from ntbtrace.query.nodes import CodeSource

_ID_MASK = 0xFF_FFFF
_OWNER_SHIFT = 24


@dataclass(frozen=True)
class Field:
    """Bits lsb to lsb + width - 1; `access`: RO, RW, RW1C ...; `values`: names of values; `reset` None: unproven."""

    name: str
    lsb: int
    width: int
    access: str
    values: dict[int, str]
    reset: int | None
    doc: str = ""


class RegisterTable:
    """A target is owner << 24 | id: register `id` of port `owner` (0xFF: of the switch); 0 is no register."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        """`table`: Header.registers. Raises ValueError, KeyError or TypeError for another form."""
        self._names: dict[int, str] = {}
        self._rows: dict[int, int] = {}  # by id: index in _fields
        self._fields: list[tuple[Field, ...]] = []
        self.code: CodeSource | None = None  # of the guests, once symbols.attach() has been asked for it
        self._docs: list[str] = []
        self._ids: dict[str, list[int]] = {}  # by name in capitals; an array's name without {} gives all its ids
        for row in table["registers"]:
            first, name, indices = int(row["id"]), str(row["name"]), row["indices"]
            self._fields.append(tuple(map(_field, row["fields"])))
            self._docs.append(str(row.get("doc", "")))
            for step, index in enumerate([""] if indices is None else indices):
                number, full = first + step, name.replace("{}", str(index), 1)
                if not 0 < number <= _ID_MASK or number in self._names:
                    raise ValueError(f"register id {number} of {full} is taken or impossible")
                self._names[number] = full
                self._rows[number] = len(self._fields) - 1
                for key in {full.upper(), name.replace("{}", "", 1).upper()}:
                    self._ids.setdefault(key, []).append(number)

    def name(self, target: int) -> str:
        """'NTCTL'; '' for no register, '#77' for an id that the table does not have."""
        number = target & _ID_MASK
        return self._names.get(number) or (f"#{number}" if number else "")

    def owner(self, target: int) -> int | None:
        """The port whose register it is, 0xFF for one of the switch; None for no register."""
        return target >> _OWNER_SHIFT if target else None

    def fields(self, target: int) -> Sequence[Field]:
        """The register's fields; none for no register or an unknown one."""
        row = self._rows.get(target & _ID_MASK)
        return () if row is None else self._fields[row]

    def doc(self, target: int) -> str:
        """What the register is for, in a line; '' for none."""
        row = self._rows.get(target & _ID_MASK)
        return "" if row is None else self._docs[row]

    def names(self) -> Iterable[str]:
        """What `find` finds, in capitals: registers, and arrays by their name without an index."""
        return self._ids.keys()

    def ids(self) -> Iterable[int]:
        """All registers' ids."""
        return self._names.keys()

    def find(self, name: str) -> list[int]:
        """The ids of `name`, in any case; 'OUTMSG' finds OUTMSG0 and all others of that array.

        Raises NtbTraceError with the nearest names.
        """
        ids = self._ids.get(name.upper())
        if ids is None:
            near = get_close_matches(name.upper(), self._ids, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "the table has no similar name"
            raise NtbTraceError(f"there is no register {name}: {hint}")
        return list(ids)


def _field(row: Sequence[Any]) -> Field:
    name, lsb, width, access, values, reset, *doc = row  # no doc in format version 1
    if not (0 <= lsb < 64 and 0 < width <= 64):
        raise ValueError(f"field {name} of {width} bits at bit {lsb}")
    names = {int(k, 0): str(v) for k, v in values.items()}
    unproven = None if reset is None else int(reset)
    return Field(str(name), int(lsb), int(width), str(access), names, unproven, str(doc[0]) if doc else "")
