# SPDX-License-Identifier: GPL-2.0-or-later
"""kill -9 of a recorder at fifty random moments: the salvaged file holds every event that was served, and replays."""

import mmap
import multiprocessing
import os
from pathlib import Path
from random import Random

import pytest

import device
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.capture.recorder import Recorder
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace, salvage

KILLS = 50
MOST = 80_000  # events: more than two halves of the journal take
random = Random(1)
MOMENTS = [(random.choice(("pingpong", "perf")), random.randrange(1, random.choice((700, MOST)))) for _ in range(KILLS)]


def serve(path: Path, workload: str, served: mmap.mmap) -> None:
    """Serves simulated guests and, after each access, publishes how many events there are."""
    recorder = Recorder(path, device.DEFAULT, command="test", transports={})
    guests = simulated_guests(recorder, workload, Work(1 << 60, 1 << 20), 1)
    while True:
        for guest in guests:
            guest.step()
            served[:] = recorder.next_seq.to_bytes(8, "little")


@pytest.mark.parametrize(("workload", "events"), MOMENTS)
def test_nothing_served_is_lost(tmp_path: Path, workload: str, events: int) -> None:
    path = tmp_path / "a.ntbt"
    with mmap.mmap(-1, 8) as served:
        child = multiprocessing.get_context("fork").Process(target=serve, args=(path, workload, served), daemon=True)
        child.start()
        try:
            while int.from_bytes(served[:], "little") < events:
                assert child.is_alive()
                os.sched_yield()
        finally:
            child.kill()
            child.join()
        count = int.from_bytes(served[:], "little")
    assert salvage(path, lambda line: None).changed
    with open_trace(path) as trace:
        assert (trace.closed, trace.salvaged) == (False, True)
        assert len(trace) >= count
        assert [block.first_seq for block in trace.blocks[1:]] == [block.last_seq + 1 for block in trace.blocks[:-1]]
        assert Player(trace).run() is None
