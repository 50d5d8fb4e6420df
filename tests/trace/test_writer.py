# SPDX-License-Identifier: GPL-2.0-or-later
"""What a writer promises besides its events: whom the files are for, what is overwritten, when blocks are made."""

import os
import threading
import time
from pathlib import Path

import pytest

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import EFFECTS, NO_BAR, NO_ENDPOINT, ROW, Event, Kind
from ntbtrace.trace import BlockInfo, TraceWriter, open_trace
from ntbtrace.trace import writer as writer_module
from ntbtrace.trace.journal import journal_path
from ntbtrace.trace.sink import Sink
from tests.trace.making import (
    EFFECT_ROWS,
    ROWS,
    Snapshots,
    header,
    number,
    same_directory,
    small_writer,
    traffic,
    write,
)

TIMEOUT_S = 20


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writer = small_writer(tmp_path / "a.ntbt")
    finally:
        os.umask(before)
    assert [(path.stat().st_mode & 0o777) for path in (writer.path, journal_path(writer.path))] == [0o600] * 2
    writer.close()


def test_an_existing_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ntbt", traffic(10))
    before = path.read_bytes()
    with pytest.raises(NtbTraceError, match="exists"):
        small_writer(path)
    assert path.read_bytes() == before
    assert same_directory(path) == ["a.ntbt"]
    others = list(traffic(5, seed=2))
    write(path, others, overwrite=True)
    with open_trace(path) as trace:
        assert list(trace) == others


def test_overwrite_replaces_files_only(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("pipe", "fifo"):
        with pytest.raises(NtbTraceError, match="not a regular file"):
            small_writer(tmp_path / name, overwrite=True)
    assert same_directory(tmp_path / "pipe") == ["fifo", "pipe"]


def test_rows_become_a_block_when_they_are_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(writer_module, "monotonic", lambda: now)
    writer = small_writer(tmp_path / "a.ntbt")
    events = list(traffic(2))
    now += 60
    writer.tick()
    writer.append(events[0])
    now += writer_module.OLD_S - 1
    writer.tick()
    assert writer.first_seq == 0
    now += 1
    writer.tick()
    assert writer.first_seq == 1
    writer.tick()
    writer.append(events[1])
    writer.close()
    with open_trace(writer.path) as trace:
        assert [block.count for block in trace.blocks] == [1, 1]


def test_programming_errors_are_said(tmp_path: Path) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    first, *_ = traffic(1)
    with pytest.raises(NtbTraceError, match="must be number 0, not 5"):
        writer.append(first._replace(seq=5))
    with pytest.raises(NtbTraceError, match="131072 bytes"):
        writer.add_payload(bytes((128 << 10) + 1))
    writer.append(first)
    effect = Event(0, 0, Kind.IRQ, 0, 0, 0, 0, 0, 0, 0, 0, None)
    for seq in range(1, ROWS):
        writer.append(effect._replace(seq=seq))
    with pytest.raises(NtbTraceError, match="more effects"):
        writer.append(effect._replace(seq=ROWS))
    writer.close()


def test_a_snapshot_that_grew_too_much_is_said(tmp_path: Path) -> None:
    snapshots = iter((b"", bytes(1 << 20)))
    writer = TraceWriter(tmp_path / "a.ntbt", header(), lambda: next(snapshots))
    writer.append(*traffic(1))
    with pytest.raises(NtbTraceError, match="a snapshot must have at most"):
        writer.roll()


def test_the_recorder_waits_for_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_goes_on, rolled = threading.Event(), threading.Event()
    append = Sink.block

    def slow(self: Sink, info: BlockInfo, frame: bytes, block: object = None) -> None:
        assert disk_goes_on.wait(TIMEOUT_S)
        append(self, info, frame)

    monkeypatch.setattr(Sink, "block", slow)
    writer = small_writer(tmp_path / "a.ntbt")
    first, second = number([[event] for event in traffic(2)])[:2]
    writer.append(first)
    writer.roll()  # there is a free half
    writer.append(second)

    def roll() -> None:
        writer.roll()
        rolled.set()

    recorder = threading.Thread(target=roll)
    recorder.start()
    assert not rolled.wait(0.1)
    disk_goes_on.set()
    assert rolled.wait(TIMEOUT_S)
    recorder.join()
    writer.close()
    with open_trace(writer.path) as trace:
        assert list(trace) == [first, second]


def test_it_is_behind_when_half_the_room_is_gone_and_the_other_half_unwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_goes_on = threading.Event()
    append = Sink.block

    def slow(self: Sink, info: BlockInfo, frame: bytes, block: object = None) -> None:
        assert disk_goes_on.wait(TIMEOUT_S)
        append(self, info, frame)

    monkeypatch.setattr(Sink, "block", slow)
    writer = small_writer(tmp_path / "a.ntbt")
    room = (ROWS - EFFECT_ROWS) // 2
    mark = Event(0, 0, Kind.MARK, NO_ENDPOINT, NO_BAR, 0, 0, 0, 0, 0, None, None)
    events = number([[mark]] * (2 * room + 3))
    for event in events[: room + 2]:
        writer.append(event)
    assert not writer.behind, "nothing is being written"
    writer.roll()
    for event in events[room + 2 : 2 * room + 2]:
        assert not writer.behind
        writer.append(event)
    writer.append(events[2 * room + 2])
    assert writer.behind
    disk_goes_on.set()
    until = time.monotonic() + TIMEOUT_S
    while writer.behind:
        assert time.monotonic() < until
    writer.close()


def test_the_recorder_drops_for_a_slow_disk_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_goes_on = threading.Event()
    append = Sink.block

    def slow(self: Sink, info: BlockInfo, frame: bytes, block: object = None) -> None:
        assert disk_goes_on.wait(TIMEOUT_S)
        append(self, info, frame)

    monkeypatch.setattr(Sink, "block", slow)
    writer = TraceWriter(tmp_path / "a.ntbt", header(), Snapshots(), rows=64, effect_rows=8, drop=True)
    for event in traffic(300):
        if event.kind not in EFFECTS and writer.pos > writer.limit:
            writer.roll()
        seq = writer.first_seq + writer.pos // ROW.size
        cause = None if event.cause is None else seq - (event.seq - event.cause)
        writer.append(event._replace(seq=seq, cause=cause))
    assert writer.dropped > 100
    disk_goes_on.set()
    writer.close()
    with open_trace(writer.path) as trace:
        events = list(trace)
        assert trace.lost == writer.dropped
    lost = [at for at, event in enumerate(events) if event.kind == Kind.LOST and at]
    assert sum(events[at].value for at in lost) == writer.dropped
    assert all(events[at].seq == events[at - 1].seq + 1 + events[at].value for at in lost)
    assert events[-1].seq + 1 == len(events) + writer.dropped
