# SPDX-License-Identifier: GPL-2.0-or-later
"""Console: a guest's serial line. Every line goes into the trace; people join it with `ntbtrace console PORT`."""

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from ntbtrace.capture.loop import Loop

MAX_LINE = 1024  # bytes after which a line without an end is recorded as it is
BACKLOG = 4096  # bytes that somebody who joins sees first
CHUNK = 65536


def socket_name(port: int) -> str:
    """The console's socket in the run's directory (rundir.py)."""
    return f"console-{port}"


class Console:
    """Reads the guest's end `guest`, hands complete lines to `on_line`, and mirrors all to who joins `path`."""

    def __init__(self, loop: Loop, guest: socket.socket, path: Path, on_line: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._guest = guest
        self._on_line = on_line
        self._line = bytearray()
        self._backlog = bytearray()
        self._clients: list[socket.socket] = []
        self._path = path
        guest.setblocking(False)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        self._listener.listen(4)
        self._listener.setblocking(False)
        loop.add(self._listener.fileno(), self._join)
        loop.add(guest.fileno(), self._from_guest)

    def send(self, text: bytes) -> None:
        """Type `text`; what the guest does not take (its buffer is full, it is gone) is lost, as on a real line."""
        with contextlib.suppress(OSError):
            self._guest.send(text)

    def _from_guest(self) -> None:
        try:
            data = self._guest.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove(self._guest.fileno())
            self._flush()
            for client in list(self._clients):
                self._leave(client)
            return
        self._backlog = (self._backlog + data)[-BACKLOG:]
        for client in list(self._clients):
            self._mirror(client, data)
        self._line += data
        *lines, rest = self._line.split(b"\n")
        self._line = bytearray(rest)
        for line in lines:
            self._on_line(bytes(line.rstrip(b"\r")))
        if len(self._line) > MAX_LINE:
            self._flush()

    def _flush(self) -> None:
        if self._line:
            self._on_line(bytes(self._line))
            self._line.clear()

    def _join(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        self._clients.append(client)
        self._loop.add(client.fileno(), lambda: self._from_client(client))
        self._mirror(client, bytes(self._backlog))

    def _mirror(self, client: socket.socket, data: bytes) -> None:
        try:
            client.send(data)
        except BlockingIOError:
            pass  # a terminal that does not keep up misses lines; the trace has them
        except OSError:
            self._leave(client)

    def _from_client(self, client: socket.socket) -> None:
        try:
            data = client.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.send(data)
        else:
            self._leave(client)

    def _leave(self, client: socket.socket) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._loop.remove(client.fileno())
            client.close()

    def close(self) -> None:
        self._flush()
        for client in list(self._clients):
            self._leave(client)
        self._loop.remove(self._listener.fileno())
        self._listener.close()
        self._path.unlink(missing_ok=True)
        self._loop.remove(self._guest.fileno())
        self._guest.close()
