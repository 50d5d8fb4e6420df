# SPDX-License-Identifier: GPL-2.0-or-later
"""Storage: what becomes of a recording's blocks: one file with all of them, several files, or only a part.

WHOLE              one file
Rotate(size)       FILE.0001.ntbt, FILE.0002.ntbt ... of about `size` bytes, each a trace that replays by itself
Last(size)         the last `size` bytes: pieces while it runs, FILE when it ends
Around(text, ...)  only blocks near the events for which an expression is true
"""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ntbtrace.errors import NtbTraceError
from ntbtrace.query import Expression, columns, parse
from ntbtrace.trace.block import Block
from ntbtrace.trace.header import Header
from ntbtrace.trace.journal import journal_path
from ntbtrace.trace.registers import RegisterTable
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.summary import BlockInfo

PIECES = 8  # that a Last keeps: what it holds varies by one of them
LEAST = 16 << 10  # bytes of a piece


class Storage:
    """One file with all blocks. `open` makes what the writer appends to; `header` as it is, and `encoded`."""

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Sink:
        return Sink(path, encoded, overwrite)


WHOLE = Storage()


@dataclass(frozen=True)
class Rotate(Storage):
    size: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Sink:
        return RotatingSink(path, encoded, overwrite, self.size)


@dataclass(frozen=True)
class Last(Storage):
    size: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Sink:
        return LastSink(path, encoded, overwrite, self.size)


@dataclass(frozen=True)
class Around(Storage):
    """`before`, `after`: events that are kept at least around one for which the expression `text` is true."""

    text: str
    before: int
    after: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Sink:
        return AroundSink(path, encoded, overwrite, parse(self.text, RegisterTable(header.registers)), self)


class RotatingSink(Sink):
    """Appends to FILE.NNNN.ntbt, and begins the next when it would become longer than `size`."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, size: int) -> None:
        self._wanted, self._header, self._size, self._number = path, header, size, 1
        if overwrite:
            for old in path.parent.glob(f"{path.stem}.[0-9][0-9][0-9][0-9]{path.suffix}"):
                old.unlink()
        super().__init__(self._name(), header, False)

    def _name(self) -> Path:
        return self._wanted.with_name(f"{self._wanted.stem}.{self._number:04}{self._wanted.suffix}")

    def block(self, info: BlockInfo, frame: bytes, block: Callable[[], Block] | None = None) -> None:
        if self.blocks and self.end + len(frame) > self._size:
            self._next()
        super().block(info, frame)

    def _next(self) -> None:
        """Close this piece; the journal goes with the one that is being written, so that it can be salvaged."""
        before = self.path
        self.index(closed=True)
        self.close()
        self._number += 1
        super().__init__(self._name(), self._header, False)
        journal_path(before).replace(journal_path(self.path))


class LastSink(RotatingSink):
    """Pieces of which the oldest go; joined into one file at the end."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, size: int) -> None:
        if path.exists() and not overwrite:
            raise NtbTraceError(f"{path} exists: choose another name, or say --overwrite")
        self._most, self._overwrite = size, overwrite
        self._pieces: deque[tuple[Path, list[BlockInfo], int]] = deque()
        super().__init__(path, header, overwrite, max(size // PIECES, LEAST))

    def _next(self) -> None:
        self._pieces.append((self.path, self.blocks, self.end))
        while len(self._pieces) > 1 and sum(end for _, _, end in self._pieces) > self._most - self._size:
            self._pieces.popleft()[0].unlink(missing_ok=True)
        super()._next()

    def finish(self, *, lost: int) -> None:
        """The pieces become one file."""
        super().finish(lost=lost)
        self._pieces.append((self.path, self.blocks, self.end))
        whole = Sink(self._wanted, self._header, self._overwrite)
        try:
            for path, blocks, _ in self._pieces:
                with path.open("rb") as piece:
                    for info in blocks:
                        whole.block(info, os.pread(piece.fileno(), info.length, info.offset or 0))
            whole.finish(lost=lost)
            whole.close()
        except BaseException:
            whole.discard()
            raise
        for path, _, _ in self._pieces:
            path.unlink(missing_ok=True)


class AroundSink(Sink):
    """Holds blocks back until it is known whether something near them matters."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, where: Expression, around: Around) -> None:
        super().__init__(path, header, overwrite)
        self._where, self._around = where, around
        self._held: deque[tuple[BlockInfo, bytes]] = deque()
        self._until = -1  # seq up to which everything is kept

    def block(self, info: BlockInfo, frame: bytes, block: Callable[[], Block] | None = None) -> None:
        found: list[int] = []
        if block is not None and self._where.may_match(info):
            found = columns.select(self._where, block()).tolist()
        self._held.append((info, frame))
        if found:
            first = info.first_seq + found[0] - self._around.before
            self._until = info.first_seq + found[-1] + self._around.after
            while self._held:
                held = self._held.popleft()
                if held[0].last_seq >= first:
                    super().block(*held)
        elif info.first_seq <= self._until:
            super().block(*self._held.pop())
        while self._held and self._held[0][0].last_seq < info.last_seq + 1 - self._around.before:
            self._held.popleft()
