# SPDX-License-Identifier: GPL-2.0-or-later
"""Storage: what becomes of a recording's blocks: one file with all of them, several files, or only a part.

WHOLE              one file
Rotate(size)       FILE.0001.ntbt, FILE.0002.ntbt ... of about `size` bytes, each a trace that replays by itself
Last(size)         the last `size` bytes: pieces while it runs, FILE when it ends
Around(text, ...)  only blocks near the events for which an expression is true
"""

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ntbtrace.errors import NtbTraceError
from ntbtrace.query import Expression, columns, parse
from ntbtrace.trace.block import Block
from ntbtrace.trace.frame import Annotation, Encoded, FrameInfo
from ntbtrace.trace.header import Header
from ntbtrace.trace.journal import journal_path
from ntbtrace.trace.layout import FrameType
from ntbtrace.trace.registers import RegisterTable
from ntbtrace.trace.sink import Sink, remove
from ntbtrace.trace.summary import BlockInfo

PIECES = 8  # that a Last keeps: what it holds varies by one of them
LEAST = 16 << 10  # bytes of a piece


class Output(Protocol):
    """What the writer appends to. `path`: the file at hand, the journal lies beside it."""

    @property
    def path(self) -> Path: ...

    def block(self, info: BlockInfo, frame: Encoded, block: Callable[[], Block]) -> None:
        """Take the frame of a block; `block` makes what is in it. Raises OSError."""

    def annotate(self, note: Annotation) -> None:
        """Take what is known of the block that came last, or of all. Raises OSError."""

    def finish(self, *, lost: int) -> None:
        """The recording has ended. Raises OSError; then it can be called again."""

    def close(self) -> None: ...

    def discard(self) -> None: ...


class Storage:
    """One file with all blocks. `open` makes what the writer appends to; `header` as it is, and `encoded`."""

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Output:
        return Sink(path, encoded, overwrite)


WHOLE = Storage()


@dataclass(frozen=True)
class Rotate(Storage):
    size: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Output:
        return RotatingSink(path, encoded, overwrite, self.size)


@dataclass(frozen=True)
class Last(Storage):
    size: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Output:
        return LastSink(path, encoded, overwrite, self.size)


@dataclass(frozen=True)
class Around(Storage):
    """`before`, `after`: events that are kept at least around one for which the expression `text` is true."""

    text: str
    before: int
    after: int

    def open(self, path: Path, header: Header, encoded: bytes, overwrite: bool) -> Output:
        return AroundSink(path, encoded, overwrite, parse(self.text, RegisterTable(header.registers)), self)


def pieces(path: Path) -> list[Path]:
    """The files FILE.0001.ntbt ... of the recording FILE.ntbt that are there, in order."""
    form = re.compile(rf"{re.escape(path.stem)}\.(\d{{4,}}){re.escape(path.suffix)}")
    found = ((form.fullmatch(file.name), file) for file in path.parent.iterdir()) if path.parent.is_dir() else ()
    return [file for _, file in sorted((int(match[1]), file) for match, file in found if match)]


class RotatingSink:
    """Appends to FILE.NNNN.ntbt, and begins the next when it would become longer than `size`."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, size: int) -> None:
        self._wanted, self._header, self._size, self._number = path, header, size, 1
        for old in pieces(path):
            if not overwrite:
                raise NtbTraceError(f"{old} exists: choose another name, or say --overwrite")
            remove(old)
            journal_path(old).unlink(missing_ok=True)
        self._symbols: dict[int, Annotation] = {}  # by port: they stand in every piece
        self._piece = self._new()

    @property
    def path(self) -> Path:
        return self._piece.path

    def _new(self) -> Sink:
        name = f"{self._wanted.stem}.{self._number:04}{self._wanted.suffix}"
        piece = Sink(self._wanted.with_name(name), self._header, False)
        try:
            for note in self._symbols.values():
                piece.annotate(note)
        except OSError:
            piece.discard()
            raise
        return piece

    def block(self, info: BlockInfo, frame: Encoded, block: Callable[[], Block]) -> None:
        if self._piece.blocks and self._piece.end + len(frame) > self._size:
            self._rotate()
        self._piece.block(info, frame)

    def annotate(self, note: Annotation) -> None:
        self._piece.annotate(note)
        if note.type == FrameType.SYMBOLS:
            self._symbols[note.summary[0]] = note

    def _rotate(self) -> None:
        """The journal goes to the next piece, whose blocks it holds, before this one says that it is whole."""
        before = self._piece
        self._number += 1
        after = self._new()
        try:
            journal_path(before.path).replace(journal_path(after.path))
        except OSError:
            after.discard()
            raise
        self._piece = after
        self._end(before)

    def _end(self, piece: Sink) -> None:
        piece.index(closed=True)
        piece.close()

    def finish(self, *, lost: int) -> None:
        self._piece.finish(lost=lost)

    def close(self) -> None:
        self._piece.close()

    def discard(self) -> None:
        self._piece.discard()


class LastSink(RotatingSink):
    """Pieces of which the oldest go; joined into one file at the end."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, size: int) -> None:
        if path.exists():
            if not overwrite:
                raise NtbTraceError(f"{path} exists: choose another name, or say --overwrite")
            remove(path)
        self._most = size
        self._old: deque[tuple[Path, deque[BlockInfo | FrameInfo], int]] = deque()
        self._whole: Sink | None = None
        self._done = False
        super().__init__(path, header, overwrite, max(size // PIECES, LEAST))

    def _end(self, piece: Sink) -> None:
        super()._end(piece)
        self._old.append((piece.path, deque(piece.frames()), piece.end))
        while len(self._old) > 1 and sum(end for _, _, end in self._old) > self._most - self._size:
            self._old.popleft()[0].unlink(missing_ok=True)

    def finish(self, *, lost: int) -> None:
        """The pieces become one file; each goes when it is in it."""
        if self._whole is None:
            super().finish(lost=lost)
            self._old.append((self._piece.path, deque(self._piece.frames()), 0))
            self._whole = Sink(self._wanted, self._header, False)
        while self._old:
            path, frames, _ = self._old[0]
            with path.open("rb") as file:
                while frames:
                    info = frames[0]
                    self._whole.adopt(info, os.pread(file.fileno(), info.length, info.offset or 0))
                    frames.popleft()
            path.unlink()
            self._old.popleft()
        self._whole.finish(lost=lost)
        self._whole.close()
        journal_path(self._piece.path).replace(journal_path(self._wanted))
        self._done = True

    @property
    def path(self) -> Path:
        return self._wanted if self._done else super().path


class AroundSink(Sink):
    """Holds blocks back, in memory, until it is known whether something near them matters."""

    def __init__(self, path: Path, header: bytes, overwrite: bool, where: Expression, around: Around) -> None:
        super().__init__(path, header, overwrite)
        self._where, self._around = where, around
        self._held: deque[tuple[BlockInfo, Encoded, list[Annotation]]] = deque()
        self._latest: list[Annotation] | None = None  # where those of the last block go; None: into the file
        self._until = -1  # seq up to which everything is kept

    def block(self, info: BlockInfo, frame: Encoded, block: Callable[[], Block] | None = None) -> None:
        found: list[int] = []
        if block is not None and self._where.may_match(info):
            found = columns.select(self._where, block()).tolist()
        self._latest = []
        self._held.append((info, frame, self._latest))
        if found:
            first = info.first_seq + found[0] - self._around.before
            self._until = info.first_seq + found[-1] + self._around.after
            while self._held:
                held = self._held.popleft()
                if held[0].last_seq >= first:
                    self._keep(*held)
            self._latest = None
        elif info.first_seq <= self._until:
            self._keep(*self._held.pop())
            self._latest = None
        while self._held and self._held[0][0].last_seq < info.last_seq + 1 - self._around.before:
            self._held.popleft()

    def _keep(self, info: BlockInfo, frame: Encoded, notes: Sequence[Annotation]) -> None:
        super().block(info, frame)
        for note in notes:
            super().annotate(note)

    def annotate(self, note: Annotation) -> None:
        if self._latest is None or note.type == FrameType.SYMBOLS:
            super().annotate(note)
        else:
            self._latest.append(note)
