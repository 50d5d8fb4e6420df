# SPDX-License-Identifier: GPL-2.0-or-later
"""ModuleCode: from an offset in a module's section to functions and source lines, inlined ones included."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ntbtrace.symbols.dwarf import Range, Tables, line_at, read_tables
from ntbtrace.symbols.elf import Function, Module


class Place(NamedTuple):
    """A function and the line in it. `offset`: from its begin; None: it is inlined in the next one."""

    function: str
    offset: int | None
    file: str
    line: int


@dataclass
class ModuleCode:
    """`tables` is None for a file without DWARF: functions are known then, lines are not."""

    build_id: str
    sections: dict[str, int]
    functions: list[Function]
    tables: Tables | None

    @cached_property
    def _functions(self) -> dict[str, list[Function]]:
        found: dict[str, list[Function]] = {}
        for one in self.functions:
            found.setdefault(one.section, []).append(one)
        return found

    def places(self, section: str, offset: int) -> list[Place]:
        """What stands there, the innermost first; empty if nothing is known."""
        function = self._function(section, offset)
        ranges = self._ranges(section, offset)
        if function is None and not ranges:
            return []
        file, line = self._line(section, offset)
        found = []
        for one in reversed(ranges[1:]):
            found.append(Place(one.name, None, file, line))
            file, line = self._file(one.file), max(one.line, 0)
        name = ranges[0].name if ranges else function.name if function else ""
        start = function.start if function else ranges[0].start
        return [*found, Place(name, offset - start, file, line)]

    def _function(self, section: str, offset: int) -> Function | None:
        rows = self._functions.get(section, [])
        at = bisect_right(rows, offset, key=lambda one: one.start) - 1
        return rows[at] if at >= 0 and offset < rows[at].end else None

    def _ranges(self, section: str, offset: int) -> list[Range]:
        """The function at `offset` and what is inlined there, one in the other."""
        rows = () if self.tables is None else self.tables.ranges.get(section, ())
        inside = [one for one in rows if one.start <= offset < one.end]
        return sorted(inside, key=lambda one: one.depth)

    def _line(self, section: str, offset: int) -> tuple[str, int]:
        found = None if self.tables is None else line_at(self.tables.lines.get(section, []), offset)
        return ("", 0) if found is None else (self._file(found[0]), found[1])

    def _file(self, number: int) -> str:
        return self.tables.files[number] if self.tables is not None and number >= 0 else ""

    def first_line(self, function: str) -> tuple[str, int] | None:
        """File and lowest line of a function's code, inlined or not; None where that is not known."""
        ranges = self.tables.ranges if self.tables is not None else {}
        starts = [(name, one.start) for name, rows in ranges.items() for one in rows if one.name == function]
        places = [place for name, start in starts for place in self.places(name, start) if place.function == function]
        return min(((place.file, place.line) for place in places if place.line), default=None, key=lambda one: one[1])

    # For the cache on disk

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(loaded: Mapping[str, Any]) -> "ModuleCode":
        """Undo as_json(). Raises KeyError, TypeError, ValueError."""
        tables = loaded["tables"]
        return ModuleCode(
            str(loaded["build_id"]),
            dict(loaded["sections"]),
            [Function(**one) for one in loaded["functions"]],
            None if tables is None else Tables(
                list(tables["files"]),
                {name: [(a, b, c) for a, b, c in rows] for name, rows in tables["lines"].items()},
                {name: [Range(*row) for row in rows] for name, rows in tables["ranges"].items()},
            ),
        )  # fmt: skip


def read_module(path: Path) -> ModuleCode:
    """All that the file tells. Raises NtbTraceError."""
    module = Module(path)
    return ModuleCode(module.build_id, module.sections, module.functions(), read_tables(module))


def same_file(path: str, name: str) -> bool:
    """Whether `name` means this source file: its whole path, or the last parts of it."""
    return path == name or path.endswith(f"/{name}")
