# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 at any moment: no completed event is lost, none is there twice, none is half."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType

import pytest

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import ROW, Event, Kind
from ntbtrace.trace import open_trace, salvage
from ntbtrace.trace.frame import encode_frame
from ntbtrace.trace.journal import journal_path
from ntbtrace.trace.storage import WHOLE, Last, Rotate, Storage, pieces
from tests.trace.making import ROWS, number, same_directory, small_writer, traffic

KILLS = 12
TIMEOUT_S = 20

# Appends for ever, stimuli after their effects as recorders do; says the seq of each event that is complete.
CHILD = """
import os, sys
from pathlib import Path
from struct import pack
from ntbtrace.event import ROW, Kind
from tests.trace.making import small_writer
writer = small_writer(Path(sys.argv[1]))
while True:
    if writer.pos > writer.limit:
        writer.roll()
    at = writer.pos
    seq = writer.first_seq + at // ROW.size
    effects = seq % 4
    data = b"data of event %d" % (seq // 10)
    for step in range(1, effects + 1):
        row = (seq, seq + step, writer.add_payload(data), len(data), step, 0, 0, 255, 0, Kind.MEM_WRITE)
        ROW.pack_into(writer.rows, at + step * ROW.size, *row)
    writer.pos = at + (effects + 1) * ROW.size
    ROW.pack_into(writer.rows, at, seq, seq, ~seq & 2**64 - 1, 8, 0, seq % 7, 0, 0, 0, Kind.MMIO_WRITE)
    os.write(1, pack("<Q", seq + effects))
"""


def check(events: list[Event]) -> None:
    """They are those that CHILD makes, from the first, without a gap."""
    cause = -1
    for seq, event in enumerate(events):
        assert event.seq == seq
        if event.cause is None:
            cause = seq
            assert event == Event(seq, seq, Kind.MMIO_WRITE, 0, 0, seq, 8, ~seq & 2**64 - 1, seq % 7, 0, None, None)
        else:
            data = b"data of event %d" % (cause // 10)
            assert event == Event(
                seq, cause, Kind.MEM_WRITE, 0, 255, seq, len(data), 0, 0, 0, cause, data
            )  # fmt: skip


@pytest.mark.parametrize("kill", range(KILLS))
def test_killed(tmp_path: Path, kill: int) -> None:
    path = tmp_path / "killed.ntbt"
    random = Random(kill)
    with subprocess.Popen([sys.executable, "-c", CHILD, path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        fd = child.stdout.fileno()
        said = b""
        enough = random.choice((8, 800, 8_000, 40_000))
        while len(said) < enough:
            said += os.read(fd, 1 << 16)
        time.sleep(random.random() / 200)
        child.send_signal(signal.SIGKILL)
        while more := os.read(fd, 1 << 16):
            said += more
        child.wait(TIMEOUT_S)
    (last,) = struct.unpack("<Q", said[: len(said) // 8 * 8][-8:])
    with open_trace(path) as trace:
        assert not trace.closed
        before = list(trace)
    report = salvage(path, lambda line: None)
    assert report.changed
    assert report.original is None
    assert same_directory(path) == ["killed.ntbt"]
    assert path.stat().st_mode & 0o777 == 0o600
    with open_trace(path) as trace:
        events = list(trace)
        assert (trace.closed, trace.salvaged) == (False, True)
        assert all(trace.block(i).snapshot == f"state {i + 1}".encode() for i in range(len(trace.blocks)))
    assert before == events
    assert report.events == len(events)
    assert len(events) > last, "a completed event is lost"
    check(events)


EVENTS = 3 * ROWS  # enough to use each half twice
STEP = 7  # of the lines below, every 7th: which ones they are is another matter each time, there are two threads
SOURCES = ("writer.py", "journal.py", "sink.py", "storage.py")


def run_until_line(path: Path, wanted: int, pipe: int, storage: Storage) -> None:
    """Record in this process, which dies when either thread comes to line number `wanted` of SOURCES."""
    lines = 0

    def count(frame: FrameType, what: str, _: object) -> Callable[..., object] | None:
        nonlocal lines
        if frame.f_code.co_filename.rpartition("/")[2] not in SOURCES:
            return None
        if what == "line":
            lines += 1
            if lines == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    threading.settrace(count)
    sys.settrace(count)
    writer = small_writer(path, storage=storage)
    for event in traffic(EVENTS):
        writer.append(event)
        os.write(pipe, event.seq.to_bytes(8, "little"))
    writer.close()


@pytest.mark.parametrize(
    ("storage", "step"),
    [(WHOLE, STEP), (Rotate(2000), 3 * STEP), (Last(3000), 3 * STEP)],
    ids=["one", "rotate", "last"],
)
def test_killed_at_any_line_of_the_writer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, storage: Storage, step: int
) -> None:
    monkeypatch.setattr("ntbtrace.trace.storage.LEAST", 2000)
    wanted = list(traffic(EVENTS))
    line, status = 1, signal.SIGKILL
    while status == signal.SIGKILL:
        path = tmp_path / str(line) / "a.ntbt"
        path.parent.mkdir()
        read, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                run_until_line(path, line, write_end, storage)
            finally:
                os._exit(0)
        os.close(write_end)
        with os.fdopen(read, "rb") as said:
            completed = len(said.read()) // 8
        status = os.waitpid(child, 0)[1]
        got: dict[int, Event] = {}
        for file in (path, *pieces(path)):
            if file.exists() and file.stat().st_size:
                salvage(file, lambda line: None)
                with open_trace(file) as trace:
                    assert trace.closed or trace.salvaged
                    got |= {event.seq: event for event in trace}
        first = min(got, default=0)
        assert [got[seq] for seq in sorted(got)] == wanted[first : first + len(got)]
        assert first + len(got) >= completed
        assert not first or isinstance(storage, Last)
        shutil.rmtree(path.parent)
        line += step
    assert status == 0
    assert first + len(got) == len(wanted)
    assert line > 100 * STEP


def die(path: Path, count: int, tail: bytes = b"") -> list[Event]:
    """A recording of `count` events that was not closed; the file ends with `tail`."""
    events = list(traffic(count))
    writer = small_writer(path)
    for event in events:
        writer.append(event)
    copy = journal_path(path).read_bytes()
    size = path.stat().st_size
    writer.close()
    with path.open("r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(tail)
    journal_path(path).write_bytes(copy)
    return events


def test_the_block_that_was_being_written_is_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    events = die(path, 30, tail=encode_frame(1, b"summary", bytes(1000))[:900])
    with open_trace(path) as trace:
        assert list(trace) == events
    assert salvage(path, lambda line: None).from_journal == len(events)
    with open_trace(path) as trace:
        assert list(trace) == events


def test_a_half_that_is_in_the_file_already_is_not_taken_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    events = die(path, 30)
    journal = journal_path(path).read_bytes()
    salvage(path, lambda line: None)
    whole = path.read_bytes()
    (index,) = struct.unpack("<Q", whole[-24:-16])
    path.write_bytes(whole[:index])  # killed after it had written the block, before it had freed the half
    journal_path(path).write_bytes(journal)
    with open_trace(path) as trace:
        assert list(trace) == events
    assert salvage(path, lambda line: None).from_journal == 0
    with open_trace(path) as trace:
        assert list(trace) == events


def test_a_journal_of_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    path, other = tmp_path / "a.ntbt", tmp_path / "b.ntbt"
    die(path, 20)
    die(other, 30)
    journal_path(other).replace(journal_path(path))
    with pytest.raises(TraceFormatError, match="the file is cut off here"):
        open_trace(path)
    with open_trace(path, partial=True) as trace:
        assert len(trace) == 0
    salvage(path, lambda line: None)
    with open_trace(path) as trace:
        assert len(trace) == 0


def test_a_new_recording_replaces_a_journal_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    die(path, 20)
    path.unlink()
    events = list(traffic(10, seed=2))
    writer = small_writer(path)
    for event in events:
        writer.append(event)
    with open_trace(path) as trace:
        assert list(trace) == events
    writer.close()
    assert same_directory(path) == ["a.ntbt"]


def test_salvage_says_what_it_did(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    die(path, 20)
    said: list[str] = []
    salvage(path, said.append)
    assert said == [f"{path}: saved 20 events, 20 of them from the journal"]
    said.clear()
    report = salvage(path, said.append)
    assert said == [f"{path} is whole: nothing to salvage"]
    assert not report.changed


def test_salvage_leaves_a_running_recording_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    writer = small_writer(path)
    with pytest.raises(NtbTraceError, match="still being recorded"):
        salvage(path, lambda line: None)
    with pytest.raises(NtbTraceError, match="being recorded by another"):
        small_writer(path, overwrite=True)
    writer.close()
    assert not salvage(path, lambda line: None).changed


def test_salvage_keeps_a_file_that_is_damaged_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    events = die(path, 400)
    with open_trace(path) as trace:
        block = trace.blocks[2]
        assert trace.blocks[-1].offset is None
        later = list(trace)[len(trace) - trace.blocks[-1].count :]
    whole = bytearray(path.read_bytes())
    assert block.offset is not None
    whole[block.offset + 40] ^= 1
    path.write_bytes(whole)
    report = salvage(path, lambda line: None)
    assert report.original == tmp_path / "a.ntbt.damaged"
    assert report.original.read_bytes() == whole
    with open_trace(path) as trace:
        assert list(trace) == events[: block.first_seq]
    assert journal_path(report.original).stat().st_size > 0, later


def test_a_stimulus_that_was_not_finished_is_left_out_with_its_effects(tmp_path: Path) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    first, *_ = traffic(1)
    writer.append(first)
    at = writer.pos
    writer.pos += 2 * ROW.size
    ROW.pack_into(writer.rows, at + ROW.size, 1, 2, 3, 4, 1, 0, 0, 255, 0, Kind.IRQ)
    with open_trace(writer.path) as trace:
        assert list(trace) == [first]
    ROW.pack_into(writer.rows, at, 1, 2, 3, 4, 0, 0, 0, 0, 0, Kind.MMIO_WRITE)
    with open_trace(writer.path) as trace:
        assert [event.kind for event in trace] == [first.kind, Kind.MMIO_WRITE, Kind.IRQ]
    writer.close()


def test_a_stimulus_that_nobody_finished_is_a_lost_event_in_the_block(tmp_path: Path) -> None:
    """The model raised an error: the rows behind it still count, and so does it."""
    writer = small_writer(tmp_path / "a.ntbt")
    writer.pos += ROW.size
    events = [event._replace(seq=event.seq + 1) for event in number([[first] for first in traffic(3)])]
    for event in events:
        writer.append(event)
    writer.close()
    with open_trace(writer.path) as trace:
        lost, *rest = trace
    assert rest == events
    assert (lost.seq, lost.kind, lost.value) == (0, Kind.LOST, 1)
