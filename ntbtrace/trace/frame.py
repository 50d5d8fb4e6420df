# SPDX-License-Identifier: GPL-2.0-or-later
"""Frame: what everything behind the header stands in: type, length, a summary, a body, a checksum."""

import os
from dataclasses import dataclass
from pathlib import Path

from ntbtrace.trace.guard import checksum, damaged
from ntbtrace.trace.layout import CRC, FRAME, FRAME_MAGIC
from ntbtrace.trace.pace import PIECE, Pause, no_pause

Encoded = bytes | bytearray


@dataclass(frozen=True)
class Frame:
    """`type`: a layout.FrameType, or one of a later version. `length`: of the whole frame."""

    type: int
    offset: int
    length: int
    summary: bytes
    body: memoryview


@dataclass(frozen=True)
class FrameInfo:
    """A frame other than a block, told without reading it: an annotation, or one of a later version."""

    type: int
    summary: bytes
    offset: int
    length: int


@dataclass(frozen=True)
class Annotation:
    """A frame about events that are in the file already."""

    type: int
    summary: bytes
    body: bytes


def encode_frame(kind: int, summary: bytes, *body: bytes, pause: Pause = no_pause) -> Encoded:
    length = FRAME.size + len(summary) + sum(map(len, body)) + CRC.size
    frame, end, value = bytearray(length), 0, 0
    for part in (FRAME.pack(FRAME_MAGIC, kind, 0, length, len(summary)), summary, *body):
        for at in range(0, len(part), PIECE):
            piece = memoryview(part)[at : at + PIECE]
            frame[end : end + len(piece)] = piece
            end += len(piece)
            value = checksum(piece, before=value)
            pause()
    CRC.pack_into(frame, end, value)
    return frame


def read_frame(path: Path, fd: int, offset: int, size: int) -> Frame | None:
    """The frame at `offset` of a file of `size` bytes; None when the file ends inside it.

    Raises TraceFormatError for a frame that is damaged.
    """
    head = os.pread(fd, FRAME.size, offset)
    if not FRAME_MAGIC.startswith(head[: len(FRAME_MAGIC)]):
        raise damaged(path, offset, f"a block should begin here, not {head[:4].hex(' ')}")
    if len(head) < FRAME.size:
        return None
    _, kind, _, length, summary_length = FRAME.unpack(head)
    if length < FRAME.size + CRC.size + summary_length:
        raise damaged(path, offset + 8, f"a block of {length} bytes with a summary of {summary_length}")
    if length > size - offset:
        return None
    data = os.pread(fd, length, offset)
    if len(data) < length:
        return None
    view = memoryview(data)
    if checksum(view[: -CRC.size]) != CRC.unpack(view[-CRC.size :])[0]:
        raise damaged(path, offset, f"the block of {length} bytes that begins here has a wrong checksum")
    body_at = FRAME.size + summary_length
    return Frame(kind, offset, length, bytes(view[FRAME.size : body_at]), view[body_at : -CRC.size])
