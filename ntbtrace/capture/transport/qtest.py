# SPDX-License-Identifier: GPL-2.0-or-later
"""An MSI under TCG, written into the guest's APIC window through QEMU's qtest socket (FACTS 1.2).

A QEMU has one such socket (Qtest) for all of its devices, each of which has a sink of its own (QtestSink).
"""

import contextlib
import os
import socket
from typing import Protocol

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port

MAX_WAITING = 1 << 16  # bytes: some two thousand interrupts that QEMU has not read
CHUNK = 65536


class Line(Protocol):
    """A way to a QEMU's qtest."""

    def writel(self, address: int, data: int) -> None: ...


class Qtest:
    """`writel` is sent without waiting; the answers are drained. Owns `peer`."""

    def __init__(self, loop: Loop, peer: socket.socket) -> None:
        self._loop = loop
        self._peer: socket.socket | None = peer
        self._waiting = b""
        self.lost = 0
        peer.setblocking(False)
        loop.add(peer.fileno(), self._drain, lambda error: self.close())

    def writel(self, address: int, data: int) -> None:
        if self._peer is None or len(self._waiting) > MAX_WAITING:
            self.lost += 1
            return
        self._waiting += b"writel %#x %#x\n" % (address, data)
        self._flush()

    def _flush(self) -> None:
        if self._waiting and self._peer is not None:
            with contextlib.suppress(OSError):  # full: with the next interrupt or answer; gone: _drain notices
                self._waiting = self._waiting[self._peer.send(self._waiting) :]

    def _drain(self) -> None:
        if self._peer is None:
            return
        try:
            data = self._peer.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._flush()
        else:
            self.close()

    def close(self) -> None:
        if self._peer is not None:
            self._loop.remove(self._peer.fileno())
            self._peer.close()
            self._peer = None


class QtestSink:
    """One device's interrupts: `deliver(vector)` is a write of its MSI message."""

    def __init__(self, port: Port, line: Line) -> None:
        self._port = port
        self._line = line

    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None:
        """QEMU sends its eventfds in any case; under TCG they lead nowhere."""
        os.close(assert_fd)
        os.close(resample_fd)

    def deliver(self, vector: int) -> None:
        address, data = self._port.endpoint.msi_message()
        self._line.writel(address, data + vector)

    def close(self) -> None:
        """Nothing: the line is the VM's, and other devices use it."""
