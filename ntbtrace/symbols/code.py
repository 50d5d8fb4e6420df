# SPDX-License-Identifier: GPL-2.0-or-later
"""Code: which code of its guest made each access of a trace, by name.

    with open_trace("run.ntbt") as trace:
        code = attach(trace)                                  # expressions know func, file and line now
        code.frames(812)                                      # (Frame(function='iowrite32', ...), ...)
        list(trace.where('func == "idt_init_link"'))

A chain is read as a whole: `func == X` is true for an access if any function of its chain is X. As a value, `func`
is the innermost function of a module, with the `file` and `line` in it.
"""

import operator
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntbtrace.errors import NtbTraceError
from ntbtrace.symbols.chains import Frame, GuestNames, chain_text
from ntbtrace.symbols.find import ModuleFiles
from ntbtrace.symbols.module import same_file
from ntbtrace.text import basename
from ntbtrace.trace import Trace
from ntbtrace.trace.guest_symbols import GuestSymbols
from ntbtrace.trace.sites import Chain, Via

Frames = tuple[Frame, ...]
Numbers = NDArray[np.int64]
BY_MONITOR = " (by QEMU's monitor: about)"  # not by its plugin: the first place is only near the access
FUNC, FILE, LINE = "func", "file", "line"
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass
class FunctionCount:
    """A function of a trace. `own`: accesses whose innermost function of a module it is; `total`: those in whose chain
    it is.
    """

    function: str
    module: str
    file: str
    own: int = 0
    total: int = 0


class Code:
    """Of `trace`: names for the addresses that it has."""

    def __init__(self, trace: Trace, directories: Sequence[Path] = ()) -> None:
        """`directories` have the modules' files, the guest cache if there are none. Raises SetupError."""
        self._trace = trace
        self._files = ModuleFiles(directories)
        self._chains: list[Frames] = []
        self._vias: list[int] = []
        self._numbers: dict[tuple[int, int, Chain], int] = {}  # by port, epoch and chain
        self._block: tuple[int, Numbers] | None = None
        self._words: dict[str, dict[str, int]] = {FUNC: {}, FILE: {}}
        self._texts: dict[str, list[str]] = {FUNC: [""], FILE: [""]}  # by number, from 1: a name that is known is true
        self._innermost: dict[int, Frame | None] = {}
        self._all_read = False  # the chains of all blocks have numbers

    @cached_property
    def _guests(self) -> dict[int, GuestNames]:
        return {port: GuestNames(symbols, self._files) for port, symbols in self._trace.annotations.symbols.items()}

    # Chains, by number

    def numbers(self, index: int) -> Numbers:
        """For each row of block `index` the number of its chain, for frames_of(); -1 where no code was recorded."""
        if self._block is None or self._block[0] != index:
            self._block = index, self._resolve(index)
        return self._block[1]

    def _resolve(self, index: int) -> Numbers:
        info, sites = self._trace.blocks[index], self._trace.annotations.sites(index)
        found = np.full(info.count, -1, np.int64)
        if sites is None:
            return found
        ports = self._trace.block(index).column("endpoint")[sites.rows] >> 3
        seqs = sites.rows + info.first_seq
        epochs = np.zeros(len(seqs), np.int64)
        for port in np.unique(ports).tolist():
            mine = ports == port
            epochs[mine] = np.searchsorted(self._epochs(port), seqs[mine], "right")
        keys = np.stack((ports.astype(np.int64), epochs, sites.numbers))
        unique, first, which = np.unique(keys, axis=1, return_index=True, return_inverse=True)
        given = [
            self._number(port, epoch, sites.chains[number], int(seqs[at]))
            for (port, epoch, number), at in zip(unique.T.tolist(), first.tolist(), strict=True)
        ]
        found[sites.rows] = np.array(given, np.int64)[which.reshape(-1)]
        return found

    def _epochs(self, port: int) -> list[int]:
        return self._guest(port).epochs

    def _guest(self, port: int) -> GuestNames:
        if port not in self._guests:  # a guest that told nothing
            self._guests[port] = GuestNames(GuestSymbols(port), self._files)
        return self._guests[port]

    def _number(self, port: int, epoch: int, chain: Chain, seq: int) -> int:
        key = (port, epoch, chain)
        if key not in self._numbers:
            self._numbers[key] = len(self._chains)
            self._chains.append(self._guest(port).frames(chain, seq))
            self._vias.append(chain.via)
        return self._numbers[key]

    def frames_of(self, number: int) -> Frames:
        """The chain of this number, the innermost function first; () for an unknown one."""
        return self._chains[number]

    # Events

    def number(self, seq: int) -> int:
        index = self._trace.block_at(seq)
        return -1 if index is None else int(self.numbers(index)[seq - self._trace.blocks[index].first_seq])

    def frames(self, seq: int) -> Frames | None:
        """Who made access `seq`, the innermost function first; () when it could not be told, None where no code was
        recorded.
        """
        number = self.number(seq)
        return None if number < 0 else self._chains[number]

    def text(self, seq: int) -> str:
        """The same as text; '' where no code was recorded."""
        number = self.number(seq)
        if number < 0:
            return ""
        return chain_text(self._chains[number]) + (BY_MONITOR if self._vias[number] == Via.MONITOR else "")

    def innermost(self, number: int) -> Frame | None:
        """The innermost function of a module, not inlined; else the innermost one that has a name."""
        if number not in self._innermost:
            named = [frame for frame in self._chains[number] if frame.function and not frame.inlined]
            found = next((frame for frame in named if frame.module), named[0] if named else None)
            self._innermost[number] = found
        return self._innermost[number]

    def counts(self, where: Callable[[int], Any] | None = None) -> list[FunctionCount]:
        """All functions with their accesses, the busiest first. `where`: the rows of a block that count, by the block's
        number.
        """
        found: dict[tuple[str, str, str], FunctionCount] = {}
        for index in range(len(self._trace.blocks)):
            numbers = self.numbers(index)
            chosen = numbers if where is None else numbers[where(index)]
            for number, count in zip(*(part.tolist() for part in np.unique(chosen, return_counts=True)), strict=True):
                if number < 0:
                    continue
                for key in {_function_of(frame) for frame in self._chains[number]}:
                    found.setdefault(key, FunctionCount(*key)).total += count
                inner = self.innermost(number)
                if inner is not None:
                    found[_function_of(inner)].own += count
        return sorted(found.values(), key=lambda one: (-one.total, -one.own, one.function))

    def chains(self) -> range:
        """The numbers of all chains that the trace has."""
        if not self._all_read:
            for index in range(len(self._trace.blocks)):
                self.numbers(index)
            self._all_read = True
        return range(len(self._chains))

    def lines(self) -> dict[str, set[int]]:
        """By source file: the lines that stand in the chain of some access."""
        self.chains()
        found: dict[str, set[int]] = {}
        for frame in {frame for chain in self._chains for frame in chain if frame.line}:
            found.setdefault(frame.file, set()).add(frame.line)
        return found

    @property
    def problems(self) -> list[str]:
        """What was missing for names and lines so far, a line each."""
        lines = list(self._files.problems.values())
        if not self._trace.annotations.symbols and self._trace.annotations.counts.known:
            lines.append("the guests have told nothing of their kernels: only addresses are known")
        return lines

    def _all_guests(self) -> Iterator[GuestNames]:
        yield from list(self._guests.values())

    # What expressions ask: query.nodes.CodeSource

    def words(self, column: str) -> set[str]:
        """All names of functions or of source files that the guests' code has."""
        found: set[str] = set()
        for guest in self._all_guests():
            found |= guest.kernel_functions() if column == FUNC else set()
            for code in guest.codes().values():
                if column == FUNC:
                    found |= {one.name for one in code.functions}
                    found |= {one.name for rows in (code.tables.ranges.values() if code.tables else ()) for one in rows}
                elif code.tables is not None:
                    found |= set(code.tables.files)
        return found

    def check(self, column: str, word: str) -> None:
        """Raise NtbTraceError with the nearest names for one that no code here has. A line's word is FILE:LINE."""
        if column == LINE:
            word, colon, line = word.rpartition(":")
            if not colon or not line.isdecimal():
                raise NtbTraceError(f"a line is a number, or FILE:LINE in quotes, not {word + colon + line}")
            column = FILE
        known = self.words(column)
        if column == FILE:
            if any(same_file(path, word) for path in known):
                return
            known = {basename(path) for path in known}
        elif word in known or not known:
            return
        near = get_close_matches(word, sorted(known), n=3)
        what = "function" if column == FUNC else "source file"
        hint = f"did you mean {' or '.join(near)}?" if near else "; ".join(self.problems) or "there is none like it"
        raise NtbTraceError(f"there is no {what} {word} in the guests' code: {hint}")

    def tester(self, column: str, op: str, operand: str | int) -> Callable[[int], bool]:
        """Whether some function of a chain, given by its number, compares so."""
        compare = _COMPARE[op]
        file, _, number_text = str(operand).rpartition(":")
        known: dict[int, bool] = {-1: False}

        def holds(frame: Frame) -> bool:
            if column == FUNC:
                return frame.function == operand
            if column == FILE:
                return bool(frame.file) and same_file(frame.file, str(operand))
            if isinstance(operand, str):
                return frame.line == int(number_text) and same_file(frame.file, file)
            return bool(frame.line) and compare(frame.line, operand)

        def test(number: int) -> bool:
            if number not in known:
                known[number] = any(map(holds, self._chains[number]))
            return known[number]

        return test

    def value(self, column: str, number: int) -> int | None:
        """Of the innermost function; for func and file a number, whose text word() gives. None for nothing."""
        frame = self.innermost(number) if number >= 0 else None
        if frame is None:
            return None
        if column == LINE:
            return frame.line or None
        text = frame.function if column == FUNC else frame.file
        if not text:
            return None
        words = self._words[column]
        if text not in words:
            words[text] = len(self._texts[column])
            self._texts[column].append(text)
        return words[text]

    def word(self, column: str, value: int) -> str:
        """What value() stands for."""
        return self._texts[column][value]

    def numbers_of(self, first_seq: int) -> Numbers:
        """numbers() of the block that begins with this event."""
        index = bisect_right(self._trace.blocks, first_seq, key=lambda info: info.first_seq) - 1
        return self.numbers(index)

    # What a debugger asks

    def where(self, text: str) -> str:
        """The expression for FUNCTION, FILE:LINE or FILE. Raises NtbTraceError with the nearest names."""
        file, colon, line = text.rpartition(":")
        if colon and line.isdecimal():
            self.check(FILE, file)
            return f'line == "{text}"'
        column = FILE if "." in text and any(same_file(path, text) for path in self.words(FILE)) else FUNC
        self.check(column, text)
        return f'{column} == "{text}"'

    def near(self, text: str, count: int = 3) -> list[int]:
        """For FILE:LINE: the lines of this file that made accesses, the nearest ones, ascending."""
        file, _, line = text.rpartition(":")
        made = {line for path, lines in self.lines().items() if same_file(path, file) for line in lines}
        return sorted(sorted(made, key=lambda one: abs(one - int(line)))[:count])

    def source_of(self, function: str) -> tuple[str, int] | None:
        """The file and the first line of a function's code, for a listing; None where that is not known."""
        found = (code.first_line(function) for guest in self._all_guests() for code in guest.codes().values())
        return next((one for one in found if one is not None), None)


def _function_of(frame: Frame) -> tuple[str, str, str]:
    return frame.name, frame.module, frame.file


def attach(trace: Trace, directories: Sequence[Path] = ()) -> Code:
    """Make the trace's expressions know func, file and line. Raises SetupError."""
    code = Code(trace, directories)
    trace.registers.code = code
    return code
