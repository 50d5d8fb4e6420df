# SPDX-License-Identifier: GPL-2.0-or-later
"""Stream: the records that the plugin in one QEMU sends. The recording thread receives, the writer thread takes."""

import socket
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntbtrace.capture.loop import Loop

HELLO = b"NTBPC1\n\0"  # plugin.c: hello
FRAMES = 11
RECORD = np.dtype(
    [("physical", "<u8"), ("size", "u1"), ("store", "u1"), ("depth", "u1"), ("zero", "u1", 5),
     ("frames", "<u8", FRAMES)]
)  # fmt: skip
Records = NDArray[Any]  # of RECORD
CHUNK = 1 << 18


class Stream:
    """Receives from `near`, which is its own. `spoke`: the plugin has said that it is there."""

    def __init__(self, loop: Loop, near: socket.socket) -> None:
        self._loop = loop
        self._near: socket.socket | None = near
        self._chunks: deque[bytes] = deque()
        self._rest = b""
        self.spoke = False
        near.setblocking(False)
        loop.add(near.fileno(), self._receive)

    @property
    def open(self) -> bool:
        """More may come."""
        return self._near is not None

    def _receive(self) -> None:
        if self._near is None:
            return
        try:
            data = self._near.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._chunks.append(data)
        else:
            self._end()

    def _end(self) -> None:
        if self._near is not None:
            self._loop.remove(self._near.fileno())
            self._near.close()
            self._near = None

    def close(self) -> None:
        """Take what is still on its way, and no more. The QEMU has ended."""
        while self._near is not None:
            before = len(self._chunks)
            self._receive()
            if len(self._chunks) == before:
                self._end()

    def take(self) -> Records:
        """The whole records that have come since the last call; to be called by one thread."""
        parts = [self._rest]
        while self._chunks:
            parts.append(self._chunks.popleft())
        data = b"".join(parts)
        if not self.spoke:
            if len(data) < len(HELLO):
                self._rest = data
                return np.empty(0, RECORD)
            self.spoke = data.startswith(HELLO)
            data = data[len(HELLO) :]
        count = len(data) // RECORD.itemsize
        self._rest = data[count * RECORD.itemsize :]
        return np.frombuffer(data, RECORD, count)
