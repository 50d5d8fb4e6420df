# SPDX-License-Identifier: GPL-2.0-or-later
"""Control: what a person does to a switch that is being recorded, over a socket in the run's directory (rundir.py).

A connection asks once: REQUEST, answered by ANSWER. Whoever sends anything else is left; the guests notice nothing.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

from ntbtrace.capture import rundir
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.serve import listening
from ntbtrace.errors import SetupError
from ntbtrace.event import Inject, Status

if TYPE_CHECKING:  # who only asks need not wait for it
    from ntbtrace.capture.recorder import Recorder

SOCKET = "control"
REQUEST = Struct("<BBQQ")  # port, Inject, its offset and value
ANSWER = Struct("<QB")  # seq of the event, Status; UNKNOWN for a port that the switch does not have, and no event
WHOLE_SWITCH = 0xFF  # as a port: it is about none of them
TIMEOUT_S = 10.0


@contextmanager
def controlled(loop: Loop, recorder: "Recorder", place: Path) -> Iterator[None]:
    """People can ask, at a socket in `place`, while the block runs. Raises SetupError."""
    with listening(place / SOCKET) as listener:
        clients: set[socket.socket] = set()

        def leave(client: socket.socket) -> None:
            clients.discard(client)
            loop.remove(client.fileno())
            client.close()

        def answer(client: socket.socket) -> None:
            with suppress(OSError):
                data = client.recv(REQUEST.size + 1)
                if len(data) == REQUEST.size:
                    client.send(_done(recorder, *REQUEST.unpack(data)))
            leave(client)

        def join() -> None:
            with suppress(OSError):
                client, _ = listener.accept()
                client.setblocking(False)
                clients.add(client)
                loop.add(client.fileno(), lambda: answer(client), lambda error: leave(client))

        loop.add(listener.fileno(), join)
        try:
            yield
        finally:
            loop.remove(listener.fileno())
            for client in list(clients):
                leave(client)


def _done(recorder: "Recorder", port: int, what: int, offset: int, value: int) -> bytes:
    if port == WHOLE_SWITCH:
        port = min(recorder.ports)
    if port not in recorder.ports or what not in list(Inject):
        return ANSWER.pack(0, Status.UNKNOWN)
    seq = recorder.next_seq
    recorder.inject(port, Inject(what), value, offset)
    return ANSWER.pack(seq, recorder.switch.status)


def ask(pid: str | None, what: Inject, port: int, offset: int, value: int) -> tuple[int, Status]:
    """The event's seq, and how it went. `pid`: the recorder's, None for the newest. Raises SetupError."""
    peer = rundir.join(SOCKET, pid)
    if peer is None:
        raise SetupError(
            "no recording of virtual machines is running here: start one with `ntbtrace record --guests qemu`, or serve"
        )
    with peer:
        peer.settimeout(TIMEOUT_S)
        try:
            peer.sendall(REQUEST.pack(port, what, offset, value))
            seq, status = ANSWER.unpack(peer.recv(ANSWER.size, socket.MSG_WAITALL).ljust(ANSWER.size, b"\xff"))
            return seq, Status(status)
        except (OSError, ValueError) as error:
            raise SetupError(f"the recorder does not answer: {error}") from error
