# SPDX-License-Identifier: GPL-2.0-or-later
"""BlockInfo: what is inside a block, told without decoding it, so that a search can pass it by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ntbtrace.event import NO_ENDPOINT
from ntbtrace.trace.layout import ENTRY, KIND_COUNT, MAX_ROWS, MAX_SEQ, SUMMARY, Tag
from ntbtrace.trace.pace import Pause, no_pause

Rows = NDArray[np.void]


@dataclass(frozen=True)
class BlockInfo:
    """`first_t` and `last_t` are the lowest and highest time; `counts`: events by kind; `targets` without 0.

    `offset` and `length`: of the frame in the file; `offset` is None for rows that are still in the journal.
    """

    first_seq: int
    count: int
    first_t: int
    last_t: int
    counts: dict[int, int]
    endpoints: frozenset[int]
    targets: frozenset[int]
    offset: int | None = None
    length: int = 0

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    @property
    def kinds(self) -> frozenset[int]:
        return frozenset(self.counts)


def summarize(first_seq: int, rows: Rows, pause: Pause = no_pause) -> BlockInfo:
    """`rows`: at least one, of layout.ROW_DTYPE."""
    times, targets = rows["t"], np.sort(rows["target"])
    pause()
    counts = np.bincount(rows["kind"])
    pause()
    endpoints = np.flatnonzero(np.bincount(rows["endpoint"]))
    pause()
    return BlockInfo(
        first_seq,
        len(rows),
        int(times.min()),
        int(times.max()),
        {kind: int(counts[kind]) for kind in np.flatnonzero(counts).tolist()},
        frozenset(endpoints.tolist()) - {NO_ENDPOINT},
        frozenset(targets[np.append(True, targets[1:] != targets[:-1])].tolist()) - {0},
    )


def encode_summary(info: BlockInfo) -> bytes:
    kinds = b"".join(KIND_COUNT.pack(kind, count) for kind, count in sorted(info.counts.items()))
    entries = (
        (Tag.KINDS, kinds),
        (Tag.ENDPOINTS, bytes(sorted(info.endpoints))),
        (Tag.TARGETS, np.array(sorted(info.targets), "<u4").tobytes()),
    )
    start = SUMMARY.pack(info.first_seq, info.count, info.first_t, info.last_t)
    return start + b"".join(ENTRY.pack(tag, len(data)) + data for tag, data in entries)


def decode_summary(data: bytes, offset: int, length: int) -> BlockInfo:
    """`offset`, `length`: the frame's. Entries of an unknown tag are passed over. Raises ValueError."""
    first_seq, count, first_t, last_t = SUMMARY.unpack_from(data)
    if not 0 < count <= MAX_ROWS or first_seq > MAX_SEQ:
        raise ValueError(f"{count} events from {first_seq} on")
    found: dict[int, bytes] = {}
    at = SUMMARY.size
    while at < len(data):
        tag, size = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        if size > len(data) - at:
            raise ValueError(f"a map entry of {size} bytes where {len(data) - at} are left")
        found[tag] = data[at : at + size]
        at += size
    counts: dict[int, int] = dict(KIND_COUNT.iter_unpack(found[Tag.KINDS]))
    if sum(counts.values()) != count:
        raise ValueError(f"{sum(counts.values())} events by kind, {count} in all")
    targets = np.frombuffer(found[Tag.TARGETS], "<u4")
    return BlockInfo(
        first_seq, count, first_t, last_t, counts,
        frozenset(found[Tag.ENDPOINTS]), frozenset(targets.tolist()), offset, length,
    )  # fmt: skip
