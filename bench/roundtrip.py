# SPDX-License-Identifier: GPL-2.0-or-later
"""What serving one trapped access costs, against a C echo server and against a bare Python loop.

A C client makes synchronous round trips over a Unix stream socket with the sizes of x-pci-proxy-dev
(request 40 bytes, reply 24), client and server on one core. Servers: C echo; Python epoll + recvmsg_into
that answers a constant; ours with transport and model; ours with the recorder, too, whose writer thread is on the same
core. The requests are ACCESSES, repeated. A run is long enough for blocks to close in it.
"""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from struct import Struct
from typing import NamedTuple

import device
from ntbtrace.capture.guests.names import RegisterNames
from servers import BAR0
from table import Figure, report

HERE = Path(__file__).parent
ROUND_TRIPS = 60_000
ROUNDS = 9
LEAST_OF_ECHO = 0.42
LEAST_OF_BARE = 0.75
MOST_FOR_RECORDING = 0.12  # of an access with model and recorder
MOST_LATE_MS = 2

# One turn of ping-pong as ntb_hw_idt and ntb_pingpong play it: take the interrupt (message, bell), answer,
# and a look at the link. R: read; a number: the value written; a name: its global offset, written.
# The message goes to the sender itself and its bell to the other port, so that both succeed every time.
R = None
ACCESSES: list[tuple[str, int | str | None]] = [
    ("NTINTSTS", R), ("INMSG0", R), ("MSGSTS", 0x000F_000F), ("INDBELLMSK", 0xFFFF_FFFF), ("INDBELLSTS", 0x4),
    ("GASAADDR", "SWP0MSGCTL0"), ("GASADATA", 0x0), ("OUTMSG0", 0x1234), ("MSGSTS", R), ("OUTDBELLSET", 0x4),
    ("INDBELLMSK", 0xFFFF_FFFE), ("NTCTL", R), ("NTMTBLADDR", 0x0), ("NTMTBLDATA", R), ("GASAADDR", "SESTS"),
    ("GASADATA", R),
]  # fmt: skip

HEADER = Struct("<i4xQ")
BAR_ACCESS = Struct("<QQIB3x")
CMD_BAR_WRITE, CMD_BAR_READ = 4, 5


def requests() -> bytes:
    """ACCESSES as x-pci-proxy-dev sends them."""
    names = RegisterNames(device.register_table(device.DEFAULT))
    messages = []
    for name, value in ACCESSES:
        command = CMD_BAR_READ if value is R else CMD_BAR_WRITE
        data = names.switch_offset(value) if isinstance(value, str) else value or 0
        payload = BAR_ACCESS.pack(BAR0 + names.offset(name), data, 4, True)
        messages.append(HEADER.pack(command, len(payload)) + payload)
    return b"".join(messages)


def build(directory: Path) -> Path:
    """Compile roundtrip.c; exits with one line when there is no C compiler."""
    program = directory / "roundtrip"
    try:
        subprocess.run(["gcc", "-O2", "-o", program, HERE / "roundtrip.c"], check=True)
    except FileNotFoundError:
        sys.exit("bench: roundtrip.c needs gcc: install it (Debian: apt-get install gcc libc6-dev)")
    return program


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this process, and what it starts, to the last core that it may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


class Run(NamedTuple):
    """Nanoseconds of a round trip, of the slowest, of the slowest but one in a thousand, and of the server's CPU."""

    mean: float
    slowest: float
    late: float
    cpu: float


def run(server: list[str], program: Path, sequence: Path, count: int = ROUND_TRIPS) -> Run:
    """One run with `server` (its words; FD becomes the socket)."""
    ours, theirs = socket.socketpair()
    words = [str(theirs.fileno()) if word == "FD" else word for word in server]
    with subprocess.Popen(words, pass_fds=[theirs.fileno()]) as process:
        theirs.close()
        client = subprocess.run(
            [program, "client", str(ours.fileno()), sequence, str(count)],
            pass_fds=[ours.fileno()], stdout=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
        ours.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if client.returncode or process.returncode:
        sys.exit(f"bench: {server[-3:]} failed")
    mean, slowest, late = map(float, client.stdout.split())
    return Run(mean, slowest, late, (used.ru_utime + used.ru_stime) * 1e9)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name, one_core():
        directory = Path(name)
        program = build(directory)
        sequence = directory / "requests"
        sequence.write_bytes(requests())
        python = [sys.executable, str(HERE / "servers.py")]
        servers = {"echo": [str(program), "echo", "FD"]}
        servers |= {key: [*python, key, "FD", name] for key in ("bare", "model", "ntbtrace")}
        runs: dict[str, list[Run]] = {key: [] for key in servers}
        for _ in range(ROUNDS):
            for key, words in servers.items():
                runs[key].append(run(words, program, sequence))
        starts = {key: median(run(words, program, sequence, 1).cpu for _ in range(3)) for key, words in servers.items()}

    def ratio(numerator: str, denominator: str) -> float:
        pairs = zip(runs[numerator], runs[denominator], strict=True)
        return median(a.mean / b.mean for a, b in pairs)

    def cpu(key: str) -> float:
        return (median(one.cpu for one in runs[key]) - starts[key]) / ROUND_TRIPS

    names = {"echo": "C echo", "bare": "bare Python loop", "model": "model", "ntbtrace": "model and recorder"}
    return [
        *(Figure(f"round trip: {names[key]}", median(one.mean for one in runs[key]), "ns") for key in runs),
        *(Figure(f"server's CPU: {names[key]}", cpu(key), "ns") for key in runs),
        Figure("model and recorder as a part of C echo's rate", ratio("echo", "ntbtrace"), "", LEAST_OF_ECHO),
        Figure("model and recorder as a part of the bare loop's rate", ratio("bare", "ntbtrace"), "", LEAST_OF_BARE),
        Figure("recording, of a round trip", 1 - ratio("model", "ntbtrace"), "", MOST_FOR_RECORDING, at_most=True),
        Figure("slowest round trip: C echo", median(one.slowest for one in runs["echo"]) / 1e6, "ms"),
        Figure(
            "slowest round trip while blocks close",
            median(one.slowest for one in runs["ntbtrace"]) / 1e6, "ms", MOST_LATE_MS, at_most=True,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(report(measure()))
