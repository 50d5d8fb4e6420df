# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace exec SOCKET -- qemu-system-x86_64 ...`: become that QEMU, with the switch plugged in."""

import argparse
import os
import shutil
import socket
from pathlib import Path

from ntbtrace.capture.qemu_args import prepare
from ntbtrace.capture.serve import qtest_path
from ntbtrace.errors import SetupError

NAME = "exec"
HELP = "run your own QEMU command line with the switch plugged in"
EXAMPLE = "ntbtrace exec /tmp/ntb0.sock -- qemu-system-x86_64 -M q35 -m 1G -nographic disk.qcow2"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("socket", type=Path, metavar="SOCKET", help="a port of a running `ntbtrace serve`")
    add("--qtest", type=Path, metavar="PATH",
        help="as in `serve --port ...,irq=qtest:PATH` (default: SOCKET.qtest if it is there)")  # fmt: skip
    add("qemu", nargs=argparse.REMAINDER, metavar="-- QEMU ...",
        help="your command line; what the device needs is added, what cannot work is refused")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    words = args.qemu[1:] if args.qemu[:1] == ["--"] else args.qemu
    device = args.socket.absolute()
    qtest = _qtest(args.qtest, device)
    prepare(words, 0, qtest=qtest)  # what is wrong is said before a guest is plugged in
    if shutil.which(words[0]) is None:
        raise SetupError(f"there is no {words[0]} here: `apt-get install qemu-system-x86`, or name yours behind --")
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(os.fspath(device))
    except OSError as error:
        raise SetupError(
            f"no switch listens at {device} ({error.strerror or error}): start `ntbtrace serve --port ...` first"
        ) from error
    peer.set_inheritable(True)
    argv = prepare(words, peer.fileno(), qtest=qtest)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise SetupError(f"cannot run {argv[0]}: {error.strerror}") from error


def _qtest(named: Path | None, device: Path) -> str | None:
    if named is not None:
        return os.fspath(named.absolute())
    beside = qtest_path(device)
    return os.fspath(beside) if beside.is_socket() else None
