# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's `x-pci-proxy-dev` protocol ("mpqemu", QEMU 6.0 to 10): one connection is one guest's device (FACTS 1.1).

A message is a header of 16 bytes and its payload; file descriptors ride on the header. Configuration and BAR accesses
and resets wait for one reply. Anything else than that ends the connection, with a fault in the trace.
"""

import contextlib
import os
import socket
from array import array
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import Protocol

from ntbtrace.capture.engine_port import EnginePort
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.memory import MappedMemory, Region
from ntbtrace.capture.port import Port
from ntbtrace.capture.transport.intx import check_eventfds
from ntbtrace.errors import ProtocolError
from ntbtrace.event import NO_BAR, IrqMode


class Command(IntEnum):
    SYNC_SYSMEM = 0
    RET = 1
    PCI_CFGWRITE = 2
    PCI_CFGREAD = 3
    BAR_WRITE = 4
    BAR_READ = 5
    SET_IRQFD = 6
    DEVICE_RESET = 7


HEADER = Struct("=i4xQ")  # command, payload size
CONFIG = Struct("=i4xQIIi")  # header; offset, value, length
ACCESS = Struct("=i4xQQQI?3x")  # header; absolute address, value, size, memory space
REPLY = Struct("=i4xQQ")  # header; value
MAX_REGIONS = 8
SYSMEM = Struct(f"={3 * MAX_REGIONS}Q")  # guest addresses, sizes, offsets
PAYLOADS = {  # what a guest may send, and its payload's size
    Command.SYNC_SYSMEM: SYSMEM.size,
    Command.PCI_CFGWRITE: CONFIG.size - HEADER.size,
    Command.PCI_CFGREAD: CONFIG.size - HEADER.size,
    Command.BAR_WRITE: ACCESS.size - HEADER.size,
    Command.BAR_READ: ACCESS.size - HEADER.size,
    Command.SET_IRQFD: 0,
    Command.DEVICE_RESET: 0,
}
MAX_FDS = 16  # room for some more than the protocol has, so that extra ones are seen and closed

_CLOEXEC = int(socket.MSG_CMSG_CLOEXEC)
_ANCILLARY = socket.CMSG_SPACE(4 * MAX_FDS)
_BAR_WRITE = int(Command.BAR_WRITE)
_ACCESSES = frozenset((_BAR_WRITE, int(Command.BAR_READ)))
_ACCESS_SIZE, _ACCESS_PAYLOAD = ACCESS.size, ACCESS.size - HEADER.size
_unpack_access = ACCESS.unpack_from
_pack_value = Struct("=Q").pack_into
_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_VALUE_AT = HEADER.size
_BARS = range(0x10, 0x28)


def knock(peer: socket.socket) -> bool:
    """Read the device's id over a blocking `peer`, as QEMU does first; False if nobody answers: the switch has ended
    the connection, or `peer`'s time-out is over.
    """
    try:
        peer.sendall(CONFIG.pack(Command.PCI_CFGREAD, PAYLOADS[Command.PCI_CFGREAD], 0, 0, 4))
        return len(peer.recv(REPLY.size, socket.MSG_WAITALL)) == REPLY.size
    except OSError:
        return False


class IrqSink(Protocol):
    def deliver(self, value: int) -> None: ...
    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None: ...
    def close(self) -> None: ...


class Connection:
    """Serves the guest behind `peer` at `port`; attaches it now and detaches it when the connection ends."""

    def __init__(self, loop: Loop, port: Port, peer: socket.socket, mode: IrqMode, sink: IrqSink) -> None:
        self._loop = loop
        self._port = port
        self._peer = peer
        self._sink = sink
        self._buffer = bytearray(HEADER.size + SYSMEM.size)
        self._view = memoryview(self._buffer)
        self._have = 0
        self._whole_access = [self._view[:_ACCESS_SIZE]]
        self._receive, self._send = peer.recvmsg_into, peer.send
        self._fds: list[int] = []
        self._memory: MappedMemory | None = None
        self._start, self._size, self._bar = 0, 0, NO_BAR  # the BAR that was hit last
        self._reply = bytearray(REPLY.size)
        REPLY.pack_into(self._reply, 0, Command.RET, REPLY.size - HEADER.size, 0)
        self._read, self._write = port.bar_read, port.bar_write
        self._told: Callable[[int, bool], None] | None = None
        self.open = True
        peer.setblocking(False)
        loop.add(peer.fileno(), self.serve, self._failed)
        port.attach(mode, {"transport": "mpqemu"}, sink.deliver)
        if isinstance(port, EnginePort):
            loop.add_worker(port.work, self._failed)

    def watch(self, told: Callable[[int, bool], None]) -> None:
        """From now on, call `told` with the seq of each access, and whether it is of a BAR, before it is answered."""
        port, read, write = self._port, self._read, self._write

        def watched_read(bar: int, offset: int, size: int) -> int:
            value = read(bar, offset, size)
            told(port.seq, True)
            return value

        def watched_write(bar: int, offset: int, size: int, value: int) -> None:
            write(bar, offset, size, value)
            told(port.seq, True)

        self._read, self._write = watched_read, watched_write
        self._told = told

    def serve(self) -> None:
        """Take what has come in, at most one access, and answer it."""
        have = self._have
        try:
            buffers = [self._view[have : self._wanted()]] if have else self._whole_access
            count, ancillary, flags, _ = self._receive(buffers, _ANCILLARY, _CLOEXEC)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"the connection broke: {error.strerror}")
            return
        if ancillary:
            self._take_fds(ancillary)
        if count == 0:
            self.close("the peer closed the connection")
            return
        if count == _ACCESS_SIZE and not have and not self._fds:  # the hot path: one access, answered here
            command, payload, address, value, size, _ = _unpack_access(self._buffer)
            if payload == _ACCESS_PAYLOAD and command in _ACCESSES and size in _MASKS:
                offset = address - self._start
                if not 0 <= offset < self._size:
                    offset = self._find_bar(address)
                if command == _BAR_WRITE:
                    self._write(self._bar, offset, size, value & _MASKS[size])
                    answer = 0
                else:
                    answer = self._read(self._bar, offset, size)
                _pack_value(self._reply, _VALUE_AT, answer)
                try:
                    self._send(self._reply)
                except OSError as error:
                    self._refused(error)
                return
        self._have = have + count
        try:
            if flags & socket.MSG_CTRUNC or len(self._fds) > MAX_FDS:
                raise ProtocolError(f"more than {MAX_FDS} file descriptors came with one message")
            self._messages()
        except ProtocolError as error:
            self._port.fault(f"{error}; connection ended")
            self.close("protocol error")

    def _wanted(self) -> int:
        """Where the present message ends: never read far into the next, whose fds must not mix with this one's."""
        if self._have < HEADER.size:
            return _ACCESS_SIZE
        return max(_ACCESS_SIZE, HEADER.size + int(HEADER.unpack_from(self._buffer)[1]))

    def _access(self, command: int, address: int, value: int, size: int) -> None:
        offset = address - self._start
        if not 0 <= offset < self._size:
            offset = self._find_bar(address)
        if command == _BAR_WRITE:
            self._write(self._bar, offset, size, value & _MASKS[size])
            self._answer(0)
        else:
            self._answer(self._read(self._bar, offset, size))

    def _find_bar(self, address: int) -> int:
        """Select the BAR at an absolute address; returns the offset in it, or the address where there is none."""
        endpoint = self._port.endpoint
        for bar in range(6):
            start, size = endpoint.bar_address(bar), endpoint.bar_size(bar)
            if start is not None and start <= address < start + size:
                self._start, self._size, self._bar = start, size, bar
                return address - start
        self._forget_bar()
        return address

    def _forget_bar(self) -> None:
        self._start, self._size, self._bar = 0, 0, NO_BAR

    def _answer(self, value: int) -> None:
        _pack_value(self._reply, _VALUE_AT, value)
        try:
            self._send(self._reply)
        except OSError as error:
            self._refused(error)

    def _refused(self, error: OSError) -> None:
        self.close(f"the peer does not take its reply: {error.strerror}")

    def _messages(self) -> None:
        while self.open and self._have >= HEADER.size:
            number, payload = HEADER.unpack_from(self._buffer)
            if number not in PAYLOADS:
                raise ProtocolError(f"command {number} (payload {payload} bytes) is not one a guest can send")
            command = Command(number)
            if payload != PAYLOADS[command]:
                raise ProtocolError(f"{command.name} must have {PAYLOADS[command]} bytes of payload, not {payload}")
            end = HEADER.size + payload
            if self._have < end:
                return
            fds, self._fds = self._fds, []
            try:
                self._message(command, fds)
            finally:
                _close_all(fds)
            self._have -= end
            self._buffer[: self._have] = self._buffer[end : end + self._have]

    def _message(self, command: Command, fds: list[int]) -> None:
        """Carry out a whole message; takes the fds that it keeps out of `fds`."""
        if command == Command.SYNC_SYSMEM:
            self._map(fds)
        elif command == Command.SET_IRQFD:
            if len(fds) != 2:
                raise ProtocolError(f"SET_IRQFD must come with 2 eventfds, not {len(fds)}")
            first, second = fds
            check_eventfds(first, second)
            fds.clear()
            self._sink.set_eventfds(first, second)
        elif fds:
            raise ProtocolError(f"{command.name} must come without file descriptors, not with {len(fds)}")
        elif command == Command.DEVICE_RESET:
            self._port.reset()
            self._forget_bar()
            self._answer(0)
        elif command in (Command.BAR_READ, Command.BAR_WRITE):
            _, _, address, value, size, _ = ACCESS.unpack_from(self._buffer)
            if size not in _MASKS:
                raise ProtocolError(f"{command.name} must be of 1, 2, 4 or 8 bytes, not {size}")
            self._access(command, address, value, size)
        else:
            _, _, offset, value, length = CONFIG.unpack_from(self._buffer)
            if length not in (1, 2, 4):
                raise ProtocolError(f"{command.name} must be of 1, 2 or 4 bytes, not {length}")
            if command == Command.PCI_CFGREAD:
                read = self._port.cfg_read(offset, length)
                self._tell()
                self._answer(read)
            else:
                self._port.cfg_write(offset, length, value & _MASKS[length])
                self._tell()
                if offset in _BARS:
                    self._forget_bar()
                self._answer(0)

    def _tell(self) -> None:
        if self._told is not None:
            self._told(self._port.seq, False)

    def _map(self, fds: list[int]) -> None:
        numbers = SYSMEM.unpack_from(self._buffer, HEADER.size)
        addresses, sizes, offsets = (numbers[i : i + MAX_REGIONS] for i in range(0, len(numbers), MAX_REGIONS))
        used = [i for i in range(MAX_REGIONS) if sizes[i]]
        if used != list(range(len(fds))):
            raise ProtocolError(f"SYNC_SYSMEM must come with one fd a region: {len(used)} regions, {len(fds)} fds")
        regions = [Region(addresses[i], sizes[i], offsets[i], fd) for i, fd in enumerate(fds)]
        fds.clear()
        memory = MappedMemory(regions)
        if self._port.function:
            memory.close()
            return
        old, self._memory = self._memory, memory
        self._port.set_ram(memory, [(region.address, region.size) for region in regions])
        if old is not None:
            old.close()

    def _take_fds(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array("i")
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                self._fds.extend(fds)

    def _failed(self, error: Exception) -> None:
        self._port.fault(f"internal error while serving: {error!r}; connection ended")
        self.close("internal error")

    def close(self, reason: str) -> None:
        """End the connection and detach the guest. Closing twice is no error."""
        if not self.open:
            return
        self.open = False
        self._loop.remove(self._peer.fileno())
        if isinstance(self._port, EnginePort):
            self._loop.remove_worker(self._port.work)
        self._peer.close()
        _close_all(self._fds)
        self._port.detach(reason)
        self._sink.close()
        if self._memory is not None:
            self._memory.close()


def _close_all(fds: list[int]) -> None:
    while fds:
        with contextlib.suppress(OSError):
            os.close(fds.pop())
