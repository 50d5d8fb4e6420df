# SPDX-License-Identifier: GPL-2.0-or-later
"""What people may do to a running switch: asked over the run's socket, done between two accesses, in the trace."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest

from ntbtrace.capture.control import ANSWER, REQUEST, SOCKET, WHOLE_SWITCH, controlled
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from ntbtrace.event import Event, Inject, IrqMode, Kind, Status, port_of
from tests.support import events, recorder, serve

TMPCTL, POWER_DOWN = 0x3F1D4, 1 << 31


class Run:
    """A recorder with guests at ports 0 and 2, and its socket in `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.path = place / "a.ntbt"
        self.recorder: Recorder = recorder(self.path)
        self.loop = Loop()
        for port in self.recorder.ports.values():
            port.attach(IrqMode.MSI, {})

    def connect(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(5)
        peer.connect(os.fspath(self.place / SOCKET))
        return peer

    def ask(self, port: int, what: int, offset: int = 0, value: int = 0) -> tuple[int, Status]:
        with self.connect() as peer:
            peer.sendall(REQUEST.pack(port, what, offset, value))
            serve(self.loop)
            seq, status = ANSWER.unpack(peer.recv(64))
            assert peer.recv(1) == b""
            return seq, Status(status)

    def events(self) -> list[Event]:
        self.recorder.close()
        return events(self.path)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    with controlled(made.loop, made.recorder, tmp_path):
        yield made
    made.recorder.close()
    made.loop.close()


def test_a_cable_goes_and_comes_and_is_in_the_trace(run: Run) -> None:
    first, status = run.ask(2, Inject.CABLE, value=0)
    assert status == Status.OK
    assert not run.recorder.ports[2].endpoint.linked  # type: ignore[union-attr]
    second, _ = run.ask(2, Inject.CABLE, value=1)
    assert run.recorder.ports[2].endpoint.linked  # type: ignore[union-attr]
    done = [(e.seq, port_of(e.endpoint), e.bar, e.value) for e in run.events() if e.kind == Kind.INJECT]
    assert done == [(first, 2, Inject.CABLE, 0), (second, 2, Inject.CABLE, 1)]


def test_what_is_about_the_whole_switch_and_how_it_went(run: Run) -> None:
    assert run.ask(WHOLE_SWITCH, Inject.TEMPERATURE, value=171)[1] == Status.OK
    assert run.recorder.switch.felt == 171
    assert run.ask(WHOLE_SWITCH, Inject.POKE, TMPCTL, POWER_DOWN)[1] == Status.OK
    assert run.ask(WHOLE_SWITCH, Inject.TEMPERATURE, value=60)[1] == Status.DISABLED
    assert run.ask(WHOLE_SWITCH, Inject.POKE, 0x3E00C)[1] == Status.UNKNOWN


@pytest.mark.parametrize(("port", "what"), [(4, Inject.CABLE), (31, Inject.HOT_RESET), (0, 0), (0, 99)])
def test_what_there_is_not_is_no_event(run: Run, port: int, what: int) -> None:
    assert run.ask(port, what) == (0, Status.UNKNOWN)
    assert not [event for event in run.events() if event.kind == Kind.INJECT]


@pytest.mark.parametrize("data", [b"", b"x", bytes(REQUEST.size - 1), bytes(REQUEST.size + 1), pack("<Q", 1) * 50])
def test_who_talks_nonsense_is_left(run: Run, data: bytes) -> None:
    with run.connect() as peer, run.connect() as silent:
        peer.sendall(data)
        if not data:
            peer.shutdown(socket.SHUT_WR)
        serve(run.loop)
        with pytest.raises(ConnectionResetError) if len(data) > REQUEST.size + 1 else open(os.devnull):
            assert peer.recv(1) == b""
        assert run.ask(2, Inject.FAILOVER)[1] == Status.OK
        silent.close()
        serve(run.loop)


def test_a_model_that_raises_harms_the_asker_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*numbers: int) -> None:
        raise RuntimeError("mine")

    with monkeypatch.context() as patch, run.connect() as peer:
        patch.setattr(run.recorder.switch, "inject", broken)
        peer.sendall(REQUEST.pack(2, Inject.CABLE, 0, 0))
        serve(run.loop)
        assert peer.recv(1) == b""


def test_the_socket_is_the_owners_and_goes(tmp_path: Path) -> None:
    made = Run(tmp_path)
    with controlled(made.loop, made.recorder, tmp_path):
        assert (tmp_path / SOCKET).stat().st_mode & 0o777 == 0o600
        waiting = made.connect()
        serve(made.loop)
    assert waiting.recv(1) == b""
    waiting.close()
    assert not (tmp_path / SOCKET).exists()
    made.recorder.close()
    made.loop.close()
