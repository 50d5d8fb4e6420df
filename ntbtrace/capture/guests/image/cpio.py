# SPDX-License-Identifier: GPL-2.0-or-later
"""An initial RAM disk: a cpio archive of the `newc` form (Linux, early-userspace/buffer-format.rst)."""

import gzip
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Entry(NamedTuple):
    """A file of the archive: `mode` with its type bits; `rdev` (major, minor) for a device node."""

    name: str
    mode: int
    data: bytes = b""
    rdev: tuple[int, int] = (0, 0)


def directory(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755)


def executable(name: str, data: bytes) -> Entry:
    return Entry(name, stat.S_IFREG | 0o755, data)


def character_device(name: str, major: int, minor: int) -> Entry:
    return Entry(name, stat.S_IFCHR | 0o600, rdev=(major, minor))


def archive(entries: Iterable[Entry]) -> bytes:
    """The gzip'd archive; the same entries give the same bytes."""
    return gzip.compress(b"".join(_chunks(entries)), compresslevel=1, mtime=0)


def _chunks(entries: Iterable[Entry]) -> Iterator[bytes]:
    for inode, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], 1):
        name = entry.name.encode() + b"\0"
        numbers = (inode, entry.mode, 0, 0, 1, 0, len(entry.data), 0, 0, *entry.rdev, len(name), 0)
        yield _padded(b"070701" + b"".join(b"%08X" % number for number in numbers) + name)
        yield _padded(entry.data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
