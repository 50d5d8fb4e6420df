# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python servers of roundtrip.py: `servers.py bare|ntbtrace FD DIRECTORY` serves the stream socket FD."""

import select
import socket
import sys
from pathlib import Path
from struct import Struct

RET = 1
MAX_FDS = 8


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


SERVERS = {"bare": bare}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](socket.socket(fileno=int(sys.argv[2])), Path(sys.argv[3]))
