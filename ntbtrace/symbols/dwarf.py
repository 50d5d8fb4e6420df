# SPDX-License-Identifier: GPL-2.0-or-later
"""What DWARF says of a module's code, as flat tables: source lines, functions, and what was inlined where."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ntbtrace.symbols.elf import Module, reading

MAX_DIES = 2_000_000  # entries that are looked at: a hostile file ends somewhere
_ABSOLUTE = ("DW_FORM_addr",)


class Range(NamedTuple):
    """Code of a function, or where one was inlined: from `start` to before `end`. `depth` 0: the function itself; an
    inlined one has its caller's place in `file` (of Tables.files) and `line`.
    """

    start: int
    end: int
    depth: int
    name: str
    file: int
    line: int


@dataclass
class Tables:
    """By section: `lines` are (offset, file, line), ascending, file -1 where there is none; `ranges` ascend by start
    and depth. `files`: paths.
    """

    files: list[str] = field(default_factory=list)
    lines: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    ranges: dict[str, list[Range]] = field(default_factory=dict)


def read_tables(module: Module) -> Tables | None:
    """None for a file without DWARF. Raises NtbTraceError."""
    dwarf = module.dwarf()
    if dwarf is None:
        return None
    with reading(module.path):
        return _Reader(module, dwarf).tables


class _Reader:
    def __init__(self, module: Module, dwarf: Any) -> None:
        self.tables = Tables()
        self._module = module
        self._dwarf = dwarf
        self._numbers: dict[str, int] = {}
        self._left = MAX_DIES
        lines: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        ranges: dict[str, list[Range]] = defaultdict(list)
        for unit in dwarf.iter_CUs():
            program = dwarf.line_program_for_CU(unit)
            files = [] if program is None else self._files(program)
            if program is not None:
                self._lines(program, files, lines)
            top = unit.get_top_DIE()
            for die in self._children(top):
                if die.tag == "DW_TAG_subprogram":
                    self._ranges(die, 0, files, ranges)
        self.tables.lines = {name: _merged(rows) for name, rows in lines.items()}
        self.tables.ranges = {name: sorted(set(rows)) for name, rows in ranges.items()}

    def _files(self, program: Any) -> list[int]:
        """By number in this unit: the number in Tables.files."""
        header = program.header
        directories = [_text(one) for one in header["include_directory"]]
        found = [] if header["version"] >= 5 else [-1]  # counted from 1 before DWARF 5
        for entry in header["file_entry"]:
            at = entry["dir_index"] if header["version"] >= 5 else entry["dir_index"] - 1
            name = _text(entry["name"])
            if not name.startswith("/") and 0 <= at < len(directories):
                name = f"{directories[at]}/{name}"
            if name not in self._numbers:
                self._numbers[name] = len(self.tables.files)
                self.tables.files.append(name)
            found.append(self._numbers[name])
        return found

    def _lines(self, program: Any, files: list[int], lines: dict[str, list[tuple[int, int, int]]]) -> None:
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            # a sequence's end is behind the last instruction, perhaps behind the section
            section, offset = self._module.place(state.address)
            lines[section].append(
                (offset, -1, 0) if state.end_sequence else (offset, _at(files, state.file), state.line)
            )

    def _children(self, die: Any) -> Iterator[Any]:
        last = -1
        for child in die.iter_children():
            self._left -= 1
            if child.offset <= last or self._left < 0:
                raise ValueError("its DWARF runs in circles")
            last = child.offset
            yield child

    def _ranges(self, die: Any, depth: int, files: list[int], found: dict[str, list[Range]]) -> None:
        """A function or an inlined one with all that is inlined in it; lexical blocks count for nothing."""
        inside = depth
        if die.tag in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine"):
            spans = list(self._spans(die))
            if die.tag == "DW_TAG_subprogram" and not spans:
                return  # a declaration, or one that is inlined everywhere
            file, line = _number(die, "DW_AT_call_file"), _number(die, "DW_AT_call_line")
            name = self._name(die)
            for low, high in spans:
                section, start = self._module.place(low)
                found[section].append(Range(start, start + high - low, depth, name, _at(files, file), line))
            inside += 1
        elif die.tag != "DW_TAG_lexical_block":
            return
        if die.has_children:
            for child in self._children(die):
                self._ranges(child, inside, files, found)

    def _spans(self, die: Any) -> Iterator[tuple[int, int]]:
        attributes = die.attributes
        if "DW_AT_ranges" in attributes:
            yield from self._listed(die)
        elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            yield low, high.value if high.form in _ABSOLUTE else low + high.value

    def _listed(self, die: Any) -> Iterator[tuple[int, int]]:
        unit = die.cu
        lists = self._dwarf.range_lists()
        low = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
        base = 0 if low is None else low.value
        for entry in lists.get_range_list_at_offset(die.attributes["DW_AT_ranges"].value, unit):
            if hasattr(entry, "base_address"):
                base = entry.base_address
            elif entry.end_offset > entry.begin_offset:
                start = 0 if getattr(entry, "is_absolute", False) else base
                yield start + entry.begin_offset, start + entry.end_offset

    def _name(self, die: Any) -> str:
        for _ in range(8):
            if "DW_AT_name" in die.attributes:
                return _text(die.attributes["DW_AT_name"].value)
            key = next((key for key in ("DW_AT_abstract_origin", "DW_AT_specification") if key in die.attributes), None)
            if key is None:
                break
            die = die.get_DIE_from_attribute(key)
        return "?"


def _merged(rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Ascending; of several rows at one offset the last counts, but no end of a sequence where another begins."""
    latest: dict[int, tuple[int, int]] = {}
    for offset, file, line in rows:
        if file >= 0 or offset not in latest:
            latest[offset] = (file, line)
    return [(offset, *latest[offset]) for offset in sorted(latest)]


def line_at(rows: list[tuple[int, int, int]], offset: int) -> tuple[int, int] | None:
    """File and line of the code at `offset`."""
    at = bisect_right(rows, (offset, 1 << 62)) - 1
    if at < 0 or rows[at][1] < 0:
        return None
    return rows[at][1:]


def _at(files: list[int], number: int) -> int:
    return files[number] if 0 <= number < len(files) else -1


def _number(die: Any, key: str) -> int:
    attribute = die.attributes.get(key)
    return -1 if attribute is None else int(attribute.value)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
