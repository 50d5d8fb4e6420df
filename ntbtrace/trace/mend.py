# SPDX-License-Identifier: GPL-2.0-or-later
"""Salvage: a whole file of a recording that was not closed, or of what is good in a damaged one."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.trace.block import encode_block
from ntbtrace.trace.index import find_index
from ntbtrace.trace.journal import journal_path, read_journal
from ntbtrace.trace.layout import FRAME, SUMMARY
from ntbtrace.trace.packing import recording
from ntbtrace.trace.reader import Scan, Source, continuation
from ntbtrace.trace.sink import Sink


@dataclass(frozen=True)
class SalvageReport:
    """`changed` is False when the file was whole. `original`: where a damaged file went, None if all is saved."""

    changed: bool
    events: int
    from_journal: int
    original: Path | None = None


def salvage(path: Path, say: Callable[[str], None]) -> SalvageReport:
    """Make the trace at `path` whole: the blocks before any damage, the rows of its journal, an index.

    The new file replaces the old one at once, the journal is removed after that: it can be interrupted and
    repeated. `say` is told in lines of text. Raises NtbTraceError when that is not possible, TraceFormatError
    when the header is damaged.
    """
    source = Source(path)
    try:
        try:
            fcntl.flock(source.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NtbTraceError(f"{path} is still being recorded: end the recording first") from error
        return _salvage(source, say)
    except OSError as error:
        raise NtbTraceError(
            f"cannot salvage {path}: {error.strerror}: {error.filename2 or error.filename or path.parent}"
        ) from error
    finally:
        source.close()


def _begun(source: Source, at: int) -> int | None:
    """The first seq of the block that begins at byte `at` and is cut off; None if not even that is there."""
    data = os.pread(source.fd, FRAME.size + SUMMARY.size, at)
    return int(SUMMARY.unpack(data[FRAME.size :])[0]) if len(data) == FRAME.size + SUMMARY.size else None


def _salvage(source: Source, say: Callable[[str], None]) -> SalvageReport:
    path = source.path
    scan = Scan(source)
    damage = ""
    try:
        scan.go_on()
        if scan.index is not None and find_index(path, source.fd, source.size()) is not None:
            say(f"{path} is whole: nothing to salvage")
            return SalvageReport(False, sum(info.count for info in scan.blocks), 0)
    except TraceFormatError as error:
        damage = str(error)
    next_seq = scan.blocks[-1].last_seq + 1 if scan.blocks else 0
    kept = continuation(read_journal(path, source.identity), next_seq, gaps=not damage)
    left = source.size() - scan.end if scan.index is None else 0
    if left and not damage and not (kept and _begun(source, scan.end) in (None, kept[0].first_seq)):
        damage = f"byte {scan.end}: the file ends inside a block"
    sink = Sink(path.with_name(path.name + ".salvaging"), b"", overwrite=True)
    packer = recording()
    try:
        sink.copy(source.fd, scan.end, scan.blocks, scan.others)
        for half in kept:
            sink.block(*encode_block(half.first_seq, half.rows, half.payload, half.snapshot, packer))
        closed, lost = (scan.index.closed, scan.index.lost) if scan.index is not None else (False, 0)
        sink.index(closed=closed, salvaged=True, lost=lost)
        sink.sync()
        original = path.with_name(path.name + ".damaged") if damage else None
        if original is not None:
            os.link(path, original)
        sink.path.replace(path)
    except BaseException:
        with suppress(OSError):
            sink.path.unlink()
        raise
    finally:
        sink.close()
    journal = journal_path(path)
    if original is not None and journal.exists():
        journal.replace(journal_path(original))
    journal.unlink(missing_ok=True)
    events, journaled = sum(info.count for info in sink.blocks), sum(len(half.rows) for half in kept)
    say(f"{path}: saved {events:,} events, {journaled:,} of them from the journal")
    if original is not None:
        say(f"what was behind the damage is left out ({damage}); the file as it was is now {original}")
    return SalvageReport(True, events, journaled, original)
