# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person does to a switch between real guests, and what their drivers see of it: a cable that is pulled and
plugged, a hot reset and the reboot that mends it, a failover, the temperature.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from device.idt.maps import NT, SWITCH
from ntbtrace.capture.guests.qemu import qmp_name
from ntbtrace.event import SWITCH_OWNER, Event, Kind, port_of
from tests.real.conftest import Recording, Run, no_oops, replays
from tests.real.test_ends import ENDLESS, interrupts, until
from tests.real.test_perf import Qmp

STATUS, EVENTS, COMMAND = SWITCH["SWPORT2STS"], SWITCH["SESTS"], NT["PCICMDSTS"]
LINKUP, FOVR = STATUS.register.field_mask("LINKUP"), EVENTS.register.field_mask("FOVR")
BME = COMMAND.register.field_mask("BME")
OWNER_BITS = 24
READ_TEMPERATURE = "cat /sys/class/hwmon/hwmon*/temp1_input; echo read-$((40 + 2)); poweroff -f\n"


@pytest.fixture
def inject(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`inject("cable", 2, "out")`: it succeeds; returns the seq of its event."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def run(*words: object) -> int:
        done = cli("inject", *words)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[1].rstrip(":"))

    return run


def caused_by(seq: int) -> Callable[[Event], bool]:
    """Satisfied by an interrupt of that cause."""
    return lambda event: event.kind == Kind.IRQ and event.cause == seq


def reads(owner: int, register: int, bits: int, value: int, after: int) -> Callable[[Event], bool]:
    """Satisfied when the driver at port 0 reads `value` in those bits of the register `register` of `owner`."""
    target = owner << OWNER_BITS | register

    def seen(event: Event) -> bool:
        read = event.kind == Kind.MMIO_READ and not port_of(event.endpoint) and event.target == target
        return read and event.seq > after and event.value & bits == value

    return seen


def end(recording: Recording, cli: Run, oops_at: int | None = None) -> None:
    """With a whole recording; the driver of the guest at port `oops_at` is not expected to survive."""
    recording.process.send_signal(signal.SIGINT)
    recording.process.communicate(timeout=60)
    no_oops(recording.path, but=oops_at)
    replays(recording.path, cli)


def test_a_cable_that_is_pulled_and_plugged(
    start: Callable[..., Recording], inject: Callable[..., int], cli: Run
) -> None:
    recording = start("cable.ntbt", *ENDLESS)
    until(recording, interrupts(4, 2))
    for state, link in (("out", 0), ("in", LINKUP)):
        seq = inject("cable", 2, state)
        until(recording, caused_by(seq))
        until(recording, reads(SWITCH_OWNER, STATUS.id, LINKUP, link, seq))
    for port in (0, 2):
        until(recording, interrupts(4, port, after=seq))
    end(recording, cli)


def test_a_hot_reset_and_the_reboot_that_mends_it(
    start: Callable[..., Recording], inject: Callable[..., int], cli: Run
) -> None:
    """A function that was reset answers all ones. Should a bell be at hand, the driver takes them for a source
    partition (idt_ntb_msg_read: an index into part_idx_map) and oopses; its peer must not mind.
    """
    recording = start("hot-reset.ntbt", *ENDLESS)
    until(recording, interrupts(4, 2))
    seq = inject("hot-reset", 2)
    until(recording, caused_by(seq))
    until(recording, reads(2, COMMAND.id, BME, 0, seq))
    Qmp(recording.rundir / qmp_name(2))("system_reset")
    until(recording, reads(2, COMMAND.id, BME, BME, seq))
    for port in (0, 2):
        until(recording, interrupts(4, port, after=seq))
    end(recording, cli, oops_at=2)


def test_a_failover_is_told_to_who_wants_to_know(
    start: Callable[..., Recording], inject: Callable[..., int], cli: Run
) -> None:
    """The driver keeps the event masked; unmasked by a poke it interrupts, and the driver plays on."""
    recording = start("failover.ntbt", *ENDLESS)
    until(recording, interrupts(4, 2))
    masked = inject("failover", 2)
    until(recording, interrupts(4, 0, after=masked))
    inject("poke", EVENTS.offset, FOVR)
    for name in ("SEFOVRMSK", "SEMSK"):
        inject("poke", SWITCH[name].offset, 0)
    seq = inject("failover", 2)
    until(recording, caused_by(seq))
    until(recording, reads(SWITCH_OWNER, EVENTS.id, FOVR, FOVR, seq))
    for port in (0, 2):
        until(recording, interrupts(4, port, after=seq))
    end(recording, cli)


@pytest.mark.parametrize("degrees", ["85.5", "0"])
def test_the_guest_reads_the_temperature(
    start: Callable[..., Recording], inject: Callable[..., int], cli: Run, degrees: str
) -> None:
    recording = start("warm.ntbt", "--workload", "shell")
    until(recording, lambda event: event.data == b"ntbtrace: shell" and not port_of(event.endpoint))
    inject("temperature", degrees)
    argv = [sys.executable, "-m", "ntbtrace", "console", "0"]
    done = subprocess.run(argv, input=READ_TEMPERATURE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"\n{float(degrees) * 1000:.0f}\n" in done.stdout.replace("\r", "")
    assert "read-42" in done.stdout
    end(recording, cli)
