# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace console PORT`: join the serial console of a guest that is being recorded."""

import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import termios
import tty
from types import FrameType
from typing import NoReturn

from ntbtrace.capture import rundir
from ntbtrace.capture.console import CHUNK, socket_name
from ntbtrace.errors import SetupError

NAME = "console"
HELP = "join the serial console of a guest that is being recorded"
EXAMPLE = "ntbtrace console 0"
LEAVE = b"\x1d"  # Ctrl-]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("port", type=int, help="the guest's NT port")
    parser.add_argument(
        "--run", dest="recorder", metavar="PID", help="the recorder's process id (default: the newest one)"
    )


def connect(port: int, pid: str | None) -> socket.socket:
    """The console's socket. Raises SetupError when no recorder has such a console."""
    if (peer := rundir.join(socket_name(port), pid)) is not None:
        return peer
    runs = [path for path in rundir.runs() if pid is None or path.name == pid]
    if not runs and pid is not None:
        raise SetupError(f"no recorder with process id {pid} is running here")
    if not runs:
        raise SetupError(
            "no recording is running here: start one with `ntbtrace record --guests qemu --workload shell`"
        )
    raise SetupError(f"no guest at port {port} has a console in run {', '.join(path.name for path in runs)}")


def run(args: argparse.Namespace) -> int:
    peer = connect(args.port, args.recorder)
    signal.signal(signal.SIGTERM, _terminated)  # not without the terminal as it was
    terminal = sys.stdin.isatty()
    if terminal:
        before = termios.tcgetattr(sys.stdin)
        print(f"console of port {args.port}; leave with Ctrl-]", file=sys.stderr)
        tty.setraw(sys.stdin)
    try:
        ended = _shuttle(peer)
    finally:
        if terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    if ended and terminal:
        print(f"\nthe guest at port {args.port} has ended", file=sys.stderr)
    return 0


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _shuttle(peer: socket.socket) -> bool:
    """Carry bytes both ways until the guest ends (True), or the person leaves."""
    stdin, stdout = sys.stdin.fileno(), sys.stdout.fileno()
    inputs: list[int] = [peer.fileno(), stdin]
    while True:
        ready, _, _ = select.select(inputs, [], [])
        if peer.fileno() in ready:
            try:
                data = peer.recv(CHUNK)
            except ConnectionError:  # it ended before it took all that was typed
                return True
            if not data:
                return True
            os.write(stdout, data)
        if stdin in ready:
            typed, leave, _ = os.read(stdin, CHUNK).partition(LEAVE)
            with contextlib.suppress(ConnectionError):  # then the end is what comes next
                peer.sendall(typed)
            if leave:
                return False
            if not typed:
                inputs.remove(stdin)
