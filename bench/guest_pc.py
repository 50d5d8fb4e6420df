# SPDX-License-Identifier: GPL-2.0-or-later
"""What `record --guest-pc` costs two real guests: boot, probe and ntb_perf, with and without; and what names cost.

Needs QEMU and the guest image: not part of `make bench`. Prints the table of docs/performance.md.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import perf_counter

from ntbtrace.event import Kind
from ntbtrace.trace import Trace, open_trace
from table import Figure, report

ROUNDS = 3
SIZE = 1 << 20  # of the copy: 262,144 window writes
WARM_S, COLD_S = 2, 6  # for the names of a trace of more than 100,000 accesses
WORDS = ("--guests", "qemu", "--workload", "perf", "--size", str(SIZE), "--overwrite")
NAMES = """
from ntbtrace.symbols import attach
from ntbtrace.trace import open_trace
with open_trace({path!r}) as trace:
    code = attach(trace)
    assert sum(one.own for one in code.counts()) == trace.annotations.counts.known > 100_000
"""


def ntbtrace(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "ntbtrace", *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        sys.exit(f"bench: {done.stderr}")
    return done.stdout


def said(trace: Trace, word: bytes, port: int = 0) -> float:
    """Seconds from the guest's first event to this line of its init."""
    mine = list(trace.where(f"port == {port}"))
    start = next(event.t for event in mine if event.kind == Kind.ATTACH)
    line = next(e.t for e in mine if e.kind == Kind.CONSOLE and (e.data or b"").startswith(b"ntbtrace: " + word))
    return (line - start) / 1e9


def run(path: Path, *more: str) -> tuple[float, float, float, float]:
    """Seconds of boot, probe and copy of port 0; and of CPU for the whole run: both guests and the recorder."""
    before = getrusage(RUSAGE_CHILDREN)
    out = ntbtrace("record", *WORDS, *more, "-o", str(path))
    after = getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    usecs = re.search(r"usecs=(\d+)", out)
    assert usecs is not None, out
    with open_trace(path) as trace:
        probe, running = said(trace, b"probe"), said(trace, b"run")
        if more and trace.annotations.counts.unknown:
            sys.exit(f"bench: {trace.annotations.counts}")
    return probe, running - probe, int(usecs[1]) / 1e6, cpu


def seconds_of(code: str, home: Path) -> float:
    start = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "XDG_CACHE_HOME": str(home)})
    return perf_counter() - start


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as directory:
        path, other = Path(directory, "with.ntbt"), Path(directory, "without.ntbt")
        without, using = [], []
        for _ in range(ROUNDS):  # in turns: other work on the machine hits both
            without.append(run(other))
            using.append(run(path, "--guest-pc"))
        names = ("boot to the first module", "four modules loaded and probed", "ntb_perf, 1 MiB", "CPU of all of it")
        figures = []
        for i, name in enumerate(names):
            a, b = min(one[i] for one in without), min(one[i] for one in using)  # other work can only add
            figures += [Figure(f"{name}, without", a, "s"), Figure(f"{name}, with --guest-pc", b, "s")]
            figures.append(Figure(f"{name}, with / without", b / a, ""))
        from ntbtrace.places import images

        home = Path(directory, "cache")  # without what was read before, but with the guest's modules
        (home / "ntbtrace").mkdir(parents=True)
        (home / "ntbtrace" / "images").symlink_to(images().resolve())
        code = NAMES.format(path=str(path))
        figures.append(Figure("names of 262,144 accesses, cold", seconds_of(code, home), "s", COLD_S, at_most=True))
        warm = median(seconds_of(code, home) for _ in range(ROUNDS))
        figures.append(Figure("names of 262,144 accesses, warm", warm, "s", WARM_S, at_most=True))
        size = path.stat().st_size / other.stat().st_size
        figures.append(Figure("bytes of the trace, with / without", size, ""))
    return report(figures)


if __name__ == "__main__":
    sys.exit(main())
