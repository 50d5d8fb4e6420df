# SPDX-License-Identifier: GPL-2.0-or-later
"""Packer: which encoding and codec a column gets. A recorder's learns what pays, so that most blocks try that alone:
to try all of them costs as much as the guests' accesses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ntbtrace.trace.columns import Array, Causes, encode, tried
from ntbtrace.trace.guard import compress
from ntbtrace.trace.layout import Codec, Encoding
from ntbtrace.trace.pace import Pause, no_pause

LEARN = 16  # blocks: every so many, all that may pay is tried again,
WORSE = 1.2  # and when a column takes so many times the bytes that it took then
FAST, TIGHT = 3, 9  # levels of zlib


class Packed(NamedTuple):
    """A part: its encoding, the width of an item, the raw length, the codec, the stored bytes."""

    encoding: Encoding
    width: int
    raw: int
    codec: Codec
    data: bytes


class _Known(NamedTuple):
    """What paid, and how many bytes a row cost then."""

    encoding: Encoding
    codec: Codec
    cost: float


class Packer:
    """`codecs`: those that are tried, for plain parts the first; `level`: of zlib; `learn`: see LEARN, 1 for never."""

    def __init__(self, codecs: Sequence[Codec], level: int, learn: int = 1) -> None:
        self._codecs, self._level, self._learn = codecs, level, learn
        self._known: dict[str, _Known] = {}
        self._blocks = 0
        self._pause: Pause = no_pause

    def begin(self, pause: Pause) -> None:
        """A new block; `pause` is called after each step of its packing."""
        self._pause = pause
        if self._blocks % self._learn == 0:
            self._known.clear()
        self._blocks += 1

    def column(self, name: str, column: Array, of: Causes | None) -> Packed:
        """`column`: at least one unsigned integer."""
        column = np.ascontiguousarray(column)
        if (column == column[0]).all():
            return self._pack(Encoding.CONSTANT, column[:1], of, self._codecs[:1])
        known = self._known.get(name)
        if known is not None and (of is not None or not known.encoding & Encoding.CAUSED):
            packed = self._pack(known.encoding, column, of, (known.codec,))
            if packed.encoding == known.encoding and _cost(packed) <= known.cost * len(column):
                return packed
        best = min((self._pack(one, column, of, self._codecs) for one in tried(name, of)), key=_cost)
        if self._learn > 1:
            self._known[name] = _Known(best.encoding, best.codec, WORSE * _cost(best) / len(column))
        return best

    def plain(self, data: bytes | memoryview) -> tuple[Codec, bytes]:
        """A part that is no column."""
        return self._codecs[0], self._compress(data, self._codecs[0])

    def _compress(self, data: bytes | memoryview, codec: Codec) -> bytes:
        self._pause()
        return compress(data, codec, self._level, self._pause)

    def _pack(self, encoding: Encoding, column: Array, of: Causes | None, codecs: Sequence[Codec]) -> Packed:
        self._pause()
        encoding, width, raw = encode(encoding, column, of, self._pause)
        forms = (Packed(encoding, width, len(raw), codec, self._compress(raw, codec)) for codec in codecs)
        return min(forms, key=_cost)


def _cost(packed: Packed) -> int:
    """What a reader pays, in bytes: zlib is slower, so it must save an eighth, and more than a few bytes."""
    size = len(packed.data)
    return size if packed.codec == Codec.LZ4 else size * 9 // 8 + 64


def recording() -> Packer:
    """For a recorder: quick to write and to search."""
    return Packer((Codec.LZ4, Codec.DEFLATE), FAST, LEARN)


def notes() -> Packer:
    """For what stands beside the blocks."""
    return Packer((Codec.LZ4,), FAST)


def archive() -> Packer:
    """For the fewest bytes."""
    return Packer((Codec.DEFLATE,), TIGHT)
