# SPDX-License-Identifier: GPL-2.0-or-later
"""What a search costs as a whole process, against `python -c "import numpy"` and tshark; the memory of every command.

The recordings are made of simulated guests that play ping-pong; one register is written once, at two thirds of them.
tshark reads our export of the short one, once without a dissector (looking for the register's name among the bytes)
and once with ours (looking for the register).
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from recordings import RARE, simulated
from table import Figure, report

EVENTS, MANY_EVENTS = 1_000_000, 10_000_000
ROUNDS = 11
TSHARK_ROUNDS = 3
MOST_OF_NUMPY = {EVENTS: 1.8, MANY_EVENTS: 3.0}
MOST_FOR_LAST = 2.5
LEAST_OF_TSHARK = 35
MOST_MEMORY = 200  # MB
NTBTRACE = ["-m", "ntbtrace"]
WITH_PEAK = """
import sys
from ntbtrace import cli
code = cli.main(sys.argv[1:])
status = dict(line.split(":") for line in open("/proc/self/status"))
print(status["VmHWM"].strip(), file=sys.stderr)
sys.exit(code)
"""  # rusage would tell the peak of who starts it, if that is higher
OFTEN = "reg == INDBELLMSK"  # a fifth of the events
COMMANDS = {  # with their words; FILE has ten million events, SHORT one, OUT is a file to make
    "show --where, one match": ["show", "FILE", "--where", f"reg == {RARE}"],
    "show --where, many matches": ["show", "FILE", "--where", OFTEN, "--limit", "300000"],
    "info": ["info", "FILE"],
    "stats": ["stats", "FILE"],
    "stats --by reg,port": ["stats", "FILE", "--by", "reg,port"],
    "stats --by t // s(1) --where": ["stats", "FILE", "--by", "t // s(1)", "--where", OFTEN],
    "stats --latency": ["stats", "FILE", "--latency"],
    "stats --polling": ["stats", "FILE", "--polling"],
    "cut --where": ["cut", "FILE", "--where", OFTEN, "-o", "OUT", "--overwrite"],
    "export": ["export", "FILE", "-o", "OUT", "--overwrite"],
    "merge with the short one": ["merge", "FILE", "SHORT", "-o", "OUT", "--overwrite"],
    "check": ["check", "FILE"],
    "repack": ["repack", "FILE", "-o", "OUT", "--overwrite"],
    "replay": ["replay", "FILE"],
}


def seconds(argv: Sequence[str], program: str = sys.executable) -> float:
    """One run of a process."""
    start = perf_counter()
    subprocess.run([program, *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def memory(words: Sequence[str]) -> tuple[float, float]:
    """Seconds of one run of our program, and its peak of memory in MB."""
    start = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WITH_PEAK, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    took = perf_counter() - start
    if done.returncode:
        sys.exit(f"bench: ntbtrace {' '.join(words)} failed: {done.stderr}")
    return took, int(done.stderr.split()[-2]) / 1024


def tshark(trace: Path, ours: float) -> list[Figure]:
    """What the same search costs with tshark; `ours`: seconds that it costs with us."""
    program = shutil.which("tshark")
    if program is None:
        print("bench: tshark is left out: apt-get install tshark", file=sys.stderr)
        return []
    pcapng, plugin = trace.with_suffix(".pcapng"), trace.with_suffix(".lua")
    subprocess.run([sys.executable, *NTBTRACE, "export", trace, "-o", pcapng], stdout=subprocess.PIPE, check=True)
    dissector = subprocess.run([sys.executable, *NTBTRACE, "wireshark"], stdout=subprocess.PIPE, check=True)
    plugin.write_bytes(dissector.stdout)
    read = ["-r", str(pcapng)]
    plain = median(seconds([*read, "-Y", f'frame contains "{RARE}"'], program) for _ in range(TSHARK_ROUNDS))
    dissected = seconds([*read, "-X", f"lua_script:{plugin}", "-Y", f'ntb.reg == "{RARE}"'], program)
    return [
        Figure("tshark -Y for the bytes of its name", plain, "s"),
        Figure("  times as long as our search", plain / ours, "", LEAST_OF_TSHARK),
        Figure("tshark -Y for the register, our dissector", dissected, "s"),
        Figure("  times as long as our search", dissected / ours, ""),
    ]


def times(path: Path, events: int) -> list[Figure]:
    """Searches in a recording of `events` events, interleaved with the start of Python with numpy."""
    runs = {
        "numpy": ["-c", "import numpy"],
        "where": [*NTBTRACE, "show", str(path), "--where", f"reg == {RARE}"],
        "last": [*NTBTRACE, "show", str(path), "--from", str(events - 1)],
    }
    took: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS):
        for key, argv in runs.items():
            took[key].append(seconds(argv))
    ratio = {key: median(a / b for a, b in zip(took[key], took["numpy"], strict=True)) for key in runs}
    told = f"{events // 1_000_000}M events"
    return [
        Figure('python -c "import numpy"', median(took["numpy"]) * 1000, "ms"),
        Figure(f"search in {told}", median(took["where"]) * 1000, "ms"),
        Figure("  of numpy's start", ratio["where"], "", MOST_OF_NUMPY[events], at_most=True),
        Figure(f"last of {told}", median(took["last"]) * 1000, "ms"),
        Figure("  of numpy's start", ratio["last"], "", MOST_FOR_LAST, at_most=True),
        *(tshark(path, median(took["where"])) if events == EVENTS else []),
    ]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name:
        path, short, out = (Path(name, end) for end in ("long.ntbt", "short.ntbt", "out"))
        figures = []
        for one, events in ((short, EVENTS), (path, MANY_EVENTS)):
            simulated(one, events)
            figures += times(one, events)
        for what, words in COMMANDS.items():
            files = {"FILE": str(path), "SHORT": str(short), "OUT": str(out)}
            took, most = memory([files.get(word, word) for word in words])
            figures.append(Figure(f"10M events, {what}", took, "s"))
            figures.append(Figure("  most memory", most, "MB", MOST_MEMORY, at_most=True))
    return figures


if __name__ == "__main__":
    sys.exit(report(measure()))
