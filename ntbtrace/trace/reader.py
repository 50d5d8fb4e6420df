# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace: a file opened for reading, whole, or still being recorded, or left behind by a killed recorder."""

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.trace.block import Block, block_of_rows, decode_block
from ntbtrace.trace.frame import FrameInfo, read_frame
from ntbtrace.trace.guard import damaged, reading
from ntbtrace.trace.header import Header, body_length, decode_header, version_of
from ntbtrace.trace.index import Index, decode_index, find_index
from ntbtrace.trace.layout import HEADER, TAIL, FrameType
from ntbtrace.trace.registers import RegisterTable
from ntbtrace.trace.summary import BlockInfo, decode_summary, summarize

if TYPE_CHECKING:  # and what a closed trace does not need is loaded when another one asks for it
    from ntbtrace.query import Expression
    from ntbtrace.trace.annotations import Annotations
    from ntbtrace.trace.columns import Array
    from ntbtrace.trace.journal import Kept


class Source:
    """The file behind a Trace: its header, as it is `start`, and its `version`; `begin`, where its frames
    begin; its journal's `identity`."""

    def __init__(self, path: Path) -> None:
        """Raises NtbTraceError, TraceFormatError."""
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NtbTraceError(f"cannot open {path}: {error.strerror}") from error
        try:
            start = os.pread(self.fd, HEADER.size, 0)
            length = body_length(path, start, self.size())
            body = os.pread(self.fd, length, HEADER.size)
            self.header = decode_header(path, start, body)
            self.version = version_of(start)
        except OSError as error:
            os.close(self.fd)
            raise NtbTraceError(f"cannot read {path}: {error.strerror}") from error
        except BaseException:
            os.close(self.fd)
            raise
        self.begin = HEADER.size + length
        self.start = start + body

    @property
    def identity(self) -> bytes:
        from ntbtrace.trace.journal import identity

        return identity(self.start)

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def close(self) -> None:
        os.close(self.fd)


class Scan:
    """What stands in a file, found without its tail: whole frames up to byte `end` (`blocks` and `others`), then
    perhaps `index`.
    """

    def __init__(self, source: Source) -> None:
        self.blocks: list[BlockInfo] = []
        self.others: list[FrameInfo] = []
        self.end = source.begin
        self.index: Index | None = None
        self.source = source

    def go_on(self) -> None:
        """Take in the frames that are whole by now. Raises TraceFormatError for one that is damaged."""
        source = self.source
        size = source.size()
        while self.end < size and self.index is None:
            frame = read_frame(source.path, source.fd, self.end, size)
            if frame is None:
                return
            if frame.type == FrameType.EVENTS:
                with reading(source.path, frame.offset, "the block's summary"):
                    info = decode_summary(frame.summary, frame.offset, frame.length)
                    if self.blocks and info.first_seq <= self.blocks[-1].last_seq:
                        raise ValueError(f"event {info.first_seq} after event {self.blocks[-1].last_seq}")
                self.blocks.append(info)
            elif frame.type == FrameType.INDEX:
                self.index = decode_index(frame, source.path)
                behind = self.end + frame.length
                if size > behind + TAIL.size:
                    raise damaged(source.path, behind, f"{size - behind} bytes behind the index")
                return
            else:
                self.others.append(FrameInfo(frame.type, frame.summary, frame.offset, frame.length))
            self.end += frame.length


def continuation(kept: "Sequence[Kept]", next_seq: int, *, gaps: bool = True) -> "list[Kept]":
    """The halves of a journal whose rows come from `next_seq` on: those before are in the file already. Events between
    may have been left out on purpose (`gaps`).
    """
    found = []
    for half in kept:
        if len(half.rows) and (half.first_seq == next_seq or (gaps and half.first_seq > next_seq)):
            found.append(half)
            next_seq = half.first_seq + len(half.rows)
    return found


class Trace:
    """See open_trace(). Iterating gives Events; len() is their number; `with` closes the file.

    `blocks`: what each block holds, in order of seq. `closed`: the recording ended properly. `salvaged`: the
    file was made whole afterwards. `cut_off`: its end is missing, and so is the recorder's journal. `lost`:
    events that could not be written. `annotations`: what is known of events beside what they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = Source(path)
        self.format_version = self.source.version
        self.header: Header = self.source.header
        self.cut_off = False
        self._kept: dict[int, Kept] = {}
        self._cached: tuple[int, Block] | None = None
        try:
            index = self._load()
        except OSError as error:
            self.close()
            raise NtbTraceError(f"cannot read {path}: {error.strerror}") from error
        except BaseException:
            self.close()
            raise
        self.blocks: Sequence[BlockInfo] = index.blocks
        self.closed, self.salvaged, self.lost = index.closed, index.salvaged, index.lost
        self.others = index.others
        self._starts = [info.first_seq for info in self.blocks]

    def _load(self) -> Index:
        source = self.source
        frame = find_index(self.path, source.fd, source.size())
        if frame is not None:
            return decode_index(frame, self.path)
        from ntbtrace.trace.journal import has_journal, read_journal
        from ntbtrace.trace.sink import locked

        kept = read_journal(self.path, source.identity)  # before the file: what leaves one is already in the other
        scan = Scan(source)
        scan.go_on()
        if scan.index is not None:
            return scan.index
        blocks = scan.blocks
        for half in continuation(kept, blocks[-1].last_seq + 1 if blocks else 0):
            self._kept[len(blocks)] = half
            blocks.append(summarize(half.first_seq, half.rows))
        self.cut_off = not has_journal(self.path, source.identity) and not locked(source.fd)
        return Index(blocks, closed=False, salvaged=False, lost=0, others=scan.others)

    @cached_property
    def annotations(self) -> "Annotations":
        from ntbtrace.trace.annotations import Annotations

        return Annotations(self)

    @cached_property
    def registers(self) -> RegisterTable:
        with reading(self.path, HEADER.size, "the register table"):
            return RegisterTable(self.header.registers)

    def block(self, index: int) -> Block:
        """Block number `index` of `blocks`. Raises TraceFormatError when it is damaged."""
        if self._cached is None or self._cached[0] != index:
            self._cached = (index, self._read_block(index))
        return self._cached[1]

    def _read_block(self, index: int) -> Block:
        info = self.blocks[index]
        if info.offset is None:
            half = self._kept[index]
            return block_of_rows(info, half.rows, half.payload, half.snapshot, self.path)
        try:
            frame = read_frame(self.path, self.source.fd, info.offset, self.source.size())
        except OSError as error:
            raise NtbTraceError(f"cannot read {self.path}: {error.strerror}") from error
        with reading(self.path, info.offset, "the block's summary"):
            if frame is None or decode_summary(frame.summary, frame.offset, frame.length) != info:
                raise ValueError("it is not what the index says")
        return decode_block(info, frame, self.path)

    def events(self, first: int = 0, last: int | None = None) -> Iterator[Event]:
        """The events of seq `first` to `last` (the end), both included; other blocks are not read."""
        for index, begin, end in self._parts(first, last):
            yield from self.block(index).events(begin, end)

    def where(self, expression: "str | Expression", first: int = 0, last: int | None = None) -> Iterator[Event]:
        """Those of events() for which the expression is true. Blocks whose summary rules them out are not read.

        Raises NtbTraceError for a text that is no expression.
        """
        for block, rows in self.select(expression, first, last):
            yield from block.events_at(rows)

    def select(
        self,
        expression: "str | Expression | None" = None,
        first: int = 0,
        last: int | None = None,
        *,
        newest_first: bool = False,
    ) -> "Iterator[tuple[Block, Array]]":
        """where(), or events() without an expression, by block: its rows, from 0, ascending; at least one.
        `newest_first`: the blocks, not the rows, in descending order.
        """
        import numpy as np

        from ntbtrace.query import columns, parse

        wanted = parse(expression, self.registers) if isinstance(expression, str) else expression
        parts: Iterable[tuple[int, int, int]] = self._parts(first, last)
        if newest_first:
            parts = reversed(list(parts))
        for index, begin, end in parts:
            if wanted is None:
                yield self.block(index), np.arange(begin, end)
            elif wanted.may_match(self.blocks[index]):
                block = self.block(index)
                rows = columns.select(wanted, block)
                rows = rows[(rows >= begin) & (rows < end)]
                if len(rows):
                    yield block, rows

    def arrays(
        self, *names: str, where: "str | Expression | None" = None, first: int = 0, last: int | None = None
    ) -> "dict[str, Array]":
        """Columns of the events that events() or where() would give, each whole, as a numpy array: seq, t, kind,
        endpoint, bar, offset, size, value, target, status, cause (-1 for none). Other columns are not decoded.

        Raises NtbTraceError for a name that is no column.
        """
        import numpy as np

        for name in names:
            if name not in Event._fields or name == "data":
                known = ", ".join(field for field in Event._fields if field != "data")
                raise NtbTraceError(f"a column is one of {known}, not {name}")
        found: dict[str, list[Array]] = {name: [] for name in names}
        for block, rows in self.select(where, first, last):
            for name, parts in found.items():
                parts.append(block.column(name)[rows])
        return {name: np.concatenate(parts) if parts else np.empty(0, np.int64) for name, parts in found.items()}

    def block_at(self, seq: int) -> int | None:
        """The number of the block that holds event `seq`."""
        index = bisect_right(self._starts, seq) - 1
        return index if index >= 0 and seq <= self.blocks[index].last_seq else None

    def seq_at(self, t: int) -> int:
        """The seq of the first event at time `t` (ns since the start) or later; behind the last one if there is none.

        Times do not descend from one stimulus to the next.
        """
        for index, info in enumerate(self.blocks):
            if info.last_t >= t:
                times = self.block(index).column("t")
                return info.first_seq + int((times >= t).argmax())
        return self.blocks[-1].last_seq + 1 if self.blocks else 0

    def _parts(self, first: int, last: int | None) -> Iterator[tuple[int, int, int]]:
        """Blocks that hold events of seq `first` to `last`, and which of their rows those are."""
        for index in range(max(bisect_right(self._starts, first) - 1, 0), len(self.blocks)):
            info = self.blocks[index]
            if last is not None and info.first_seq > last:
                return
            begin = max(first - info.first_seq, 0)
            end = info.count if last is None else min(last + 1 - info.first_seq, info.count)
            if begin < end:
                yield index, begin, end

    def __iter__(self) -> Iterator[Event]:
        return self.events()

    def __len__(self) -> int:
        return sum(info.count for info in self.blocks)

    def close(self) -> None:
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_trace(path: str | os.PathLike[str], *, partial: bool = False) -> Trace:
    """Open a trace. One that was not closed opens too: its blocks, and behind them the rows of its journal.

    Raises NtbTraceError when it cannot be read, TraceFormatError (with the place) when it is damaged, or cut off
    (unless `partial`).
    """
    trace = Trace(Path(path))
    if partial:
        return trace
    if trace.cut_off:
        trace.close()
        trace = Trace(trace.path)  # it may have been closed just then
    if trace.cut_off:
        size = trace.path.stat().st_size
        trace.close()
        raise damaged(trace.path, size, f"the file is cut off here; `ntbtrace salvage {path}` keeps what is good")
    return trace
