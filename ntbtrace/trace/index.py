# SPDX-License-Identifier: GPL-2.0-or-later
"""Index: the last frame of a whole file, where each block is and what is inside; the tail that finds it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ntbtrace.trace.frame import Frame, FrameInfo, encode_frame, read_frame
from ntbtrace.trace.guard import checksum, damaged, reading
from ntbtrace.trace.layout import (
    INDEX,
    INDEX_ENTRY,
    TAIL,
    TAIL_MAGIC,
    TAIL_PLACE,
    FrameType,
    IndexFlag,
)
from ntbtrace.trace.summary import BlockInfo, decode_summary, encode_summary


@dataclass(frozen=True)
class Index:
    """`lost`: events that happened but could not be written (a full disk). `others`: the frames that are no blocks."""

    blocks: Sequence[BlockInfo]
    closed: bool
    salvaged: bool
    lost: int
    others: Sequence[FrameInfo] = field(default=())


def encode_index(index: Index, offset: int) -> bytes:
    """Index frame and tail, to be written at byte `offset`, the end of the file."""
    entries = []
    frames = [FrameInfo(FrameType.EVENTS, encode_summary(info), info.offset or 0, info.length) for info in index.blocks]
    for one in sorted((*frames, *index.others), key=lambda frame: frame.offset):
        entries.append(INDEX_ENTRY.pack(one.offset, one.length, one.type, 0, len(one.summary)) + one.summary)
    flags = (IndexFlag.CLOSED if index.closed else 0) | (IndexFlag.SALVAGED if index.salvaged else 0)
    frame = encode_frame(FrameType.INDEX, INDEX.pack(flags, len(entries), index.lost), *entries)
    place = TAIL_PLACE.pack(offset, len(frame))
    return bytes(frame) + TAIL.pack(offset, len(frame), checksum(place), TAIL_MAGIC)


def decode_index(frame: Frame, path: Path) -> Index:
    """What is in an index frame. Raises TraceFormatError."""
    with reading(path, frame.offset, "the index"):
        flags, count, lost = INDEX.unpack(frame.summary)
        blocks: list[BlockInfo] = []
        others: list[FrameInfo] = []
        at = 0
        for _ in range(count):
            offset, length, kind, _, size = INDEX_ENTRY.unpack_from(frame.body, at)
            at += INDEX_ENTRY.size
            if size > len(frame.body) - at:
                raise ValueError(f"an entry of {size} bytes where {len(frame.body) - at} are left")
            if offset + length > frame.offset:
                raise ValueError(f"a block of {length} bytes at {offset}, behind the index")
            summary = bytes(frame.body[at : at + size])
            if kind == FrameType.EVENTS:
                blocks.append(decode_summary(summary, offset, length))
            else:
                others.append(FrameInfo(kind, summary, offset, length))
            at += size
        check_order(blocks)
    return Index(blocks, bool(flags & IndexFlag.CLOSED), bool(flags & IndexFlag.SALVAGED), lost, others)


def check_order(blocks: Sequence[BlockInfo]) -> None:
    """Raise ValueError unless the seqs ascend from block to block."""
    for before, after in pairwise(blocks):
        if after.first_seq <= before.last_seq:
            raise ValueError(f"event {after.first_seq} after event {before.last_seq}")


def find_index(path: Path, fd: int, size: int) -> Frame | None:
    """The index frame that the tail names; None when there is no tail (the file was not closed)."""
    if size < TAIL.size:
        return None
    tail = os.pread(fd, TAIL.size, size - TAIL.size)
    offset, length, crc, magic = TAIL.unpack(tail)
    if magic != TAIL_MAGIC or crc != checksum(tail[: TAIL_PLACE.size]):
        return None
    if offset + length + TAIL.size != size:
        raise damaged(path, size - TAIL.size, f"the tail names an index at byte {offset}, not before it")
    frame = read_frame(path, fd, offset, size - TAIL.size)
    if frame is None or frame.type != FrameType.INDEX:
        raise damaged(path, offset, "the index should be here")
    return frame
