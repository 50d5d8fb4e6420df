# SPDX-License-Identifier: GPL-2.0-or-later
"""What recording costs real guests: ntb_perf's own time for its copy, with recording on and off, in one boot.

Two guests boot and link up once; then the one at port 0 copies again and again, recorded and not, in pairs that begin
with either in turn. "Off" is the same process, model and transport, but no event is made: the switch can do that for
this bench alone. Needs QEMU and the guest image (`make vm`).
"""

import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import monotonic

import device
from device.idt.endpoint import Endpoint
from ntbtrace.capture import rundir
from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.make import qemu_guests
from ntbtrace.capture.guests.qemu import QemuGuest, QemuSpec
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from table import Figure, report

PAIRS = 7
ORDER = 20  # 2^20 bytes: 262,144 writes
MOST_FOR_RECORDING = 1.10
STEP_S = 300  # for a boot or a copy
WORDS = f"quiet printk.time=0 printk.devkmsg=on ntbtrace.workload=perf-fixed ntbtrace.order={ORDER}".split()
COPY = b"for d in /sys/kernel/debug/ntb_perf*/*; do echo 0 > $d/run; cat $d/run; done\n"
COPIED = re.compile(rb"copied (\d+) bytes in (\d+) usecs")


class Quiet:
    """The switch's Host while nothing is recorded: interrupts and memory writes reach the guests all the same."""

    def __init__(self, recorder: Recorder) -> None:
        self._memory, self._sinks = recorder._memory, recorder._sinks

    def irq(self, port: int, value: int, function: int = 0) -> None:
        sink = self._sinks[port << 3 | function]
        if sink is not None:
            sink(value)

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        memory = self._memory[port]
        if memory is not None:
            memory.write(address, data)

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        memory = self._memory[port]
        data = memory.read(address, length) if memory is not None else None
        return b"\xff" * length if data is None else data


class Run:
    """Two guests that have copied once, and copy again when told."""

    def __init__(self, recorder: Recorder, loop: Loop, guests: list[QemuGuest]) -> None:
        self._recorder, self._loop, self._guests = recorder, loop, guests
        self._quiet = Quiet(recorder)
        self._usecs: list[int] = []
        self._hear = guests[0].port.console
        guests[0].port.console = self._listen

    def _listen(self, line: bytes) -> None:
        self._hear(line)
        found = COPIED.search(line)
        if found:
            self._usecs.append(int(found[2]))
            self._loop.stop()

    def _wait(self, done: str) -> None:
        """Serve until all guests are `done`, or until a copy has ended."""
        deadline = monotonic() + STEP_S

        def over() -> bool:
            for guest in self._guests:
                guest.poll()
            return monotonic() > deadline or not all(guest.alive for guest in self._guests) or self._all(done)

        self._loop.run(over, self._recorder.writer.tick)

    def _all(self, state: str) -> bool:
        return bool(state) and all(guest.state == state for guest in self._guests)

    def boot(self) -> None:
        for guest in self._guests:
            guest.power_on()
        self._wait("done")
        if not self._all("done"):
            sys.exit(f"bench: the guests are {' and '.join(guest.state for guest in self._guests)}, not done")
        assert self._guests[0].console is not None
        self._guests[0].console.send(b"shell\n")

    def record(self, on: bool) -> None:
        """Switch recording on or off, between two accesses."""
        self._recorder.switch.host = self._recorder if on else self._quiet
        for guest in self._guests:
            for connection in guest._connections:
                door: Endpoint = connection._port if on else connection._port.endpoint
                connection._read, connection._write = door.bar_read, door.bar_write

    def copy(self) -> int:
        """Microseconds that ntb_perf says it took."""
        before = len(self._usecs)
        assert self._guests[0].console is not None
        self._guests[0].console.send(COPY)
        self._wait("")
        if len(self._usecs) == before:
            sys.exit("bench: ntb_perf did not come to an end")
        return self._usecs[-1]

    def end(self) -> None:
        for guest in self._guests:
            guest.kill()
            guest.close()


def measure() -> list[Figure]:
    found = image.find()
    if found is None:
        sys.exit("bench: there is no guest image: run `make vm`")
    spec = QemuSpec(kernel=found.kernel, initrd=found.initrd)
    spec.check()
    transports = {str(number): "mpqemu" for number in device.DEFAULT.port_numbers}
    times: dict[bool, list[int]] = {True: [], False: []}
    events = []
    place = rundir.create()
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as name:
        recorder = Recorder(Path(name, "guest.ntbt"), device.DEFAULT, command="bench", transports=transports)
        loop = Loop()
        run = Run(recorder, loop, qemu_guests(recorder, loop, spec, place, WORDS, one_vm=False))
        try:
            run.boot()
            run.copy()  # the shell's first
            for pair in range(PAIRS):
                for on in (True, False) if pair % 2 else (False, True):
                    run.record(on)
                    start = recorder.next_seq
                    times[on].append(run.copy())
                    events.append((on, recorder.next_seq - start))
        finally:
            run.end()
            recorder.close()
            loop.close()
            rundir.remove(place)
    least, most = min(n for on, n in events if on), max(n for on, n in events if not on)
    if least < 1 << ORDER - 2 or most > 1000:
        sys.exit(f"bench: recorded copies have {least:,} events or more, others {most:,} or fewer: nothing is measured")
    ratios = [on / off for on, off in zip(times[True], times[False], strict=True)]
    print("pairs:", ", ".join(f"{r:.3f}" for r in ratios), file=sys.stderr)
    return [
        Figure(f"ntb_perf, {1 << ORDER:,} bytes, not recorded", median(times[False]) / 1000, "ms"),
        Figure(f"ntb_perf, {1 << ORDER:,} bytes, recorded", median(times[True]) / 1000, "ms"),
        Figure("recorded, of not recorded", median(ratios), "", MOST_FOR_RECORDING, at_most=True),
        Figure("  the least of the pairs", min(ratios), ""),
        Figure("  the most of the pairs", max(ratios), ""),
    ]


if __name__ == "__main__":
    sys.exit(report(measure()))
