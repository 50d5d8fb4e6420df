# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of the recorder while two real guests run: what a follower had seen is all in the salvaged file."""

import time
from collections.abc import Callable

from ntbtrace.event import Kind
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import wait_for_file

WINDOW_WRITES = 5_000  # into a copy of 65,536


def test_a_killed_recording_is_salvaged_whole(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("killed.ntbt", "--workload", "perf-fixed", "--size", str(1 << 18))
    deadline = time.monotonic() + 240
    wait_for_file(recording, deadline)
    seen = []
    writes = 0
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        seen.append(event)
        writes += event.kind == Kind.MEM_WRITE
        if writes == WINDOW_WRITES:
            break
    assert writes == WINDOW_WRITES
    recording.process.kill()
    recording.process.wait(timeout=20)
    done = cli("salvage", recording.path)
    assert done.returncode == 0, done.stderr
    with open_trace(recording.path) as trace:
        assert not trace.closed
        events = list(trace)
    assert events[: len(seen)] == seen
    assert "not closed" in cli("info", recording.path).stdout
    done = cli("replay", recording.path, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout
