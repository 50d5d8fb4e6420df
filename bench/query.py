# SPDX-License-Identifier: GPL-2.0-or-later
"""What a search costs as a whole process, against `python -c "import numpy"`, on a recording of EVENTS events.

The recording is made of simulated guests that play ping-pong; one register is written once, at two thirds of it.
`python bench/query.py 10000000` makes a longer one.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import device
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.capture.recorder import Recorder
from table import Figure, report

EVENTS = 1_000_000
ROUNDS = 9
RARE = "NTUEEM"
MOST_OF_NUMPY = 1.8
MOST_FOR_LAST = 2.5
MOST_MEMORY = 200  # MB


def make(path: Path, events: int) -> None:
    """Record `events` events, the rare one among them."""
    transports = {str(number): "simulated" for number in device.DEFAULT.port_numbers}
    recorder = Recorder(path, device.DEFAULT, command="bench", transports=transports)
    guests = simulated_guests(recorder, "pingpong", Work(count=1 << 60), seed=1)
    rare = False
    while recorder.next_seq < events:
        for guest in guests:
            guest.step()
        if not rare and recorder.next_seq > events * 2 // 3:
            rare = True
            recorder.port(0).bar_write(0, guests[0].names.offset(RARE), 4, 0xDEAD)
    recorder.close()


def seconds(argv: Sequence[str]) -> float:
    """One run of a Python process."""
    start = perf_counter()
    subprocess.run([sys.executable, *argv], stdout=subprocess.PIPE, check=True)
    return perf_counter() - start


def measure(events: int = EVENTS) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name:
        path = Path(name) / "long.ntbt"
        make(path, events)
        program = ["-m", "ntbtrace"]
        runs = {
            "numpy": ["-c", "import numpy"],
            "where": [*program, "show", str(path), "--where", f"reg == {RARE}"],
            "last": [*program, "show", str(path), "--from", str(events - 1)],
            "stats": [*program, "stats", str(path), "--by", "reg,port"],
        }
        times: dict[str, list[float]] = {key: [] for key in runs}
        for _ in range(ROUNDS):
            for key, argv in runs.items():
                times[key].append(seconds(argv))
        size = path.stat().st_size
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    ratio = {key: median(a / b for a, b in zip(times[key], times["numpy"], strict=True)) for key in runs}
    told = f"{events:,} events"
    most_of_numpy = MOST_OF_NUMPY if events <= EVENTS else 3 * MOST_OF_NUMPY
    return [
        Figure(f"file of {told}", size / events, "bytes/event"),
        Figure('python -c "import numpy"', median(times["numpy"]) * 1000, "ms"),
        Figure(f"search in {told}, of numpy's start", ratio["where"], "", most_of_numpy, at_most=True),
        Figure(f"last of {told}, of numpy's start", ratio["last"], "", MOST_FOR_LAST, at_most=True),
        Figure(f"stats of {told}", median(times["stats"]) * 1000, "ms"),
        Figure("most memory of these", most, "MB", MOST_MEMORY, at_most=True),
    ]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    sys.exit(report(measure(*map(int, sys.argv[1:2]))))
