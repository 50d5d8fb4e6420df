# SPDX-License-Identifier: GPL-2.0-or-later
"""What the debugger costs on a long recording: its first prompt, the search for breakpoints, going back event by event.

The recording is that of query.py. `python bench/debugger.py 10000000` makes a longer one; the limits are the same.
"""

import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from ntbtrace.repl.out import Plain
from ntbtrace.repl.prompt import PROMPT
from ntbtrace.repl.session import Session
from ntbtrace.repl.shell import Shell
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace, open_trace
from query import EVENTS, seconds
from recordings import RARE, simulated
from table import Figure, report

ROUNDS = 5
STEPS = 1000
MOST_OF_IMPORTS = 3  # the first prompt, of `import numpy, prompt_toolkit`
MOST_SEARCH_S = 0.5
MOST_STEPS_S = 1
LEAST_OF_REPLAY = 0.6  # the rate of a search for changes (every seventh event may be one), of that of a replay
STATE = 200_000  # events that a search for changes goes through


class Silent(Plain):
    def line(self, text: str = "") -> None:
        pass


def first_prompt(path: Path) -> float:
    """Seconds from the program's start until the prompt stands on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    start = perf_counter()
    command = [sys.executable, "-m", "ntbtrace", "repl", str(path)]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    ) as process:
        os.close(theirs)
        seen = b""
        while PROMPT.strip().encode() not in seen:
            seen += os.read(ours, 4096)
        elapsed = perf_counter() - start
        process.kill()
    os.close(ours)
    return elapsed


class Debugger:
    """A session that is timed command by command."""

    def __init__(self, trace: Trace) -> None:
        self.session = Session(trace, Silent())
        self._shell = Shell(self.session, Silent())

    def run(self, *lines: str) -> float:
        """Seconds that the lines take."""
        start = perf_counter()
        for line in lines:
            self._shell.perform(line, lambda prompt: None)
        return perf_counter() - start


def search(trace: Trace) -> list[Figure]:
    """A breakpoint on event columns that is met once."""
    debugger = Debugger(trace)
    debugger.run(f"break write {RARE} if value == 0xdead")
    forwards = debugger.run("continue")
    found = debugger.session.position
    debugger.run("delete", "goto end", f"break write {RARE} if value == 0xdead")
    backwards = debugger.run("reverse-continue")
    if not trace.blocks[0].first_seq < found == debugger.session.position < trace.blocks[-1].last_seq:
        sys.exit(f"bench: the breakpoint was met at {found} and at {debugger.session.position}")
    return [
        Figure(f"rare breakpoint in {len(trace):,} events, forwards", forwards, "s", MOST_SEARCH_S, at_most=True),
        Figure("  backwards", backwards, "s", MOST_SEARCH_S, at_most=True),
    ]


def state(trace: Trace) -> list[Figure]:
    """A change that never comes: of a register that is written all the time, and of one that is not."""
    last = min(STATE, len(trace) - 1)
    rates = []
    for _ in range(ROUNDS):
        start = perf_counter()
        Player(trace).run(last)
        replay = perf_counter() - start
        debugger = Debugger(trace)
        debugger.run("break change 0:INDBELLSTS if new == 0xdead")
        rates.append(replay / debugger.run(f"run-until seq == {last}"))
    debugger = Debugger(trace)
    debugger.run("break change 2:NTCEEM")
    skipped = debugger.run("continue")
    return [
        Figure("search for a change, of the rate of a replay", median(rates), "", LEAST_OF_REPLAY),
        Figure("search for a change that no block can have", skipped, "s", MOST_SEARCH_S, at_most=True),
    ]


def measure(events: int = EVENTS) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name:
        path = Path(name) / "long.ntbt"
        simulated(path, events)
        pairs = [(first_prompt(path), seconds(["-c", "import numpy, prompt_toolkit"])) for _ in range(ROUNDS)]
        with open_trace(path) as trace:
            debugger = Debugger(trace)
            debugger.run("goto 70%")
            back = debugger.run(*["reverse-step"] * STEPS)
            return [
                Figure("first prompt", median(a for a, _ in pairs), "s"),
                Figure(
                    "  of numpy's and prompt_toolkit's start",
                    median(a / b for a, b in pairs), "", MOST_OF_IMPORTS, at_most=True,
                ),
                *search(trace),
                *state(trace),
                Figure(f"{STEPS} reverse-steps", back, "s", MOST_STEPS_S, at_most=True),
            ]  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parent.parent))
    sys.exit(report(measure(*map(int, sys.argv[1:2]))))
