# SPDX-License-Identifier: GPL-2.0-or-later
"""Sink: the growing file. Whole frames or nothing; locked, so that nobody salvages a running recording."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ntbtrace.errors import NtbTraceError
from ntbtrace.trace.frame import Annotation, Encoded, FrameInfo, encode_frame
from ntbtrace.trace.index import Index, encode_index
from ntbtrace.trace.pace import PIECE, Pace
from ntbtrace.trace.summary import BlockInfo

if TYPE_CHECKING:
    from ntbtrace.trace.block import Block

_CHUNK = 1 << 20


def locked(fd: int) -> bool:
    """Whether a recorder has this file open for writing."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def remove(path: Path) -> None:
    """Remove a file that is to be replaced, if it is there. Raises NtbTraceError for what must stay, OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NtbTraceError(f"{path} is not a regular file: choose another name")
        if locked(fd):
            raise NtbTraceError(f"{path} is being recorded by another ntbtrace: choose another name")
    finally:
        os.close(fd)
    path.unlink()


class Sink:
    """A new file at `path` that begins with `header`. Raises NtbTraceError when it cannot be made."""

    def __init__(self, path: Path, header: bytes, overwrite: bool) -> None:
        self.path = path
        self.blocks: list[BlockInfo] = []
        self.others: list[FrameInfo] = []
        try:
            if overwrite:
                remove(path)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            raise NtbTraceError(f"{path} exists: choose another name, or say --overwrite") from error
        except OSError as error:
            raise NtbTraceError(f"cannot create {path}: {error.strerror}") from error
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._end = 0
        self._pace = Pace()
        try:
            self._append(header)
        except OSError as error:
            self.discard()
            raise NtbTraceError(f"cannot write {path}: {error.strerror}") from error

    @property
    def end(self) -> int:
        """Bytes so far."""
        return self._end

    def block(self, info: BlockInfo, frame: Encoded, block: "Callable[[], Block] | None" = None) -> None:
        """Append the frame of a block. Raises OSError, and the file is as before. `block` makes what is in the frame,
        for a sink that looks at it.
        """
        offset = self._end
        self._append(frame)
        self.blocks.append(replace(info, offset=offset, length=len(frame)))

    def annotate(self, note: Annotation) -> None:
        """Append an annotation, of the block before it or of all. Raises OSError, and the file is as before."""
        frame, offset = encode_frame(note.type, note.summary, note.body), self._end
        self._append(frame)
        self.others.append(FrameInfo(note.type, note.summary, offset, len(frame)))

    def frames(self) -> list[BlockInfo | FrameInfo]:
        """Blocks and annotations in the order of the file."""
        return sorted((*self.blocks, *self.others), key=lambda one: one.offset or 0)

    def adopt(self, one: BlockInfo | FrameInfo, frame: Encoded) -> None:
        """Append a frame of another trace as it is. Raises OSError, and the file is as before."""
        moved = replace(one, offset=self._end, length=len(frame))
        self._append(frame)
        if isinstance(moved, BlockInfo):
            self.blocks.append(moved)
        else:
            self.others.append(moved)

    def copy(self, fd: int, end: int, blocks: Sequence[BlockInfo], others: Sequence[FrameInfo]) -> None:
        """Take over the first `end` bytes of another trace, in which `blocks` and `others` are. Raises OSError."""
        while self._end < end:
            chunk = os.pread(fd, min(_CHUNK, end - self._end), self._end)
            if not chunk:
                raise OSError(errno.EIO, "it became shorter")
            self._append(chunk)
        self.blocks.extend(blocks)
        self.others.extend(others)

    def index(self, *, closed: bool, salvaged: bool = False, lost: int = 0) -> None:
        """Append index and tail: the file is whole. Raises OSError."""
        self._append(encode_index(Index(self.blocks, closed, salvaged, lost, self.others), self._end))

    def finish(self, *, lost: int) -> None:
        """The recording has ended: index and tail. Raises OSError."""
        self.index(closed=True, lost=lost)

    def sync(self) -> None:
        """Until it is on the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def discard(self) -> None:
        """Close and remove the file."""
        self.path.unlink(missing_ok=True)
        self.close()

    def _append(self, data: Encoded) -> None:
        if not os.fstat(self._fd).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed")
        left = memoryview(data)
        at = self._end
        try:
            while left:
                count = os.pwrite(self._fd, left[:PIECE], at)
                at += count
                left = left[count:]
                self._pace()
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end = at
