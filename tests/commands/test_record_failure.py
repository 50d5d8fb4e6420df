# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace record` whose file cannot grow any more: the guests go on, the user is told, what was written is readable.

A limit of the file's size stands for a full disk, a descriptor that only reads for a file that became read-only.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace.event import Kind
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace, salvage

SIZE = 1 << 18  # of a copy, by 65,536 writes: several blocks
TIMEOUT_S = 60

# Records as a user does, but does harm to the file as soon as it has its first block.
CHILD = """
import os, resource, shutil, sys
from pathlib import Path
from ntbtrace import cli
from ntbtrace.trace.sink import Sink

path, harm, size = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
real = Sink.block

def block(self, *rest):
    real(self, *rest)
    Sink.block = real
    if harm == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
    elif harm == "removed":
        shutil.rmtree(path.parent)
    else:
        reading = os.open(path, os.O_RDONLY)
        for fd in os.listdir("/proc/self/fd"):
            if int(fd) != reading and os.path.realpath(f"/proc/self/fd/{fd}") == str(path):
                os.dup2(reading, int(fd))

Sink.block = block
sys.exit(cli.main(["record", "--workload", "perf", "--size", size, "-o", str(path)]))
"""

# The disk takes nothing before the guests have done.
SLOW = """
import sys, threading
from ntbtrace import cli
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.writer import TraceWriter

ready, block, close = threading.Event(), Sink.block, TraceWriter.close
Sink.block = lambda self, *rest: (ready.wait(), block(self, *rest))
TraceWriter.close = lambda self: (ready.set(), close(self))
sys.exit(cli.main(["record", "--workload", "perf", "--size", sys.argv[2], "-o", sys.argv[1], "--slow-disk", "drop"]))
"""


def record(path: Path, harm: str) -> subprocess.CompletedProcess[str]:
    path.parent.mkdir()
    argv = [sys.executable, "-c", CHILD, str(path), harm, str(SIZE)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("full", "cannot grow any more: File too large; what is in it is kept"),
        ("read-only", "cannot grow any more: Invalid argument; what is in it is kept"),
        ("removed", "was removed while it was being recorded"),
    ],
)
def test_the_guests_go_on_and_the_user_is_told(tmp_path: Path, harm: str, says: str) -> None:
    path = tmp_path / "directory" / "a.ntbt"
    done = record(path, harm)
    assert done.returncode == 2
    sent, received = (line.partition("=")[2] for line in done.stdout.splitlines())
    assert sent == received != ""
    (last,) = [line for line in done.stderr.splitlines() if "events were lost" in line]
    assert last.startswith(f"ntbtrace: {path} ")
    assert says in last
    assert "Traceback" not in done.stderr
    if harm == "removed":
        assert not path.parent.exists()
        return
    assert f"run `ntbtrace salvage {path}`" in last
    salvage(path, lambda line: None)
    with open_trace(path) as trace:
        assert len(trace) > 30_000
        assert Player(trace).run() is None


def test_a_disk_that_cannot_follow_costs_events_that_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    argv = [sys.executable, "-c", SLOW, str(path), str(SIZE)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"the disk could not follow: ([\d,]+) events were dropped", done.stderr)
    assert found
    with open_trace(path) as trace:
        assert trace.closed
        told = [event.value for event in trace.where(f"kind == {int(Kind.LOST)}")]
        assert sum(told) == trace.lost == int(found[1].replace(",", "")) > 30_000
