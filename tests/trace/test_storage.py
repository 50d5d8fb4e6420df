# SPDX-License-Identifier: GPL-2.0-or-later
"""Rotation, the flight recorder, and recordings of what matters alone: bounded, whole, and they replay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import device
from ntbtrace import cli
from ntbtrace.capture.recorder import Recorder
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from ntbtrace.trace.storage import LEAST, WHOLE, Around, Last, Rotate, Storage, pieces
from tests.support import events, random_accesses

RARE = 0x4F0  # NTUEEM: nobody else writes it
TURNS = 6000


def record(path: Path, storage: Storage, rare: tuple[int, ...] = (), *, close: bool = True) -> Recorder:
    """Much traffic in small blocks, with a rare write at these turns."""
    recorder = Recorder(path, device.DEFAULT, command="test", transports={}, storage=storage)
    for turn in range(TURNS // 100):
        random_accesses(turn, 100)(recorder)
        if turn in rare:
            recorder.port(0).cfg_write(4, 2, 6)
            recorder.port(0).bar_write(0, RARE, 4, turn)
        recorder.writer.roll()
    if close:
        recorder.close()
        assert recorder.writer.error is None
    return recorder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    path = tmp_path_factory.mktemp("whole") / "a.ntbt"
    record(path, WHOLE, (20, 41))
    return events(path)


def timeless(some: list[Event]) -> list[Event]:
    return [event._replace(t=0) for event in some]


def read(path: Path) -> list[Event]:
    """A trace that is closed and replays."""
    with open_trace(path) as trace:
        assert trace.closed
        assert Player(trace).run() is None
        return list(trace)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_rotation_makes_traces_that_replay_by_themselves(tmp_path: Path, whole: list[Event]) -> None:
    size = 40_000
    record(tmp_path / "a.ntbt", Rotate(size), (20, 41))
    pieces = names(tmp_path)
    assert pieces == [f"a.{i:04}.ntbt" for i in range(1, len(pieces) + 1)]
    assert len(pieces) > 2
    together = [event for name in pieces for event in read(tmp_path / name)]
    assert timeless(together) == timeless(whole)
    assert all((tmp_path / name).stat().st_size < size + 4096 for name in pieces)  # and the index


def test_rotation_begins_anew_only_when_it_may(tmp_path: Path) -> None:
    record(tmp_path / "a.ntbt", Rotate(40_000))
    with pytest.raises(NtbTraceError, match=r"a\.0001\.ntbt exists"):
        record(tmp_path / "a.ntbt", Rotate(40_000))
    Recorder(
        tmp_path / "a.ntbt", device.DEFAULT, command="test", transports={}, storage=Rotate(40_000), overwrite=True
    ).close()
    assert names(tmp_path) == ["a.0001.ntbt"]


def test_the_flight_recorder_keeps_the_end(tmp_path: Path, whole: list[Event]) -> None:
    size = 3 * LEAST
    record(tmp_path / "a.ntbt", Last(size), (20, 41))
    assert names(tmp_path) == ["a.ntbt"]
    kept = read(tmp_path / "a.ntbt")
    assert timeless(kept) == timeless(whole[-len(kept) :])
    assert LEAST / 2 < (tmp_path / "a.ntbt").stat().st_size < size + LEAST
    assert len(kept) < len(whole)
    with pytest.raises(NtbTraceError, match="exists: choose another name"):
        record(tmp_path / "a.ntbt", Last(size))


def test_a_short_flight_is_kept_whole(tmp_path: Path, whole: list[Event]) -> None:
    record(tmp_path / "a.ntbt", Last(64 << 20), (20, 41))
    assert timeless(read(tmp_path / "a.ntbt")) == timeless(whole)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (300, 0), (0, 300), (250, 170), (10**6, 0), (0, 10**6)])
def test_only_what_is_near_is_kept(tmp_path: Path, whole: list[Event], before: int, after: int) -> None:
    record(tmp_path / "a.ntbt", Around("reg == NTUEEM and kind == mmio_write", before, after), (20, 41))
    kept = {event.seq: event._replace(t=0) for event in read(tmp_path / "a.ntbt")}
    rare = [event.seq for event in whole if event.offset == RARE and event.value in (20, 41) and event.size == 4]
    assert len(rare) == 2
    needed = {seq for at in rare for seq in range(max(at - before, 0), min(at + after + 1, len(whole)))}
    assert needed <= kept.keys()
    assert all(kept[seq] == whole[seq]._replace(t=0) for seq in kept)
    block = max(TURNS // 20, 1)
    assert len(kept) <= len(needed) + 4 * block


def test_nothing_near_is_an_empty_trace(tmp_path: Path) -> None:
    record(tmp_path / "a.ntbt", Around("size == 77", 5, 5))
    assert read(tmp_path / "a.ntbt") == []


def test_a_wrong_expression_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(NtbTraceError, match="did you mean NTUEEM"):
        record(tmp_path / "a.ntbt", Around("reg == NTUEM", 5, 5))
    assert names(tmp_path) == []


def test_a_rotation_that_would_meet_an_old_piece_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.0007.ntbt").write_text("precious")
    with pytest.raises(NtbTraceError, match=r"a\.0007\.ntbt exists"):
        record(tmp_path / "a.ntbt", Rotate(40_000))
    assert names(tmp_path) == ["a.0007.ntbt"]


def test_pieces_are_found_in_order(tmp_path: Path) -> None:
    order = ["a.0002.ntbt", "a.9999.ntbt", "a.10000.ntbt"]
    for name in (*order, "a.ntbt", "a.002.ntbt", "ab.0001.ntbt", "a.0003.ntbt.journal", "a.0004.x.ntbt"):
        (tmp_path / name).touch()
    assert [path.name for path in pieces(tmp_path / "a.ntbt")] == order
    assert pieces(tmp_path / "none" / "a.ntbt") == []


def test_what_comes_into_the_way_of_a_flight_recorder_stays(tmp_path: Path) -> None:
    recorder = record(tmp_path / "a.ntbt", Last(3 * LEAST), close=False)
    (tmp_path / "a.ntbt").write_text("precious")
    recorder.close()
    assert "a.ntbt exists" in str(recorder.writer.error)
    assert (tmp_path / "a.ntbt").read_text() == "precious"
    assert all(read(path) for path in pieces(tmp_path / "a.ntbt"))


@pytest.mark.parametrize("storage", [Rotate(40_000), Last(3 * LEAST)])
def test_nothing_recorded_leaves_nothing(tmp_path: Path, storage: Storage) -> None:
    Recorder(tmp_path / "a.ntbt", device.DEFAULT, command="test", transports={}, storage=storage).discard()
    assert names(tmp_path) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from ntbtrace.trace.storage import Around, Last, Rotate
from tests.trace.test_storage import record
recorder = record(Path(sys.argv[1]), eval(sys.argv[2]), (20, 41), close=False)
recorder.port(0).cfg_read(0, 4)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "storage", ["Rotate(40_000)", "Last(49_152)", "Around('reg == NTUEEM and value == 20', 300, 9)"]
)
def test_what_a_killed_recorder_leaves_is_salvaged(tmp_path: Path, whole: list[Event], storage: str) -> None:
    """Also the latest events, which no file has yet."""
    words = [sys.executable, "-c", KILLED, tmp_path / "a.ntbt", storage]
    assert subprocess.run(words, timeout=60, check=False, env=os.environ).returncode == -signal.SIGKILL
    assert cli.main(["salvage", str(tmp_path / "a.ntbt")]) == 0
    files = names(tmp_path)
    if len(files) > 1:
        assert cli.main(["merge", *(str(tmp_path / name) for name in files), "-o", str(tmp_path / "a.ntbt")]) == 0
    with open_trace(tmp_path / "a.ntbt") as trace:
        assert Player(trace).run() is None
        assert trace.salvaged
        kept = timeless(list(trace))
    assert kept[-1].seq == len(whole)
    assert all(event == whole[event.seq]._replace(t=0) for event in kept[:-1])
    missing = len(whole) + 1 - len(kept)
    assert missing == 0 if storage.startswith("Rotate") else missing > 0
    if storage.startswith("Last"):
        assert kept[0].seq == missing
