# SPDX-License-Identifier: GPL-2.0-or-later
"""Sites: which code of its guest made each access of a block, as addresses; the frame that holds them.

A chain is the address of the instruction that made the access, then those of the calls that led there, the innermost
first. What they mean is told by the guest's symbols (guest_symbols.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ntbtrace.trace import columns as codec
from ntbtrace.trace.columns import Array
from ntbtrace.trace.frame import Annotation, Frame
from ntbtrace.trace.guard import expand, reading
from ntbtrace.trace.layout import (
    MAX_DEPTH,
    MAX_PART,
    MAX_ROWS,
    PART,
    PARTS,
    SITES,
    FrameType,
    SitePart,
)  # fmt: skip
from ntbtrace.trace.packing import Packer, notes

_TYPES: dict[SitePart, np.dtype[Any]] = {
    SitePart.ROWS: np.dtype("<u4"), SitePart.CHAINS: np.dtype("<u4"), SitePart.DEPTHS: np.dtype("u1"),
    SitePart.VIAS: np.dtype("u1"), SitePart.FRAMES: np.dtype("<u8"),
}  # fmt: skip
_NAMES = {part: part.name.lower() for part in SitePart}


class Via(IntEnum):
    """How a chain was found."""

    UNKNOWN = 0  # no record of the guest's fits the access
    PLUGIN = 1  # QEMU's plugin: exact
    MONITOR = 2  # QEMU's monitor: the first address is the begin of the translated block that made the access


class Chain(NamedTuple):
    """`frames`: guest addresses, the access itself first; none: unknown."""

    via: int
    frames: tuple[int, ...]


UNKNOWN = Chain(Via.UNKNOWN, ())


class SiteCounts(NamedTuple):
    """Accesses whose code is known, and those where it should be but is not."""

    known: int
    unknown: int


@dataclass(frozen=True)
class Sites:
    """`rows`: of the block, from 0, ascending; `numbers`: for each the place of its chain in `chains`, whose first is
    UNKNOWN.
    """

    rows: Array
    numbers: Array
    chains: Sequence[Chain]

    def chain(self, row: int) -> Chain | None:
        """Of this row of the block; None where no code is to be expected."""
        at = int(self.rows.searchsorted(row))
        return self.chains[int(self.numbers[at])] if at < len(self.rows) and self.rows[at] == row else None

    def by_row(self, count: int) -> Array:
        """For each of the block's `count` rows the place of its chain, -1 for none."""
        found = np.full(count, -1, np.int64)
        found[self.rows] = self.numbers
        return found


def join(parts: Sequence[tuple[int, Sites]]) -> Sites:
    """One for blocks that became one; with each, its first row there."""
    chains: dict[Chain, int] = {UNKNOWN: 0}
    rows, numbers = [], []
    for first, sites in parts:
        new = np.array([chains.setdefault(chain, len(chains)) for chain in sites.chains], np.int64)
        rows.append(sites.rows.astype(np.int64) + first)
        numbers.append(new[sites.numbers])
    return Sites(np.concatenate(rows), np.concatenate(numbers), list(chains))


def site_counts(summary: bytes) -> SiteCounts:
    _, known, unknown, _ = SITES.unpack(summary)
    return SiteCounts(known, unknown)


def first_seq(summary: bytes) -> int:
    seq: int = SITES.unpack(summary)[0]
    return seq


def encode_sites(first: int, sites: Sites, packer: Packer | None = None) -> Annotation:
    """The annotation of the block whose first seq is `first`. `sites` has one row or more."""
    columns: dict[SitePart, Array] = {
        SitePart.ROWS: sites.rows,
        SitePart.CHAINS: sites.numbers,
        SitePart.DEPTHS: np.array([len(chain.frames) for chain in sites.chains]),
        SitePart.VIAS: np.array([chain.via for chain in sites.chains]),
        SitePart.FRAMES: np.array([frame for chain in sites.chains for frame in chain.frames], np.uint64),
    }
    packer = packer or notes()
    entries, stored = [], []
    for part, column in columns.items():
        if not len(column):
            continue
        encoding, width, raw, compression, data = packer.column(_NAMES[part], column.astype(_TYPES[part]), None)
        entries.append(PART.pack(part, encoding, width, compression, len(data), raw))
        stored.append(data)
    unknown = int((sites.numbers == 0).sum())
    summary = SITES.pack(first, len(sites.rows) - unknown, unknown, len(sites.chains))
    return Annotation(FrameType.SITES, summary, b"".join((PARTS.pack(len(entries)), *entries, *stored)))


def decode_sites(frame: Frame, path: Path, block_rows: int) -> Sites:
    """Undo encode_sites(), for a block of so many rows. Raises TraceFormatError."""
    with reading(path, frame.offset, "the block's code sites"):
        _, known, unknown, count = SITES.unpack(frame.summary)
        part = _parts(frame.body)
        rows = part(SitePart.ROWS, known + unknown)
        numbers = part(SitePart.CHAINS, known + unknown)
        depths, vias = part(SitePart.DEPTHS, count), part(SitePart.VIAS, count)
        if depths[0] or int(depths.max()) > MAX_DEPTH:
            raise ValueError(f"a chain of {int(depths.max())} calls")
        frames = part(SitePart.FRAMES, int(depths.sum())).tolist()
        if int(rows[-1]) >= block_rows or (rows[1:] <= rows[:-1]).any() or int(numbers.max()) >= len(depths):
            raise ValueError("rows or chains that are not there")
        ends = depths.cumsum(dtype=np.int64).tolist()
        chains = [
            Chain(via, tuple(frames[end - depth : end]))
            for via, depth, end in zip(vias.tolist(), depths.tolist(), ends, strict=True)
        ]
        return Sites(rows.astype(np.int64), numbers.astype(np.int64), chains)


def _parts(body: memoryview) -> Callable[[SitePart, int], Array]:
    """What gives so many items of a part."""
    (count,) = PARTS.unpack_from(body)
    at = PARTS.size + count * PART.size
    found: dict[int, tuple[int, int, int, int, memoryview]] = {}
    for number, encoding, width, compression, stored, raw in PART.iter_unpack(body[PARTS.size : at]):
        if stored > len(body) - at:
            raise ValueError(f"part {number} of {stored} bytes where {len(body) - at} are left")
        found[number] = (encoding, width, compression, raw, body[at : at + stored])
        at += stored

    def part(which: SitePart, wanted: int) -> Array:
        dtype = _TYPES[which]
        if wanted == 0:
            return np.empty(0, dtype)
        encoding, width, compression, raw, data = found[which]
        if not 0 < wanted <= (MAX_PART // dtype.itemsize if which == SitePart.FRAMES else MAX_ROWS):
            raise ValueError(f"{wanted} items in part {which}")
        codec.check(encoding, width, raw, wanted)
        return codec.decode(encoding, width, expand(data, raw, MAX_PART, compression), dtype, wanted, lambda: None)

    return part
