# SPDX-License-Identifier: GPL-2.0-or-later
"""A person pulls a cable between two real guests: the peer's driver sees it, and both play on when it is back."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from device.idt.maps import SWITCH
from ntbtrace.event import Event, Kind, port_of
from tests.real.conftest import Recording, Run, no_oops, replays
from tests.real.test_ends import ENDLESS, interrupts, until

STATUS = SWITCH["SWPORT2STS"]
LINKUP = STATUS.register.field_mask("LINKUP")
OWNER_BITS = 24


def sees_the_link(up: bool, after: int) -> Callable[[Event], bool]:
    """Satisfied when the driver at port 0 reads the state of port 2's link so."""

    def seen(event: Event) -> bool:
        about = event.target & (1 << OWNER_BITS) - 1
        read = event.kind == Kind.MMIO_READ and not port_of(event.endpoint) and about == STATUS.id
        return read and event.seq > after and bool(event.value & LINKUP) == up

    return seen


def test_a_cable_that_is_pulled_and_plugged(
    start: Callable[..., Recording], cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    recording = start("cable.ntbt", *ENDLESS)
    until(recording, interrupts(4, 2))
    for state, up in (("out", False), ("in", True)):
        done = cli("inject", "cable", 2, state)
        assert done.returncode == 0, done.stderr
        seq = int(done.stdout.split()[1].rstrip(":"))
        until(recording, lambda event, seq=seq: event.kind == Kind.IRQ and event.cause == seq)  # type: ignore[misc]
        until(recording, sees_the_link(up, seq))
    for port in (0, 2):
        until(recording, interrupts(4, port, after=seq))
    recording.process.send_signal(signal.SIGINT)
    recording.process.communicate(timeout=60)
    no_oops(recording.path)
    replays(recording.path, cli)
