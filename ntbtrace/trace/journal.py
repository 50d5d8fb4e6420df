# SPDX-License-Identifier: GPL-2.0-or-later
"""Journal: rows on their way to the file, in a file of their own that outlives the process (PATH.journal).

Two halves: one takes rows, the other is being written or is free. A half is free when all its rows are zero;
its head is written last when it is taken into use, and cleared first when it is freed. So, whenever the
process dies, a half has either no valid head or the rows of that head's seqs.
"""

import mmap
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import INLINE, ROW
from ntbtrace.trace.block import has_data
from ntbtrace.trace.guard import checksum
from ntbtrace.trace.layout import (
    CRC,
    FORMAT_VERSION,
    HALF,
    HALF_MAGIC,
    JOURNAL,
    JOURNAL_MAGIC,
    KIND_AT,
    MAX_DATA,
    MAX_PART,
    MAX_ROWS,
    MAX_SEQ,
    PAGE,
    ROW_DTYPE,
)  # fmt: skip
from ntbtrace.trace.summary import Rows

TRIES = 20  # of reading both halves before either is given to other rows


def journal_path(path: Path) -> Path:
    return path.with_name(path.name + ".journal")


def identity(header: bytes) -> bytes:
    """16 bytes that tie a journal to the trace that begins with `header`."""
    return blake2b(header, digest_size=16).digest()


@dataclass(frozen=True)
class Geometry:
    """Sizes of a half: rows, bytes of payload, bytes for a snapshot."""

    rows: int
    payload: int
    snapshot: int

    @property
    def snapshot_at(self) -> int:
        return PAGE

    @property
    def rows_at(self) -> int:
        return _pages(self.snapshot_at + self.snapshot)

    @property
    def payload_at(self) -> int:
        return _pages(self.rows_at + self.rows * ROW.size)

    @property
    def half(self) -> int:
        return _pages(self.payload_at + self.payload)

    def base(self, half: int) -> int:
        return PAGE + half * self.half


def _pages(length: int) -> int:
    return -(-length // PAGE) * PAGE


class Half:
    """One half, as the writer uses it: `rows` and `payload` are views of the shared mapping."""

    def __init__(self, view: memoryview, geometry: Geometry) -> None:
        self.rows = view[geometry.rows_at : geometry.rows_at + geometry.rows * ROW.size]
        self.payload = view[geometry.payload_at : geometry.payload_at + geometry.payload]
        self.snapshot = b""
        self.first_seq = 0
        self._head = view[: HALF.size + CRC.size]
        self._snapshot_area = view[geometry.snapshot_at : geometry.snapshot_at + geometry.snapshot]

    def start(self, first_seq: int, snapshot: bytes) -> None:
        """Take a free half into use. Raises NtbTraceError for a snapshot that does not fit."""
        if len(snapshot) > len(self._snapshot_area):
            raise NtbTraceError(f"a snapshot must have at most {len(self._snapshot_area)} bytes, not {len(snapshot)}")
        self.first_seq, self.snapshot = first_seq, snapshot
        self._snapshot_area[: len(snapshot)] = snapshot
        head = HALF.pack(HALF_MAGIC, first_seq, len(snapshot))
        self._head[:] = head + CRC.pack(checksum(head, snapshot))

    def free(self, count: int) -> None:
        """Make it free again; `count` rows were used."""
        self._head[:] = bytes(len(self._head))
        np.frombuffer(self.rows, np.uint8, count * ROW.size)[:] = 0

    def array(self, count: int) -> Rows:
        return np.frombuffer(self.rows, ROW_DTYPE, count)


def create_journal(path: Path, ident: bytes, geometry: Geometry) -> tuple[Half, Half]:
    """Create the journal of the trace at `path`, all of its space allocated. Raises NtbTraceError."""
    name = journal_path(path)
    size = geometry.base(2)
    fd = -1
    try:
        name.unlink(missing_ok=True)  # of an earlier trace of that name
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(fd, 0, size)
        mapping = mmap.mmap(fd, size)
    except OSError as error:
        if fd >= 0:
            name.unlink(missing_ok=True)
        raise NtbTraceError(
            f"cannot make the journal of {size >> 20} MiB in {path.parent}: {error.strerror}; "
            "free some space there or write the trace to another directory"
        ) from error
    finally:
        if fd >= 0:
            os.close(fd)
    head = JOURNAL.pack(
        JOURNAL_MAGIC, FORMAT_VERSION, ROW.size, ident, geometry.rows, geometry.payload, geometry.snapshot
    )
    mapping[: len(head) + CRC.size] = head + CRC.pack(checksum(head))
    view = memoryview(mapping)
    first, second = (Half(view[geometry.base(number) : geometry.base(number + 1)], geometry) for number in (0, 1))
    return first, second


@dataclass(frozen=True)
class Kept:
    """The rows of a half as found, up to the first that is not complete."""

    first_seq: int
    rows: Rows
    payload: bytes
    snapshot: bytes


def has_journal(path: Path, ident: bytes) -> bool:
    """Whether the journal of the recording `ident` is still there: it runs, or was killed."""
    try:
        with open(journal_path(path), "rb") as journal:
            head = journal.read(JOURNAL.size + CRC.size)
            return _geometry(head, ident, os.fstat(journal.fileno()).st_size) is not None
    except OSError:
        return False


def read_journal(path: Path, ident: bytes) -> list[Kept]:
    """What the journal of the trace at `path` holds, in order of seq.

    Nothing if there is none, or if it belongs to another recording than `ident`. The recording may be running: both
    halves are of one moment, or rows between them would seem to be missing. Nothing, too, if they change hands again
    and again: what was in them is in the file then.
    """
    try:
        fd = os.open(journal_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        geometry = _geometry(os.pread(fd, JOURNAL.size + CRC.size, 0), ident, os.fstat(fd).st_size)
        if geometry is None:
            return []
        for _ in range(TRIES):
            heads = _heads(fd, geometry)
            found = [_read_half(fd, geometry, number, head) for number, head in enumerate(heads)]
            if _heads(fd, geometry) == heads:
                return sorted((kept for kept in found if kept is not None), key=lambda kept: kept.first_seq)
    finally:
        os.close(fd)
    return []


def _heads(fd: int, geometry: Geometry) -> list[bytes]:
    """Of the halves: what they are used for at this moment."""
    return [os.pread(fd, HALF.size + CRC.size, geometry.base(number)) for number in (0, 1)]


def _geometry(head: bytes, ident: bytes, size: int) -> Geometry | None:
    if len(head) < JOURNAL.size + CRC.size or CRC.unpack(head[JOURNAL.size :])[0] != checksum(head[: JOURNAL.size]):
        return None
    magic, version, row_size, found, rows, payload, snapshot = JOURNAL.unpack(head[: JOURNAL.size])
    if magic != JOURNAL_MAGIC or version != FORMAT_VERSION or row_size != ROW.size or found != ident:
        return None
    if rows > MAX_ROWS or payload > MAX_PART or snapshot > MAX_PART:
        return None
    geometry = Geometry(rows, payload, snapshot)
    return geometry if geometry.base(2) <= size else None


def _read_half(fd: int, geometry: Geometry, number: int, head: bytes) -> Kept | None:
    base = geometry.base(number)
    magic, first_seq, length = HALF.unpack(head[: HALF.size])
    if magic != HALF_MAGIC or length > geometry.snapshot or first_seq > MAX_SEQ:
        return None
    snapshot = os.pread(fd, length, base + geometry.snapshot_at)
    if CRC.unpack(head[HALF.size :])[0] != checksum(head[: HALF.size], snapshot):
        return None
    # First which rows are complete, then their bytes: read at once, a row could be half old and half new.
    rows_at = base + geometry.rows_at
    used = _complete(os.pread(fd, geometry.rows * ROW.size, rows_at)[KIND_AT :: ROW.size])
    rows = np.frombuffer(os.pread(fd, used * ROW.size, rows_at), ROW_DTYPE)
    place, size = rows["value"], rows["size"].astype(np.uint64)
    long = has_data(rows["kind"], rows["size"]) & (size > INLINE)
    wrong = np.flatnonzero(
        (long & ((size > MAX_DATA) | (place > geometry.payload) | (place + size > geometry.payload)))
        | (rows["cause"] > np.arange(first_seq, first_seq + used, dtype=np.uint64))
    )
    if len(wrong):  # damaged: neither this row nor those behind it can be trusted
        rows, long = rows[: wrong[0]], long[: wrong[0]]
    payload = b""
    if long.any():
        payload = os.pread(fd, int((place[: len(long)] + size[: len(long)])[long].max()), base + geometry.payload_at)
    return Kept(first_seq, rows, payload, snapshot)


def _complete(kinds: bytes) -> int:
    """How many rows are complete: those before the first of kind 0."""
    first = kinds.find(0)
    return len(kinds) if first < 0 else first
