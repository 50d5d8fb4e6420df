# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place where whatever a damaged file can cause becomes a TraceFormatError with its place."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError

import lz4.block

from ntbtrace.errors import TraceFormatError
from ntbtrace.trace.layout import Codec
from ntbtrace.trace.pace import Pause, no_pause

DEFLATED = 8 << 10  # bytes between pauses: about a tenth of a millisecond of zlib's

_DAMAGE = (
    StructError, lz4.block.LZ4BlockError, zlib.error, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, RecursionError, MemoryError,
)  # fmt: skip


def damaged(path: Path, offset: int, what: str) -> TraceFormatError:
    """The error for something at byte `offset`."""
    return TraceFormatError(f"{path}: byte {offset}: {what}")


@contextmanager
def reading(path: Path, offset: int, what: str) -> Iterator[None]:
    """Inside, anything that damage can raise becomes "`what` is damaged" at byte `offset`."""
    try:
        yield
    except TraceFormatError:
        raise
    except _DAMAGE as error:
        raise damaged(path, offset, f"{what} is damaged ({error or type(error).__name__})") from error


def compress(
    raw: bytes | memoryview,
    codec: Codec = Codec.LZ4,
    level: int = zlib.Z_BEST_COMPRESSION,
    pause: Pause = no_pause,
) -> bytes:
    """Shorter bytes; `raw` itself where that does not make it shorter (then both lengths are equal).

    `level` is zlib's, which takes its time: `pause` is called between pieces of its work.
    """
    stored: bytes
    if codec == Codec.DEFLATE:
        view, deflate = memoryview(raw), zlib.compressobj(level)
        pieces = []
        for at in range(0, len(view), DEFLATED):
            pieces.append(deflate.compress(view[at : at + DEFLATED]))
            pause()
        stored = b"".join((*pieces, deflate.flush()))
    else:
        stored = lz4.block.compress(raw, store_size=False)
    return stored if len(stored) < len(raw) else bytes(raw)


def expand(stored: bytes | memoryview, raw_length: int, limit: int, codec: int = Codec.LZ4) -> bytes:
    """Undo compress(). `limit` is the largest raw length that makes sense. Raises ValueError."""
    if raw_length > limit:
        raise ValueError(f"{raw_length} bytes are more than the {limit} that there can be")
    if len(stored) == raw_length:
        return bytes(stored)
    raw: bytes
    if codec == Codec.DEFLATE:
        raw = zlib.decompressobj().decompress(stored, raw_length + 1)
    elif codec == Codec.LZ4:
        raw = lz4.block.decompress(stored, uncompressed_size=raw_length)
    else:
        raise ValueError(f"there is no codec {codec}")
    if len(raw) != raw_length:
        raise ValueError(f"{len(raw)} bytes where {raw_length} should be")
    return raw


def checksum(*parts: bytes | memoryview, before: int = 0) -> int:
    """`before`: of what comes before them."""
    value = before
    for part in parts:
        value = zlib.crc32(part, value)
    return value
