# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of a recorder: the salvaged file holds every event that was served, and replays identical."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace.trace import open_trace
from tests.real.conftest import ntbtrace

# Serves simulated guests and, after each turn, publishes how many events there are, in memory shared with the parent.
CHILD = """
import mmap, sys
from pathlib import Path
import device
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.capture.recorder import Recorder

path, shared, workload = sys.argv[1:]
with open(shared, "r+b") as file:
    served = mmap.mmap(file.fileno(), 8)
recorder = Recorder(Path(path), device.DEFAULT, command="test", transports={})
guests = simulated_guests(recorder, workload, Work(1 << 60, 1 << 20), 1)
while True:
    for guest in guests:
        guest.step()
        served[:] = recorder.next_seq.to_bytes(8, "little")
"""


@pytest.mark.parametrize("workload", ["pingpong", "perf"])
@pytest.mark.parametrize("events", [1, 700, 33_000, 70_001])
def test_nothing_served_is_lost(tmp_path: Path, workload: str, events: int) -> None:
    path, shared = tmp_path / "a.ntbt", tmp_path / "served"
    shared.write_bytes(bytes(8))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(shared), workload])
    try:
        with open(shared, "r+b") as file, mmap.mmap(file.fileno(), 8) as served:
            while int.from_bytes(served[:], "little") < events:
                assert child.poll() is None
                os.sched_yield()
            child.kill()
            child.wait()
            count = int.from_bytes(served[:], "little")
    finally:
        child.kill()
        child.wait()
    done = ntbtrace("salvage", path)
    assert done.returncode == 0, done.stderr
    with open_trace(path) as trace:
        assert not trace.closed
        assert len(trace) >= count
        assert [block.first_seq for block in trace.blocks[1:]] == [block.last_seq + 1 for block in trace.blocks[:-1]]
    assert "not closed" in ntbtrace("info", path).stdout
    done = ntbtrace("replay", path)
    assert done.returncode == 0, done.stdout + done.stderr
