# SPDX-License-Identifier: GPL-2.0-or-later
"""Following a recording that another process is making."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import ROW, Event
from ntbtrace.trace import follow, journal, open_trace
from ntbtrace.trace.layout import CRC, HALF
from ntbtrace.trace.summary import BlockInfo
from tests.trace.making import ROWS, small_writer, traffic, write

COUNT = 20_000
TIMEOUT_S = 60

# Waits for a byte on standard input before it begins and before it closes; killed by `kill` in place of the latter.
CHILD = """
import os, sys
from pathlib import Path
from tests.trace.making import small_writer, traffic
writer = small_writer(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read(1)
for event in traffic(int(sys.argv[2])):
    writer.append(event)
print("done", flush=True)
if sys.stdin.read(1) == "k":
    os.kill(os.getpid(), 9)
writer.close()
"""


class Recording:
    def __init__(self, path: Path, count: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, path, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin
        assert self.process.stdout
        self.tell, self.said = self.process.stdin, self.process.stdout
        assert self.said.readline() == b"ready\n"

    def go_on(self, how: bytes = b"g") -> None:
        self.tell.write(how)
        self.tell.flush()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(tmp_path / "live.ntbt", COUNT)
    yield made
    made.process.kill()
    made.process.communicate(timeout=TIMEOUT_S)


def test_from_the_first_to_the_last(recording: Recording, tmp_path: Path) -> None:
    recording.go_on()
    got: list[Event] = []
    for event in follow(tmp_path / "live.ntbt", lambda: False):
        got.append(event)
        if len(got) == COUNT:  # they are all there before the file is closed
            assert recording.said.readline() == b"done\n"
            recording.go_on()
    assert got == list(traffic(COUNT))


def test_stop(recording: Recording, tmp_path: Path) -> None:
    events = follow(tmp_path / "live.ntbt", lambda: True)
    assert list(events) == []
    recording.go_on()
    assert recording.said.readline() == b"done\n"
    assert list(follow(tmp_path / "live.ntbt", lambda: True)) == list(traffic(COUNT))


def test_the_recorder_dies(recording: Recording, tmp_path: Path) -> None:
    recording.go_on(b"gk")
    events = follow(tmp_path / "live.ntbt", lambda: False)
    wanted = list(traffic(COUNT))
    assert list(islice(events, len(wanted))) == wanted
    with pytest.raises(NtbTraceError, match="ntbtrace salvage"):
        next(events)


def test_opening_it_while_it_runs_gives_a_beginning_of_it(recording: Recording, tmp_path: Path) -> None:
    recording.go_on()
    wanted = list(traffic(COUNT))
    lengths = []
    while not lengths or lengths[-1] < len(wanted):
        with open_trace(tmp_path / "live.ntbt") as trace:
            assert not trace.closed
            got = list(trace)
        assert got == wanted[: len(got)]
        lengths.append(len(got))
    assert lengths == sorted(lengths)


def test_a_closed_one(tmp_path: Path) -> None:
    events = list(traffic(500))
    path = write(tmp_path / "a.ntbt", events)
    assert list(follow(path, lambda: False)) == events


def test_halves_that_change_hands_while_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has read the one half sees rows in the other that came two halves later, while those between are nowhere."""
    writer = small_writer(tmp_path / "a.ntbt")
    wanted = list(traffic(4 * ROWS))
    held, go_on = 2, threading.Event()  # the block with the rows between
    real_block, real_read = writer._sink.block, journal._read_half

    def block(info: BlockInfo, *rest: Any) -> None:
        if info.first_seq == wanted_blocks[held]:
            go_on.wait(TIMEOUT_S)
        real_block(info, *rest)

    def append(count: int) -> None:
        for event in wanted[writer.first_seq + writer.pos // ROW.size :][:count]:
            writer.append(event)

    def read_half(fd: int, geometry: journal.Geometry, number: int, *rest: Any) -> journal.Kept | None:
        kept = real_read(fd, geometry, number, *rest)
        if number == 0 and writer.first_seq < wanted_blocks[held]:
            append(2 * ROWS)
        return kept

    with open_trace(write(tmp_path / "whole.ntbt", wanted)) as trace:
        wanted_blocks = [one.first_seq for one in trace.blocks]
    monkeypatch.setattr(writer._sink, "block", block)
    append(ROWS)
    assert wanted_blocks[1] <= writer.first_seq < wanted_blocks[held]
    monkeypatch.setattr(journal, "_read_half", read_half)
    got = list(follow(writer.path, lambda: True))
    assert writer.first_seq > wanted_blocks[held]
    assert got == wanted[: len(got)]
    assert len(got) == writer.first_seq + writer.pos // ROW.size
    go_on.set()
    writer.close()


def test_halves_that_never_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    for event in traffic(10):
        writer.append(event)
    heads = count()
    monkeypatch.setattr(journal, "_heads", lambda fd, geometry: [next(heads).to_bytes(HALF.size + CRC.size)] * 2)
    assert list(follow(writer.path, lambda: True)) == []
    monkeypatch.undo()
    assert list(follow(writer.path, lambda: True)) == list(traffic(10))
    writer.close()


def test_each_row_as_soon_as_it_is_there(tmp_path: Path) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    events = follow(writer.path, lambda: False)
    for event in traffic(10):
        writer.append(event)
        assert next(events) == event
    closing = threading.Timer(0.2, writer.close)
    closing.start()
    assert list(events) == []
    closing.join()


def test_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ntbt", traffic(500))
    with open_trace(path) as trace:
        place = trace.blocks[3].offset
    assert place is not None
    with path.open("r+b") as file:
        os.pwrite(file.fileno(), b"\xff", place + 50)
    with pytest.raises(TraceFormatError, match=f"byte {place}"):
        list(follow(path, lambda: False))
