# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace console PORT`: join the serial console of a guest that is being recorded."""

import argparse
import os
import select
import socket
import sys
import termios
import tty

from ntbtrace.capture import rundir
from ntbtrace.capture.console import CHUNK, socket_name
from ntbtrace.errors import SetupError

NAME = "console"
HELP = "join the serial console of a guest that is being recorded"
EXAMPLE = "ntbtrace console 0"
LEAVE = 0x1D  # Ctrl-]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("port", type=int, help="the guest's NT port")
    parser.add_argument(
        "--run", dest="recorder", metavar="PID", help="the recorder's process id (default: the newest one)"
    )


def connect(port: int, pid: str | None) -> socket.socket:
    """The console's socket. Raises SetupError when no recorder has such a console."""
    runs = [path for path in rundir.runs() if pid is None or path.name == pid]
    for path in runs:
        place = path / socket_name(port)
        if place.exists():
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                peer.connect(os.fspath(place))
            except OSError as error:
                raise SetupError(f"cannot join {place}: {error.strerror}") from error
            return peer
    if not runs:
        raise SetupError(
            "no recording is running here: start one with `ntbtrace record --guests qemu --workload shell`"
        )
    raise SetupError(f"no guest at port {port} has a console in run {', '.join(path.name for path in runs)}")


def run(args: argparse.Namespace) -> int:
    peer = connect(args.port, args.recorder)
    terminal = sys.stdin.isatty()
    if terminal:
        before = termios.tcgetattr(sys.stdin)
        print(f"console of port {args.port}; leave with Ctrl-]", file=sys.stderr)
        tty.setraw(sys.stdin)
    try:
        _shuttle(peer)
    finally:
        if terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    return 0


def _shuttle(peer: socket.socket) -> None:
    """Carry bytes both ways until either side ends."""
    inputs: list[int] = [peer.fileno(), sys.stdin.fileno()]
    while peer.fileno() in inputs:
        ready, _, _ = select.select(inputs, [], [])
        if peer.fileno() in ready:
            data = peer.recv(CHUNK)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if sys.stdin.fileno() in ready:
            typed = os.read(sys.stdin.fileno(), CHUNK)
            if LEAVE in typed:
                return
            if typed:
                peer.sendall(typed)
            else:
                inputs.remove(sys.stdin.fileno())
