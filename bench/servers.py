# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python servers of roundtrip.py: `servers.py bare|ntbtrace FD DIRECTORY` serves the stream socket FD."""

import os
import select
import socket
import sys
from pathlib import Path
from struct import Struct

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


def ntbtrace(peer: socket.socket, directory: Path) -> None:
    """What `ntbtrace serve` runs, with the peer as the guest at port 0, and a guest at port 2 that takes bells."""
    import device
    from device.host import IrqMode
    from ntbtrace.capture.guests.names import RegisterNames
    from ntbtrace.capture.loop import Loop
    from ntbtrace.capture.recorder import Recorder
    from ntbtrace.capture.transport.mpqemu import Connection

    names = RegisterNames(device.register_table(device.DEFAULT))
    path = directory / "roundtrip.ntbt"
    transports = {str(number): "mpqemu" for number in device.DEFAULT.port_numbers}
    recorder = Recorder(path, device.DEFAULT, command="bench", transports=transports, overwrite=True)
    loop, sink = Loop(), CountingSink()
    recorder.port(2).attach(IrqMode.MSI, {}, sink.deliver)
    connection = Connection(loop, recorder.port(0), peer, IrqMode.MSI, CountingSink())
    for number, port in recorder.ports.items():
        port.cfg_write(names.offset("BAR0"), 4, BAR0)
        port.cfg_write(names.offset("PCICMDSTS"), 2, names.mask("PCICMDSTS.MAE") | names.mask("PCICMDSTS.BME"))
        if number == 2:
            port.cfg_write(names.offset("MSICAP"), 4, names.mask("MSICAP.EN"))
            port.bar_write(0, names.offset("NTINTMSK"), 4, 0)
    loop.run(lambda: not connection.open, recorder.writer.tick)
    recorder.close()
    if not sink.count:
        sys.exit("bench: no bell rang: the accesses do not reach the model")


SERVERS = {"bare": bare, "ntbtrace": ntbtrace}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](socket.socket(fileno=int(sys.argv[2])), Path(sys.argv[3]))
