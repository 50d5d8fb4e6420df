# SPDX-License-Identifier: GPL-2.0-or-later
"""The DMA engine, driven by Linux's plx_dma: dmatest verifies it, ntb_perf copies through a window with it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ntbtrace.capture.guests.qemu import qmp_name
from ntbtrace.event import Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recorded, Recording, Run, no_oops, replays
from tests.real.test_perf import Qmp, wait_for_file

ITERATIONS = 5000
SIZE = 1 << 20
FASTER = 100


def test_dmatest_verifies_five_thousand_copies(record: Callable[..., Recorded]) -> None:
    recorded = record("dmatest", "--count", ITERATIONS)
    assert recorded.results == {0: {"tests": str(ITERATIONS), "failures": "0"}}


# Records as a user does, but one copy of the engine takes its bytes from one further on.
WRONG = """
import sys
from device.plx.engine import Engine
from ntbtrace import cli

copy = Engine._copy

def wrong(self, most):
    Engine._copy = copy
    self.source += 1
    return self._copy(most)

Engine._copy = wrong
sys.exit(cli.main(["record", "--guests", "qemu", "--workload", "dmatest", "--count", "20", "-o", sys.argv[1]]))
"""


def test_one_wrong_copy_fails_the_workload(guest_image: object, tmp_path: Path) -> None:
    path = tmp_path / "wrong.ntbt"
    argv = [sys.executable, "-c", WRONG, str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert "port 0: tests=20 failures=1\n" in done.stdout
    assert done.returncode == 2
    assert "the guest at port 0 says: fail reason=dmatest-failures" in done.stderr


def test_perf_by_dma_fills_the_peers_memory_and_is_fast(
    start: Callable[..., Recording], cli: Run, tmp_path: Path
) -> None:
    """The last SIZE bytes that the engine read from port 0 are in the RAM of port 2, as its own QEMU shows it."""
    recording = start("dma.ntbt", "--workload", "perf-dma", "--size", str(SIZE), "--append", "ntbtrace.stay=1")
    deadline = time.monotonic() + 280
    wait_for_file(recording, deadline)
    work = -1
    source, target, result = b"", {}, {}
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        port = port_of(event.endpoint)
        if event.kind == Kind.WORK:
            work = event.seq
        elif event.cause == work and event.kind == Kind.MEM_READ and event.size > 64:
            source += event.data or b""
        elif event.cause == work and event.kind == Kind.MEM_WRITE and port == 2:
            target[event.offset] = event.data or b""
        elif event.kind == Kind.CONSOLE and port == 0 and event.data:
            assert b"ntbtrace: fail" not in event.data
            if event.data.startswith(b"ntbtrace: result"):
                result = dict(word.split("=") for word in event.data.decode().split()[2:])
            if event.data == b"ntbtrace: stay":
                break
    assert result["copied"] == str(SIZE)
    assert int(result["usecs"]) >= FASTER * int(result["dma_usecs"]), result
    low = min(target)
    assert b"".join(target[address] for address in sorted(target)) == source
    assert len(source) == SIZE
    dump = tmp_path / "ram"
    Qmp(recording.rundir / qmp_name(2))("pmemsave", val=low, size=SIZE, filename=str(dump))
    assert dump.read_bytes() == source
    recording.process.terminate()
    recording.process.communicate(timeout=60)
    no_oops(recording.path)
    replays(recording.path, cli)
    with open_trace(recording.path) as trace:
        assert trace.closed
