# SPDX-License-Identifier: GPL-2.0-or-later
"""QtestSink: an MSI under TCG, written into the guest's APIC window through QEMU's qtest socket (FACTS 1.2)."""

import contextlib
import os
import socket

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port

MAX_WAITING = 1 << 16  # bytes: some two thousand interrupts that QEMU has not read
CHUNK = 65536


class QtestSink:
    """`deliver(vector)` sends one `writel`; the answers are drained and not waited for. Owns `peer`."""

    def __init__(self, loop: Loop, port: Port, peer: socket.socket) -> None:
        self._loop = loop
        self._port = port
        self._peer: socket.socket | None = peer
        self._waiting = b""
        self.lost = 0
        peer.setblocking(False)
        loop.add(peer.fileno(), self._drain, lambda error: self.close())

    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None:
        """QEMU sends its eventfds in any case; under TCG they lead nowhere."""
        os.close(assert_fd)
        os.close(resample_fd)

    def deliver(self, vector: int) -> None:
        address, data = self._port.endpoint.msi_message()
        if self._peer is None or len(self._waiting) > MAX_WAITING:
            self.lost += 1
            return
        self._waiting += b"writel %#x %#x\n" % (address, data + vector)
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
