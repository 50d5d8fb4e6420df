# SPDX-License-Identifier: GPL-2.0-or-later
"""Block: a run of events with consecutive seqs, by column; the device's state before the first of them."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ntbtrace.errors import TraceFormatError
from ntbtrace.event import INLINE, Event
from ntbtrace.trace import columns as codec
from ntbtrace.trace.columns import Array
from ntbtrace.trace.frame import Encoded, Frame, encode_frame
from ntbtrace.trace.guard import damaged, expand, reading
from ntbtrace.trace.layout import (
    COLUMNS,
    DATA_KINDS,
    MAX_DATA,
    MAX_PART,
    MEMORY_KINDS,
    PART,
    PARTS,
    PAYLOAD_PART,
    ROW_DTYPE,
    SNAPSHOT_PART,
    Encoding,
    FrameType,
)  # fmt: skip
from ntbtrace.trace.pace import Pause, no_pause
from ntbtrace.trace.summary import BlockInfo, Rows, encode_summary, summarize

if TYPE_CHECKING:  # who reads packs nothing
    from ntbtrace.trace.packing import Packer

TELLING = ("kind", "cause")  # the columns that say which row is whose effect
NO_CAUSE = -1  # in columns["cause"]
_NAMES = tuple(name for name in Event._fields if name != "data")
_make = tuple.__new__


def has_data(kind: Array, size: Array) -> Array:
    """Which rows carry data at all: a mask."""
    return np.isin(kind, DATA_KINDS) | (np.isin(kind, MEMORY_KINDS) & (size > INLINE))


class Block:
    """`columns`: numpy arrays by the names of Event (cause: NO_CAUSE for none; value: 0 where data is longer
    than 8 bytes). `snapshot`: the device's state before the first row. What is damaged is a TraceFormatError.
    """

    def __init__(
        self,
        info: BlockInfo,
        column: Callable[[str], Array],
        payload: Callable[[], bytes],
        snapshot: bytes,
        path: Path,
    ) -> None:
        """`column` gives a column as the journal has it, `payload` the payload area; `path` is for errors."""
        self.info = info
        self._path = path
        self.snapshot = snapshot
        self.stored = column
        self._load_payload = payload
        self._arrays: dict[str, Array] = {}

    def column(self, name: str) -> Array:
        """One column; the others need not be decoded for it."""
        array = self._arrays.get(name)
        if array is None:
            array = self._arrays[name] = self._column(name)
        return array

    @cached_property
    def columns(self) -> dict[str, Array]:
        """All columns."""
        return {name: self.column(name) for name in _NAMES}

    def lists(self) -> dict[str, list[int]]:
        """All columns as Python lists, to be zipped by a loop that cannot use numpy."""
        return {name: array.tolist() for name, array in self.columns.items()}

    def data(self, row: int) -> bytes | None:
        """The bytes that row number `row` (from 0) carries, or None."""
        place = self._places.get(row)
        if place is None:
            return None
        at, size = place
        return at.to_bytes(INLINE, "little")[:size] if size <= INLINE else self._payload[at : at + size]

    def events(self, begin: int = 0, end: int | None = None) -> Iterator[Event]:
        """Rows `begin` to `end` - 1 as Events."""
        return self._events(slice(begin, end), range(begin, self.info.count if end is None else end))

    def events_at(self, rows: Array) -> Iterator[Event]:
        """These rows, from 0, as Events."""
        return self._events(rows, rows.tolist())

    def _events(self, rows: slice | Array, numbers: Sequence[int]) -> Iterator[Event]:
        lists = [self.column(name)[rows].tolist() for name in _NAMES]
        lists[-1] = [None if cause < 0 else cause for cause in lists[-1]]
        data = map(self.data, numbers) if self._places else repeat(None, len(numbers))
        return map(_make, repeat(Event), zip(*lists, data, strict=True))

    def _column(self, name: str) -> Array:
        first, count = self.info.first_seq, self.info.count
        if name == "seq":
            return np.arange(first, first + count, dtype=np.int64)
        array = self.stored(name)
        if name == "value":
            long = self._long
            return np.where(long, np.uint64(0), array) if long.any() else array
        if name == "cause":
            seqs = self.column("seq")
            if (array > seqs).any():
                raise self._damaged(f"one of the events from {first} on has a cause before event 0")
            return np.where(array == 0, NO_CAUSE, seqs - array)
        return array

    @cached_property
    def with_data(self) -> Array:
        """Which rows carry data: a mask."""
        return has_data(self.column("kind"), self.column("size"))

    @property
    def _long(self) -> Array:
        return self.with_data & (self.column("size") > INLINE)

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        """By row that carries data: its place in the payload area (up to 8 bytes: the data), its size."""
        size = self.column("size")
        rows = np.flatnonzero(self.with_data)
        if not len(rows):
            return {}
        found = zip(self.stored("value")[rows].tolist(), size[rows].tolist(), strict=True)
        return dict(zip(rows.tolist(), found, strict=True))

    @cached_property
    def _payload(self) -> bytes:
        payload = self._load_payload()
        for row, (at, size) in self._places.items():
            if size > INLINE and (size > MAX_DATA or at + size > len(payload)):
                seq = self.info.first_seq + row
                raise self._damaged(f"event {seq} has {size} bytes of data at {at} of {len(payload)}")
        return payload

    def _damaged(self, what: str) -> TraceFormatError:
        return damaged(self._path, self.info.offset or 0, what)


def block_of_rows(info: BlockInfo, rows: Rows, payload: bytes | memoryview, snapshot: bytes, path: Path) -> Block:
    """A block in memory. `rows`: of ROW_DTYPE, those that `info` sums up; `path`: where they are from."""
    return Block(info, lambda name: rows[name].copy(), lambda: bytes(payload), snapshot, path)


def encode_block(
    first_seq: int,
    rows: Rows,
    payload: bytes | memoryview,
    snapshot: bytes,
    packer: "Packer",
    pause: Pause = no_pause,
) -> tuple[BlockInfo, Encoded]:
    """The frame of an EVENTS block. `rows`: at least one, of ROW_DTYPE. `pause` is called after each step."""
    info = summarize(first_seq, rows, pause)
    entries, stored = [], []
    of = codec.causes(rows["kind"], rows["cause"], pause)
    packer.begin(pause)
    for name, number in COLUMNS.items():
        encoding, width, raw, compression, data = packer.column(name, rows[name], of)
        stored.append(data)
        entries.append(PART.pack(number, encoding, width, compression, len(data), raw))
    for number, plain in ((SNAPSHOT_PART, snapshot), (PAYLOAD_PART, payload)):
        compression, data = packer.plain(plain)
        stored.append(data)
        entries.append(PART.pack(number, 0, 1, compression, len(data), len(plain)))
    parts = (PARTS.pack(len(entries)), *entries, *stored)
    return info, encode_frame(FrameType.EVENTS, encode_summary(info), *parts, pause=pause)


def decode_block(info: BlockInfo, frame: Frame, path: Path) -> Block:
    """The block in `frame`, whose summary is `info`. Its columns are decoded when they are asked for."""
    parts: dict[int, tuple[int, int, int, memoryview, int]] = {}

    def column(name: str) -> Array:
        encoding, width, compression, data, raw = parts[COLUMNS[name]]
        with reading(path, frame.offset, f"column {name}"):
            codec.check(encoding, width, raw, info.count)
            if encoding & Encoding.CAUSED and name in TELLING:
                raise ValueError("it is told by itself")
            dtype: np.dtype[Any] = ROW_DTYPE[name]
            return codec.decode(encoding, width, expand(data, raw, raw, compression), dtype, info.count, causes)

    @cache
    def causes() -> codec.Causes | None:
        kinds, distances = map(column, TELLING)
        return codec.causes(kinds, distances)

    def plain(number: int) -> bytes:
        _, _, compression, data, raw = parts[number]
        with reading(path, frame.offset, f"part {number}"):
            return expand(data, raw, MAX_PART, compression)

    with reading(path, frame.offset, "the block"):
        body = frame.body
        (count,) = PARTS.unpack_from(body)
        at = PARTS.size + count * PART.size
        for number, encoding, width, compression, stored, raw in PART.iter_unpack(body[PARTS.size : at]):
            if stored > len(body) - at:
                raise ValueError(f"part {number} of {stored} bytes where {len(body) - at} are left")
            parts[number] = (encoding, width, compression, body[at : at + stored], raw)
            at += stored
        missing = {*COLUMNS.values(), SNAPSHOT_PART, PAYLOAD_PART} - parts.keys()
        if missing:
            raise ValueError(f"there is no part {min(missing)}")
    return Block(info, column, lambda: plain(PAYLOAD_PART), plain(SNAPSHOT_PART), path)
