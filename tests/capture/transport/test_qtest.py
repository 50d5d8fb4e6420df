# SPDX-License-Identifier: GPL-2.0-or-later
"""MSI by qtest: one line an interrupt, answers drained, never an error when QEMU does not listen."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.transport.qtest import MAX_WAITING, Qtest, QtestSink
from ntbtrace.event import IrqMode
from tests.support import recorder, serve


class Wire:
    """A sink at port 0, whose guest has programmed its MSI message, and QEMU's end of it."""

    def __init__(self, path: Path) -> None:
        self.recorder = recorder(path)
        self.port = self.recorder.port(0)
        self.port.attach(IrqMode.MSI, {})
        self.port.cfg_write(0xD4, 4, 0xFEE00000)
        self.port.cfg_write(0xDC, 2, 0x4021)
        self.loop = Loop()
        ours, self.qemu = socket.socketpair()
        self.qemu.setblocking(False)
        self.line = Qtest(self.loop, ours)
        self.sink = QtestSink(self.port, self.line)

    def serve(self) -> None:
        serve(self.loop)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = Wire(tmp_path / "a.ntbt")
    yield made
    made.line.close()
    made.qemu.close()
    made.recorder.close()


def test_an_interrupt_is_one_line(wire: Wire) -> None:
    wire.sink.deliver(0)
    assert wire.qemu.recv(100) == b"writel 0xfee00000 0x4021\n"
    wire.qemu.send(b"OK\n")
    wire.serve()
    wire.sink.deliver(1)
    assert wire.qemu.recv(100) == b"writel 0xfee00000 0x4022\n"


def test_what_qemu_does_not_take_waits_then_is_counted(wire: Wire) -> None:
    while not wire.line.lost:
        wire.sink.deliver(0)
    taken = b""
    for _ in range(10_000):
        try:
            taken += wire.qemu.recv(1 << 20)
        except BlockingIOError:
            break
        wire.qemu.send(b"OK\n")
        wire.serve()
    lines = taken.splitlines(keepends=True)
    assert set(lines) == {b"writel 0xfee00000 0x4021\n"}
    assert len(taken) > MAX_WAITING


def test_a_qemu_that_is_gone_is_no_error(wire: Wire) -> None:
    wire.qemu.close()
    wire.sink.deliver(0)
    wire.serve()
    wire.sink.deliver(0)
    assert wire.line.lost == 1
