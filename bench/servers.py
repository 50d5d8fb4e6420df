# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python servers of roundtrip.py: `servers.py bare|model|ntbtrace FD DIRECTORY` serves the stream socket FD."""

import os
import select
import socket
import sys
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint
    from ntbtrace.capture.port import Port

RET = 1
MAX_FDS = 16
BAR0 = 0xFE80_0000  # where the client's accesses go


def bare(peer: socket.socket, directory: Path) -> None:
    """The least a Python server of this protocol does: epoll, recvmsg_into with room for fds, a reply."""
    request = Struct("<i4xQQQIB3x")
    reply = bytearray(Struct("<i4xQQ").pack(RET, 8, 0))
    buffer = bytearray(request.size)
    ancillary = socket.CMSG_SPACE(4 * MAX_FDS)
    epoll = select.epoll()
    epoll.register(peer.fileno(), select.EPOLLIN)
    while True:
        for _ in epoll.poll():
            size, _fds, _flags, _address = peer.recvmsg_into([buffer], ancillary)
            if not size:
                return
            request.unpack_from(buffer)
            peer.send(reply)


class CountingSink:
    """Takes a guest's interrupts and does nothing about them."""

    count = 0

    def deliver(self, value: int) -> None:
        self.count += 1

    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None:
        os.close(assert_fd)
        os.close(resample_fd)

    def close(self) -> None:
        pass


class Unrecorded:
    """Stands for capture.port.Port: the model alone."""

    def __init__(self, endpoint: "Endpoint") -> None:
        self.endpoint = endpoint
        self.bar_read, self.bar_write = endpoint.bar_read, endpoint.bar_write

    def attach(self, mode: int, about: object, sink: object) -> None:
        self.endpoint.attach(mode)

    def detach(self, reason: str) -> None:
        self.endpoint.detach()


class CountingHost:
    """The switch's Host: takes all interrupts; there is no guest memory."""

    count = 0

    def irq(self, port: int, value: int, function: int = 0) -> None:
        self.count += 1


def set_up(doors: "dict[int, Endpoint | Port]") -> None:
    """As a driver does: BAR0, memory and bus mastering on; port 2 takes its interrupts."""
    import device
    from ntbtrace.capture.guests.names import RegisterNames

    names = RegisterNames(device.register_table(device.DEFAULT))
    for number, door in doors.items():
        door.cfg_write(names.offset("BAR0"), 4, BAR0)
        door.cfg_write(names.offset("PCICMDSTS"), 2, names.mask("PCICMDSTS.MAE") | names.mask("PCICMDSTS.BME"))
        if number == 2:
            door.cfg_write(names.offset("MSICAP"), 4, names.mask("MSICAP.EN"))
            door.bar_write(0, names.offset("NTINTMSK"), 4, 0)


def model(peer: socket.socket, directory: Path) -> None:
    """As `ntbtrace`, but nothing is recorded."""
    import device
    from device.host import IrqMode
    from ntbtrace.capture.loop import Loop
    from ntbtrace.capture.transport.mpqemu import Connection

    host = CountingHost()
    switch = device.create(device.DEFAULT, host)
    loop = Loop()
    switch.endpoints[2].attach(IrqMode.MSI)
    connection = Connection(loop, Unrecorded(switch.endpoints[0]), peer, IrqMode.MSI, CountingSink())
    set_up(switch.endpoints)
    loop.run(lambda: not connection.open)
    if not host.count:
        sys.exit("bench: no bell rang: the accesses do not reach the model")


def ntbtrace(peer: socket.socket, directory: Path) -> None:
    """What `ntbtrace serve` runs, with the peer as the guest at port 0, and a guest at port 2 that takes bells."""
    import device
    from device.host import IrqMode
    from ntbtrace.capture.loop import Loop
    from ntbtrace.capture.recorder import Recorder
    from ntbtrace.capture.transport.mpqemu import Connection

    path = directory / "roundtrip.ntbt"
    transports = {str(number): "mpqemu" for number in device.DEFAULT.port_numbers}
    recorder = Recorder(path, device.DEFAULT, command="bench", transports=transports, overwrite=True)
    loop, sink = Loop(), CountingSink()
    recorder.port(2).attach(IrqMode.MSI, {}, sink.deliver)
    connection = Connection(loop, recorder.port(0), peer, IrqMode.MSI, CountingSink())
    set_up(recorder.ports)
    loop.run(lambda: not connection.open, recorder.writer.tick)
    recorder.close()
    if not sink.count:
        sys.exit("bench: no bell rang: the accesses do not reach the model")


SERVERS = {"bare": bare, "model": model, "ntbtrace": ntbtrace}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](socket.socket(fileno=int(sys.argv[2])), Path(sys.argv[3]))
