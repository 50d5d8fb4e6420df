# SPDX-License-Identifier: GPL-2.0-or-later
"""The recordings that are measured: of simulated guests, made anew each time; of real guests, made once and kept.

`python bench/recordings.py` (part of `make bench-guest`) boots real guests for what is not there yet, in
~/.cache/ntbtrace/bench: remove a file there to have it made again.
"""

import subprocess
import sys
from pathlib import Path

import device
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.image.build import cache
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.capture.recorder import Recorder

RARE = "NTUEEM"  # written once in a simulated run
REAL = {  # words for `ntbtrace record --guests qemu`
    "pingpong": ["--workload", "pingpong", "--count", "8000"],
    "perf": ["--workload", "perf-fixed", "--size", str(1 << 20)],
}


def simulated(path: Path, events: int) -> None:
    """Record `events` events of guests that play ping-pong; RARE is written once, at two thirds of it."""
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


def real() -> dict[str, Path]:
    """The recordings of real guests that are there, by name."""
    found = {name: cache() / "bench" / f"{name}.ntbt" for name in REAL}
    return {name: path for name, path in found.items() if path.exists()}


def record() -> None:
    """Make those of REAL that are missing. Exits with the recorder's word when it cannot."""
    (cache() / "bench").mkdir(parents=True, exist_ok=True)
    for name in REAL.keys() - real().keys():
        path = cache() / "bench" / f"{name}.ntbt"
        making = path.with_suffix(".making")
        words = ["record", "--guests", "qemu", *REAL[name], "-o", str(making), "--overwrite"]
        done = subprocess.run([sys.executable, "-m", "ntbtrace", *words], check=False)
        if done.returncode:
            sys.exit(f"bench: {name} could not be recorded")
        making.rename(path)


if __name__ == "__main__":
    record()
