# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's memory, as its peer's windows reach it: only what the guest has mapped, and never a fault of ours."""

import fcntl
import mmap
import os
import stat
import threading
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from ntbtrace.errors import ProtocolError
from ntbtrace.trace.pace import give_way

RELEASE_STEP = 8 << 20  # bytes of a mapping that are given back at once: well under a millisecond
MOST_STEPS = 1024  # more where it is larger than that many: it may be a file of terabytes, with nothing in it
RELEASES = 4  # at a time, in threads of their own
RELEASE = "memory release"  # the name of these threads

_releasing = threading.BoundedSemaphore(RELEASES)
_TOP = 1 << 64
F_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h; Python has no name for it


class GuestMemory(Protocol):
    def read(self, address: int, length: int) -> bytes | None:
        """`length` bytes at a guest physical address; None if they are not all memory."""

    def write(self, address: int, data: bytes) -> bool:
        """False, and nothing written, if the place is not all memory."""


class Region(NamedTuple):
    """`size` bytes at guest physical `address`, found at `offset` of the file `fd`."""

    address: int
    size: int
    offset: int
    fd: int


class MappedMemory:
    """Memory shared by a peer as files. Owns the fds. Raises ProtocolError for regions that cannot be trusted.

    A file that its owner could still shrink (no F_SEAL_SHRINK) is read and written, not mapped: touching a mapping
    behind the new end would be a SIGBUS of ours. Files are mapped at the first access: QEMU replaces its map over a
    hundred times while it boots.
    """

    def __init__(self, regions: Sequence[Region]) -> None:
        self._regions = sorted(regions)
        self._starts = [region.address for region in self._regions]
        self._maps: list[mmap.mmap | None] = [None] * len(self._regions)
        try:
            self._mappable = [_check(region) for region in self._regions]
            for region, after in zip(self._regions, self._regions[1:], strict=False):
                if region.address + region.size > after.address:
                    raise ProtocolError(
                        f"memory regions at {region.address:#x} ({region.size:#x} bytes) and {after.address:#x} overlap"
                    )
        except ProtocolError:
            self.close()
            raise

    def read(self, address: int, length: int) -> bytes | None:
        index = self._find(address, length)
        if index is None:
            pieces = [self.read(at, size) for at, size in self._pieces(address, length)]
            return None if None in pieces or not pieces else b"".join(piece for piece in pieces if piece)
        region = self._regions[index]
        at = address - region.address
        mapping = self._mapping(index)
        if mapping is not None:
            return mapping[at : at + length]
        try:
            data = os.pread(region.fd, length, region.offset + at)
        except OSError:
            return None
        return data if len(data) == length else None

    def write(self, address: int, data: bytes) -> bool:
        index = self._find(address, len(data))
        if index is None:
            pieces = self._pieces(address, len(data))
            parts = [data[at - address : at - address + size] for at, size in pieces]
            return bool(pieces) and all(self.write(at, part) for (at, _), part in zip(pieces, parts, strict=True))
        region = self._regions[index]
        at = address - region.address
        mapping = self._mapping(index)
        if mapping is not None:
            mapping[at : at + len(data)] = data
            return True
        try:
            if os.fstat(region.fd).st_size < region.offset + at + len(data):
                return False
            return os.pwrite(region.fd, data, region.offset + at) == len(data)
        except OSError:
            return False

    def _find(self, address: int, length: int) -> int | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        region = self._regions[index]
        return index if address + length <= region.address + region.size else None

    def _pieces(self, address: int, length: int) -> list[tuple[int, int]]:
        """(address, bytes) of the parts of a place that lies in several regions without a gap; none if there is one."""
        pieces = []
        index = bisect_right(self._starts, address) - 1
        while length:
            if not 0 <= index < len(self._regions):
                return []
            region = self._regions[index]
            size = min(length, region.address + region.size - address)
            if size <= 0 or address < region.address:
                return []
            pieces.append((address, size))
            address, length, index = address + size, length - size, index + 1
        return pieces

    def _mapping(self, index: int) -> mmap.mmap | None:
        """The region, mapped; None for one that is read and written instead."""
        mapping = self._maps[index]
        if mapping is None and self._mappable[index]:
            region = self._regions[index]
            try:
                mapping = self._maps[index] = mmap.mmap(region.fd, region.size, offset=region.offset)
            except (OSError, ValueError, OverflowError):  # more than there is room for, or no huge pages left
                self._mappable[index] = False
        return mapping

    def close(self) -> None:
        """Let go of all of it. What is large goes in a thread of its own: to unmap a GiB that was touched takes 40 ms,
        to free it, when its guest has gone already, three times as long; other guests would wait for that.
        """
        maps = [mapping for mapping in self._maps if mapping is not None]
        fds = [region.fd for region in self._regions]
        large = sum(region.size for region in self._regions) > RELEASE_STEP
        self._regions, self._starts, self._maps = [], [], []
        if not large or not _release_elsewhere(maps, fds):
            _release(maps, fds)


def _release_elsewhere(maps: list[mmap.mmap], fds: list[int]) -> bool:
    """False, and nothing done, if RELEASES are under way or there can be no thread."""

    def release() -> None:
        try:
            _release(maps, fds)
        finally:
            _releasing.release()

    if not _releasing.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=release, name=RELEASE).start()
    except RuntimeError:
        _releasing.release()
        return False
    return True


def _release(maps: list[mmap.mmap], fds: list[int]) -> None:
    for mapping in maps:
        size = len(mapping)
        step = RELEASE_STEP * -(-size // (RELEASE_STEP * MOST_STEPS))
        with suppress(OSError):
            for at in range(0, size, step) if size > RELEASE_STEP else ():
                mapping.madvise(mmap.MADV_DONTNEED, at, min(step, size - at))  # its pages stay in the file
                give_way()
        mapping.close()
    for fd in fds:
        os.close(fd)


def _check(region: Region) -> bool:
    """Refuse what is not a file that holds the region; True if it can be mapped."""
    about = os.fstat(region.fd)
    if not stat.S_ISREG(about.st_mode):
        raise ProtocolError(f"memory at {region.address:#x} must be a file (memfd), not another kind of descriptor")
    if region.size == 0 or region.address + region.size > _TOP or region.offset + region.size > about.st_size:
        raise ProtocolError(
            f"memory at {region.address:#x}, {region.size:#x} bytes from offset {region.offset:#x}, "
            f"must lie within its file of {about.st_size:#x} bytes"
        )
    if region.offset % mmap.ALLOCATIONGRANULARITY:
        raise ProtocolError(f"memory at {region.address:#x}: offset must be page aligned, not {region.offset:#x}")
    access = fcntl.fcntl(region.fd, fcntl.F_GETFL) & os.O_ACCMODE
    if access != os.O_RDWR:
        raise ProtocolError(f"memory at {region.address:#x} must be open for reading and writing")
    try:
        seals = fcntl.fcntl(region.fd, fcntl.F_GET_SEALS)
    except OSError:  # not a memfd: no seals, no mapping
        return False
    if seals & (fcntl.F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
        raise ProtocolError(f"memory at {region.address:#x} must not be sealed against writing")
    return bool(seals & fcntl.F_SEAL_SHRINK)
