# SPDX-License-Identifier: GPL-2.0-or-later
"""However a run of real guests ends, the trace is whole: a VM dies, Ctrl-C; and a reboot is no end."""

import os
import signal
import time
from collections.abc import Callable

from ntbtrace.capture.guests.qemu import qmp_name
from ntbtrace.event import Event, Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import Qmp, wait_for_file

BELLS = 6
ENDLESS = ("--workload", "pingpong", "--count", "1000000")


def until(recording: Recording, enough: Callable[[Event], bool]) -> None:
    """Follow the running recording until an event satisfies `enough`."""
    deadline = time.monotonic() + 120
    wait_for_file(recording, deadline)
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        if enough(event):
            return
    raise AssertionError(recording.process.poll())


def interrupts(number: int, port: int, after: int = 0) -> Callable[[Event], bool]:
    """Satisfied by the `number`th interrupt of the port after seq `after`."""
    seen = 0

    def enough(event: Event) -> bool:
        nonlocal seen
        seen += event.kind == Kind.IRQ and port_of(event.endpoint) == port and event.seq > after
        return seen >= number

    return enough


def test_a_vm_that_dies_ends_the_run_with_a_whole_trace(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("dies.ntbt", *ENDLESS)
    until(recording, interrupts(BELLS, 2))
    os.kill(recording.qemu_pids()[0], signal.SIGKILL)
    said, _ = recording.process.communicate(timeout=60)
    assert recording.process.returncode == 2, said
    assert b"the guest at port 0 is gone (QEMU exit code -9)" in said
    with open_trace(recording.path) as trace:
        assert trace.closed
        detached = [port_of(event.endpoint) for event in trace if event.kind == Kind.DETACH]
    assert detached == [0, 2]
    assert cli("replay", recording.path).returncode == 0


def test_ctrl_c_leaves_a_whole_trace_and_no_guests(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("ctrlc.ntbt", *ENDLESS)
    until(recording, interrupts(BELLS, 2))
    guests = recording.qemu_pids()
    recording.process.send_signal(signal.SIGINT)
    said, _ = recording.process.communicate(timeout=60)
    assert recording.process.returncode == 130, said
    assert not any(os.path.exists(f"/proc/{pid}") for pid in guests)
    with open_trace(recording.path) as trace:
        assert trace.closed
    assert cli("replay", recording.path).returncode == 0


def test_a_reboot_of_one_guest_leaves_the_other_running(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("reboot.ntbt", *ENDLESS)
    until(recording, interrupts(BELLS, 2))
    Qmp(recording.rundir / qmp_name(0))("system_reset")
    resets: list[int] = []

    def rebooted(event: Event) -> bool:
        if event.kind == Kind.RESET and port_of(event.endpoint) == 0:
            resets.append(event.seq)
        return len(resets) > 1  # the first is QEMU's own start

    until(recording, rebooted)
    until(recording, interrupts(BELLS, 0, after=resets[-1]))
    until(recording, interrupts(BELLS, 2, after=resets[-1]))
    recording.process.send_signal(signal.SIGINT)
    recording.process.communicate(timeout=60)
    with open_trace(recording.path) as trace:
        assert trace.closed
        assert not any(event.kind == Kind.DETACH and event.seq < resets[-1] for event in trace)
    assert cli("replay", recording.path).returncode == 0
