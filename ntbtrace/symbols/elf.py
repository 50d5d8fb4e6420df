# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel module's file: its build-id, executable sections, functions, and its DWARF, relocated.

In a relocatable file every section begins at 0. Here each executable one gets a base of its own before DWARF is
relocated, so that an address says which section it is in. A file may come from anybody: whatever is wrong with it is
one NtbTraceError.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from elftools.common.exceptions import DWARFError, ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from ntbtrace.errors import NtbTraceError

MAX_FILE = 256 << 20  # bytes
SPACING = 1 << 32  # between the bases of sections
_EXECUTABLE, _COMPRESSED = 0x4, 0x800  # SHF_EXECINSTR, SHF_COMPRESSED
_RELA = np.dtype([("offset", "<u8"), ("type", "<u4"), ("symbol", "<u4"), ("addend", "<i8")])
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_WIDTHS = {1: 8, 10: 4, 11: 4}  # R_X86_64_64, _32, _32S
_DAMAGE = (
    ELFError, DWARFError, ConstructError, struct.error, ValueError, TypeError, KeyError, IndexError, AttributeError,
    AssertionError, OverflowError, RecursionError, MemoryError, EOFError, OSError,
)  # fmt: skip


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Inside, whatever a damaged file can cause becomes one NtbTraceError."""
    try:
        yield
    except NtbTraceError:
        raise
    except _DAMAGE as error:
        why = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise NtbTraceError(f"{path} cannot be read as a kernel module: {why}") from error


@dataclass(frozen=True)
class Function:
    """`start` and `end` in `section`, from 0."""

    section: str
    start: int
    end: int
    name: str


class Module:
    """The file at `path`. Raises NtbTraceError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            with path.open("rb") as file:
                self._data = file.read(MAX_FILE + 1)
            if len(self._data) > MAX_FILE:
                raise ValueError(f"it has more than {MAX_FILE} bytes")
            self._elf: Any = ELFFile(io.BytesIO(self._data))
            if (self._elf["e_type"], self._elf["e_machine"]) != ("ET_REL", "EM_X86_64"):
                raise ValueError("it is no relocatable file for x86-64")
            self.build_id = build_id_of(self._elf)
            self.sections: dict[str, int] = {}  # executable ones: their sizes
            self._bases: dict[int, int] = {}
            for number, section in enumerate(self._elf.iter_sections()):
                if section["sh_flags"] & _EXECUTABLE:
                    self.sections[section.name] = section["sh_size"]
                    self._bases[number] = SPACING * (len(self._bases) + 1)
        self._names = list(self.sections)

    def place(self, address: int) -> tuple[str, int]:
        """The section and the offset in it. Raises ValueError."""
        number = address // SPACING - 1
        if not 0 <= number < len(self._names):
            raise ValueError(f"{address:#x} is in no executable section")
        return self._names[number], address % SPACING

    def functions(self) -> list[Function]:
        """By section and start."""
        with reading(self.path):
            table = self._elf.get_section_by_name(".symtab")
            names = self._elf.get_section(table["sh_link"])
            found = []
            for symbol in self._symbols(table):
                base = self._bases.get(int(symbol["section"]))
                if base is not None and symbol["info"] & 0xF == 2 and symbol["size"]:  # STT_FUNC
                    section, start = self.place(base + int(symbol["value"]))
                    name = names.get_string(int(symbol["name"]))
                    found.append(Function(section, start, start + int(symbol["size"]), name))
            return sorted(found, key=lambda one: (one.section, one.start))

    def _symbols(self, table: Any) -> Any:
        return np.frombuffer(table.data(), _SYMBOL)

    def dwarf(self) -> Any:
        """elftools' DWARFInfo with addresses that place() takes; None without DWARF."""
        with reading(self.path):
            if self._elf.get_section_by_name(".debug_info") is None:
                return None
            data = bytearray(self._data)
            for section in self._elf.iter_sections():
                if section["sh_type"] == "SHT_RELA" and section.name.startswith(".rela.debug_"):
                    self._relocate(data, section)
            return ELFFile(io.BytesIO(bytes(data))).get_dwarf_info(relocate_dwarf_sections=False)

    def _relocate(self, data: bytearray, section: Any) -> None:
        """Put the values of symbols into the DWARF section that `section` is about."""
        target = self._elf.get_section(section["sh_info"])
        if target["sh_flags"] & _COMPRESSED:
            raise ValueError("its DWARF is compressed: `objcopy --decompress-debug-sections` it")
        symbols = self._symbols(self._elf.get_section(section["sh_link"]))
        bases = np.zeros(1 << 16, np.uint64)
        for number, base in self._bases.items():
            bases[number] = base
        values = symbols["value"] + bases[symbols["section"]]
        entries = np.frombuffer(section.data(), _RELA)
        new = values[entries["symbol"]] + entries["addend"].astype(np.uint64)
        view = np.frombuffer(data, np.uint8, target["sh_size"], target["sh_offset"])
        for kind in np.unique(entries["type"]).tolist():
            width = _WIDTHS.get(kind)
            if width is None:
                if kind == 0:
                    continue
                raise ValueError(f"its DWARF has relocations of type {kind}")
            chosen = entries["type"] == kind
            places = entries["offset"][chosen].astype(np.int64)[:, None] + np.arange(width)
            view[places] = new[chosen].astype("<u8")[:, None].view(np.uint8)[:, :width]


def build_id_of(elf: Any) -> str:
    """Hex digits; '' for none."""
    for section in elf.iter_sections():
        if section["sh_type"] == "SHT_NOTE":
            for note in section.iter_notes():
                if note["n_type"] == "NT_GNU_BUILD_ID":
                    return str(note["n_desc"])
    return ""
