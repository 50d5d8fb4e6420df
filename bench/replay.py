# SPDX-License-Identifier: GPL-2.0-or-later
"""How many recorded accesses a second the model performs anew and compares, reading the file included; and how long it
takes to go back event by event.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from ntbtrace.event import STIMULI
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from roundtrip import one_core
from table import Figure, report

ROUNDS = 5
LEAST_PER_SECOND = 300_000
STEPS_BACK, MOST_SECONDS = 1000, 1
RECORDINGS = {  # of simulated guests: words for `ntbtrace record`
    "ping-pong": ["--workload", "pingpong", "--count", "5000"],
    "window copy": ["--workload", "perf", "--size", str(1 << 20)],
}


def rate(path: Path) -> float:
    """Accesses per second of one replay; exits if it is not identical."""
    start = perf_counter()
    with open_trace(path) as trace:
        if Player(trace).run() is not None:
            sys.exit(f"bench: the replay of {path.name} diverges")
        elapsed = perf_counter() - start
        accesses = sum(n for block in trace.blocks for kind, n in block.counts.items() if kind in STIMULI)
    return accesses / elapsed


def back(path: Path) -> float:
    """Seconds for so many steps back, the state at hand after each, from a whole block into the one before it."""
    with open_trace(path) as trace:
        player = Player(trace)
        player.run(trace.blocks[-1].first_seq + STEPS_BACK // 2)
        start = perf_counter()
        for _ in range(STEPS_BACK):
            player.seek(player.position - 1)
        return perf_counter() - start


def measure() -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as directory, one_core():
        for name, words in RECORDINGS.items():
            path = Path(directory, f"{name}.ntbt")
            record = [sys.executable, "-m", "ntbtrace", "record", *words, "-o", str(path)]
            done = subprocess.run(record, capture_output=True, text=True, timeout=300)
            if done.returncode:
                sys.exit(f"bench: {done.stderr}")
            rates = [rate(path) for _ in range(ROUNDS)]
            figures.append(Figure(f"replay, {name}", median(rates), "accesses/s", LEAST_PER_SECOND))
            seconds = median(back(path) for _ in range(ROUNDS))
            figures.append(Figure(f"{STEPS_BACK:,} steps back, {name}", seconds, "s", MOST_SECONDS, at_most=True))
    return figures


if __name__ == "__main__":
    sys.exit(report(measure()))
