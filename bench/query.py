# SPDX-License-Identifier: GPL-2.0-or-later
"""What a search costs as a whole process, on EVENTS recorded events, against `python -c "import numpy"` and tshark.

The recording is made of simulated guests that play ping-pong; one register is written once, at two thirds of it.
tshark reads our export of it, once without a dissector (looking for the register's name among the bytes) and once with
ours (looking for the register). `python bench/query.py 10000000` makes a longer recording and leaves tshark out.
"""

import os
import resource
import shutil
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
LEAST_OF_TSHARK = 35
TSHARK_ROUNDS = 3
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


def seconds(argv: Sequence[str], program: str = sys.executable) -> float:
    """One run of a process."""
    start = perf_counter()
    subprocess.run([program, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def tshark(trace: Path, ours: float) -> list[Figure]:
    """What the same search costs with tshark; `ours`: seconds that it costs with us."""
    program = shutil.which("tshark")
    if program is None:
        return []
    pcapng, plugin = trace.with_suffix(".pcapng"), trace.with_suffix(".lua")
    command = [sys.executable, "-m", "ntbtrace"]
    start = perf_counter()
    subprocess.run([*command, "export", trace, "-o", pcapng], stdout=subprocess.PIPE, check=True)
    export = perf_counter() - start
    plugin.write_bytes(subprocess.run([*command, "wireshark"], stdout=subprocess.PIPE, check=True).stdout)
    read = ["-r", str(pcapng)]
    plain = median(seconds([*read, "-Y", f'frame contains "{RARE}"'], program) for _ in range(TSHARK_ROUNDS))
    dissected = seconds([*read, "-X", f"lua_script:{plugin}", "-Y", f'ntb.reg == "{RARE}"'], program)
    return [
        Figure("export to pcapng", export, "s"),
        Figure("tshark -Y for the bytes of its name", plain, "s"),
        Figure("  times as long as our search", plain / ours, ""),
        Figure("tshark -Y for the register, our dissector", dissected, "s"),
        Figure("  times as long as our search", dissected / ours, "", LEAST_OF_TSHARK),
    ]


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
        others = tshark(path, median(times["where"])) if events <= EVENTS else []
    ratio = {key: median(a / b for a, b in zip(times[key], times["numpy"], strict=True)) for key in runs}
    told = f"{events:,} events"
    most_of_numpy = MOST_OF_NUMPY if events <= EVENTS else 3 * MOST_OF_NUMPY
    return [
        Figure(f"file of {told}", size / events, "bytes/event"),
        Figure('python -c "import numpy"', median(times["numpy"]) * 1000, "ms"),
        Figure(f"search in {told}, of numpy's start", ratio["where"], "", most_of_numpy, at_most=True),
        *others,
        Figure(f"last of {told}, of numpy's start", ratio["last"], "", MOST_FOR_LAST, at_most=True),
        Figure(f"stats of {told}", median(times["stats"]) * 1000, "ms"),
        Figure("most memory of these", most, "MB", MOST_MEMORY, at_most=True),
    ]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    sys.exit(report(measure(*map(int, sys.argv[1:2]))))
