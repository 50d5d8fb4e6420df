# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's side of the wire, for tests, and a bench: a recorder, a loop and connections at ports 0 and 2."""

import fcntl
import gc
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from struct import pack, unpack

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.memory import RELEASE
from ntbtrace.capture.transport.intx import IntxSink
from ntbtrace.capture.transport.mpqemu import Command, Connection
from ntbtrace.event import IrqMode
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from tests.support import PORTS, recorder, serve

COMMAND_REGISTER, MEMORY_AND_MASTER = 0x04, 6
BARS = {0: 0xFEB00000, 2: 0xFE000000, 3: 0xFE100000}


def message(command: int, payload: bytes = b"", size: int | None = None) -> bytes:
    return pack("=i4xQ", command, len(payload) if size is None else size) + payload


def config(command: Command, offset: int, value: int = 0, length: int = 4) -> bytes:
    return message(command, pack("=IIi", offset, value, length))


def access(command: Command, address: int, value: int = 0, size: int = 4) -> bytes:
    return message(command, pack("=QQI?3x", address, value, size, True))


def sysmem(regions: list[tuple[int, int, int]]) -> bytes:
    """(guest address, size, offset) of up to 8 regions."""
    columns = [[region[i] for region in regions] + [0] * (8 - len(regions)) for i in range(3)]
    return message(Command.SYNC_SYSMEM, pack("=24Q", *columns[0], *columns[1], *columns[2]))


def memfd(size: int, *, sealed: bool = True) -> int:
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if sealed:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return fd


class Peer:
    """One guest's QEMU. `serve` lets the loop do what there is to do."""

    def __init__(self, end: socket.socket, serve: Callable[[], None]) -> None:
        self.socket = end
        self._serve = serve
        end.settimeout(0.5)

    def send(self, data: bytes, fds: list[int] | None = None) -> None:
        socket.send_fds(self.socket, [data], fds or [])
        self._serve()

    def ask(self, data: bytes) -> int:
        """Send, and take the reply's value."""
        self.send(data)
        reply = self.socket.recv(4096)
        command, size, value = unpack("=i4xQQ", reply)
        assert (command, size) == (Command.RET, 8)
        return int(value)

    def cfg_read(self, offset: int, length: int = 4) -> int:
        return self.ask(config(Command.PCI_CFGREAD, offset, 0, length))

    def cfg_write(self, offset: int, value: int, length: int = 4) -> None:
        assert self.ask(config(Command.PCI_CFGWRITE, offset, value, length)) == 0

    def read(self, address: int, size: int = 4) -> int:
        return self.ask(access(Command.BAR_READ, address, 0, size))

    def write(self, address: int, value: int, size: int = 4) -> None:
        assert self.ask(access(Command.BAR_WRITE, address, value, size)) == 0

    def boot(self) -> None:
        """What firmware does: place the BARs, enable the device."""
        for bar, address in BARS.items():
            self.cfg_write(0x10 + 4 * bar, address)
        self.cfg_write(COMMAND_REGISTER, MEMORY_AND_MASTER, 2)

    def gone(self) -> bool:
        """Whether the server has ended the connection."""
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


class Bench:
    """`peers[port]` are connected and attached in INTx mode."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder = recorder(path)
        self.loop = Loop()
        self._closed = False
        self.peers: dict[int, Peer] = {}
        self.connections: dict[int, Connection] = {}
        for port in PORTS:
            self.connect(port)

    def connect(self, port: int) -> Peer:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connections[port] = Connection(
            self.loop, self.recorder.port(port), ours, IrqMode.INTX, IntxSink(self.loop)
        )
        self.peers[port] = Peer(theirs, self.serve)
        return self.peers[port]

    def serve(self, turns: int = 300) -> None:
        """Enough turns for whatever one test message is cut into."""
        serve(self.loop, turns)

    def close(self) -> None:
        """End all and check that what was recorded replays identical. Closing twice is no error."""
        if self._closed:
            return
        self._closed = True
        for peer in self.peers.values():
            peer.socket.close()
        self.serve(5)
        for connection in self.connections.values():
            connection.close("end of test")
        self.recorder.close()
        self.loop.close()
        with open_trace(self.path) as trace:
            assert trace.closed
            assert Player(trace).run() is None


def open_fds() -> int:
    """Ours, without those of recorders that were closed and only wait to be collected, and of memory on its way out."""
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == RELEASE:
            thread.join()
    return len(os.listdir("/proc/self/fd"))
