# SPDX-License-Identifier: GPL-2.0-or-later
"""How long other guests wait while a guest's DMA engine works without end, on rings that a hostile guest may make.

The C client of roundtrip.c is the guest at port 0; the engine of port 2 is started anew whenever it stops, so that the
server never rests. All on one core, where a machine has least to say in it (see "C echo"): on two busy ones, a virtual
machine's host takes milliseconds away from either.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path
from statistics import median
from struct import pack

from device.host import IrqMode
from device.plx.registers import PLX
from device.profile import Profile
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.memory import MappedMemory, Region
from ntbtrace.capture.recorder import Recorder
from ntbtrace.capture.transport.mpqemu import Connection
from ntbtrace.event import endpoint_of
from roundtrip import build, one_core, requests, run
from servers import CountingSink, set_up
from table import Figure, report

ROUNDS = 9
ROUND_TRIPS = 10_000
MOST_LATE_MS = 2
PROFILE = Profile.from_mapping({"port": [{"number": n, "partition": n // 2, "dma": True} for n in (0, 2)]})
RAM_BYTES, RING, FROM, TO = 64 << 20, 0x10_0000, 0x20_0000, 0x120_0000
NOISE, NOISE_BYTES = 0x200_0000, 16 << 20  # random: no two pieces of it are the same
ENTRIES, VALID, INTERRUPT, NOWHERE, BAR0 = 2048, 1 << 31, 1 << 30, 0xDEAD_0000, 0xFD00_0000
START = 0x174C  # of CTRL: as plx_dma.c starts it
LARGEST = (1 << 27) - 1
RINGS = {  # what stands in every descriptor: flags and size, from (NOISE: each its own part of it), to
    "copies of 1 MiB": (1 << 20, FROM, TO),
    "copies of random bytes": (1 << 20, NOISE, TO),
    "copies of 4 KiB with an interrupt each": (INTERRUPT | 4 << 10, FROM, TO),
    "copies of 128 MiB out of less memory": (LARGEST, FROM, TO),
    "sizes of zero": (0, FROM, TO),
    "from nowhere": (1 << 20, NOWHERE, TO),
    "to nowhere": (1 << 20, FROM, NOWHERE),
    "copies that make the ring valid again": (16 * ENTRIES, FROM, RING),
}


def serve(peer: socket.socket, directory: Path, ring: str) -> None:
    transports = {str(number): "mpqemu" for number in PROFILE.port_numbers}
    recorder = Recorder(directory / "engine.ntbt", PROFILE, command="bench", transports=transports, overwrite=True)
    loop, sink = Loop(), CountingSink()
    ram = os.memfd_create("ram")
    os.truncate(ram, RAM_BYTES)
    size, source, target = RINGS[ring]
    moved = size if source == NOISE else 0
    descriptors = b"".join(
        pack("<IHHII", VALID | size, 0, 0, target, source + index * moved % NOISE_BYTES) for index in range(ENTRIES)
    )
    os.pwrite(ram, descriptors, FROM)
    os.pwrite(ram, os.urandom(NOISE_BYTES), NOISE)
    recorder.port(2).attach(IrqMode.MSI, {}, sink.deliver)
    recorder.port(2).set_ram(MappedMemory([Region(0, RAM_BYTES, 0, os.dup(ram))]), [(0, RAM_BYTES)])
    door = recorder.doors[endpoint_of(2, 1)]
    door.attach(IrqMode.MSI, {}, sink.deliver)
    door.cfg_write(PLX["PLX_BAR0"].offset, 4, BAR0)
    door.cfg_write(PLX["PLX_PCICMDSTS"].offset, 2, 6)
    for offset, value in ((0x214, RING), (0x218, 0), (0x21C, RING), (0x220, ENTRIES)):
        door.bar_write(0, offset, 4, value)

    def start_anew() -> bool:
        if door.endpoint.active:
            return False
        os.pwrite(ram, descriptors, RING)
        door.bar_write(0, PLX["PLX_CTRL"].offset, 2, START)
        return True

    connection = Connection(loop, recorder.port(0), peer, IrqMode.MSI, CountingSink())
    set_up(recorder.ports)
    loop.add_worker(door.work, lambda error: sys.exit(f"bench: {error}"))
    loop.add_worker(start_anew, lambda error: sys.exit(f"bench: {error}"))
    start_anew()
    loop.run(lambda: not connection.open, recorder.writer.tick)
    recorder.close()


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name, one_core():
        directory = Path(name)
        program, sequence = build(directory), directory / "requests"
        sequence.write_bytes(requests())
        figures = []
        echo = [run([str(program), "echo", "FD"], program, sequence, ROUND_TRIPS) for _ in range(ROUNDS)]
        figures.append(Figure("C echo: the slowest round trip", median(one.slowest for one in echo) / 1e6, "ms"))
        for ring in RINGS:
            words = [sys.executable, __file__, "FD", name, ring]
            runs = [run(words, program, sequence, ROUND_TRIPS) for _ in range(ROUNDS)]
            figures += [
                Figure(f"engine works on {ring}: a round trip", median(one.mean for one in runs) / 1000, "us"),
                Figure("  999 of 1,000 within", median(one.late for one in runs) / 1e6, "ms"),
                Figure(
                    f"  the slowest of {ROUND_TRIPS:,}",
                    median(one.slowest for one in runs) / 1e6, "ms", MOST_LATE_MS, at_most=True,
                ),
                Figure("  the slowest of all runs", max(one.slowest for one in runs) / 1e6, "ms"),
                Figure(
                    f"  runs (of {ROUNDS}) with one over {MOST_LATE_MS} ms",
                    sum(one.slowest > MOST_LATE_MS * 1e6 for one in runs), "",
                ),
            ]  # fmt: skip
        return figures


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(report(measure()))
