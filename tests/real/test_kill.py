# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of the recorder while two real guests boot or copy: what a follower had seen is all in the salvaged file."""

import time
from collections.abc import Callable

import pytest

from ntbtrace.event import Kind
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import wait_for_file


@pytest.mark.parametrize(
    ("kind", "count"), [(Kind.CFG_READ, 100), (Kind.MEM_WRITE, 5_000), (Kind.MEM_WRITE, 45_000)]
)  # the copy makes 65,536 window writes
def test_a_killed_recording_is_salvaged_whole(
    start: Callable[..., Recording], cli: Run, kind: Kind, count: int
) -> None:
    recording = start("killed.ntbt", "--workload", "perf-fixed", "--size", str(1 << 18))
    deadline = time.monotonic() + 240
    wait_for_file(recording, deadline)
    seen = []
    found = 0
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        seen.append(event)
        found += event.kind == kind
        if found == count:
            break
    assert found == count
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
