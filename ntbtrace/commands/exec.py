# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace exec SOCKET [SOCKET ...] -- qemu-system-x86_64 ...`: become that QEMU, with the switch plugged in."""

import argparse
import os
import shutil
import socket
from pathlib import Path

from ntbtrace.capture.qemu_args import has_interrupts, prepare
from ntbtrace.capture.serve import qtest_path
from ntbtrace.capture.transport.mpqemu import knock
from ntbtrace.errors import SetupError

NAME = "exec"
HELP = "run your own QEMU command line with the switch plugged in"
EXAMPLE = "ntbtrace exec /tmp/ntb0.sock -- qemu-system-x86_64 -M q35 -m 1G -nographic disk.qcow2"
ANSWER_S = 10.0  # that the switch, busy with other guests, may take to answer


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("socket", type=Path, metavar="SOCKET", help="a port of a running `ntbtrace serve`")
    add("--qtest", type=Path, metavar="PATH",
        help="as in `serve --port ...,irq=qtest:PATH` (default: the first SOCKET.qtest that is there)")  # fmt: skip
    add("more", nargs=argparse.REMAINDER, metavar="[SOCKET ...] -- QEMU ...",
        help="more devices for the same VM; your command line: what the devices need is added, what cannot work "
        "is refused")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    more, words = _split(args.more)
    paths = [path.absolute() for path in (args.socket, *more)]
    qtest = _qtest(args.qtest, paths)
    prepare(words, [0], qtest=qtest)  # what is wrong is said before a guest is plugged in
    if shutil.which(words[0]) is None:
        raise SetupError(f"there is no {words[0]} here: `apt-get install qemu-system-x86`, or name yours behind --")
    if qtest is None and all(path.is_socket() for path in paths) and not has_interrupts(words):
        raise SetupError(
            "no interrupt would reach this guest: name the qtest socket of `serve --port ...,irq=qtest:PATH` with "
            "--qtest PATH, or for `irq=intx` run it with -accel kvm"
        )
    peers = [_connect(path) for path in paths]
    argv = prepare(words, [peer.fileno() for peer in peers], qtest=qtest)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        raise SetupError(f"cannot run {argv[0]}: {error.strerror}") from error


def _split(words: list[str]) -> tuple[list[Path], list[str]]:
    """What stands before "--" and behind it; without one, all is the command line. Raises SetupError."""
    if words and words[0].startswith("-") and words[0] != "--":
        raise SetupError(f"{words[0]} must stand before the SOCKET (see `ntbtrace {NAME} --help`)")
    if "--" not in words:
        return [], words
    at = words.index("--")
    return [Path(word) for word in words[:at]], words[at + 1 :]


def _connect(path: Path) -> socket.socket:
    """A connection that the QEMU inherits, and that the switch has taken."""
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(ANSWER_S)
    try:
        peer.connect(os.fspath(path))
    except OSError as error:
        raise SetupError(
            f"no switch listens at {path} ({error.strerror or error}): start `ntbtrace serve --port ...` first"
        ) from error
    if not knock(peer):
        raise SetupError(f"the switch does not take this guest at {path}: is another one attached there? End it first")
    peer.setblocking(True)
    peer.set_inheritable(True)
    return peer


def _qtest(named: Path | None, paths: list[Path]) -> str | None:
    if named is not None:
        return os.fspath(named.absolute())
    return next((os.fspath(beside) for path in paths if (beside := qtest_path(path)).is_socket()), None)
