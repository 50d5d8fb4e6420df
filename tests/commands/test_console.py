# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace console`: joins the console of a running recorder, through the command line as a user has it."""

import os
import pty
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ntbtrace.capture.console import socket_name


def console(runtime: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ntbtrace", "console", *words]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    return subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def joined(runtime: Path, stdin: int, stdout: int) -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """`ntbtrace console 2` and the guest's end of it."""
    place = runtime / "ntbtrace" / str(os.getpid())
    place.mkdir(parents=True)
    place.parent.chmod(0o700)
    argv = [sys.executable, "-m", "ntbtrace", "console", "2"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(place / socket_name(2)))
        listener.listen()
        listener.settimeout(30)
        with subprocess.Popen(argv, env=environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE) as process:
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(30)
                yield process, peer
                process.kill()


def test_it_prints_what_the_guest_says_until_the_guest_ends(tmp_path: Path) -> None:
    with joined(tmp_path, subprocess.PIPE, subprocess.PIPE) as (process, peer):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"uname\n")
        process.stdin.flush()
        assert peer.recv(64) == b"uname\n"
        peer.sendall(b"Linux\n")
        peer.close()
        assert process.stdout.read() == b"Linux\n"
        assert process.wait(30) == 0


def test_what_was_typed_before_leaving_is_sent(tmp_path: Path) -> None:
    with joined(tmp_path, subprocess.PIPE, subprocess.PIPE) as (process, peer):
        assert process.stdin is not None
        process.stdin.write(b"poweroff\n\x1dnot this")
        process.stdin.close()
        assert peer.recv(64) == b"poweroff\n"
        assert peer.recv(64) == b""
        assert process.wait(30) == 0


def test_a_guest_that_ends_without_reading_is_no_error(tmp_path: Path) -> None:
    with joined(tmp_path, subprocess.PIPE, subprocess.PIPE) as (process, peer):
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"anybody there?\n")
        process.stdin.flush()
        assert peer.recv(64, socket.MSG_PEEK)
        peer.close()  # with something unread: a reset
        assert process.wait(30) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize("ends", ["SIGTERM", "Ctrl-]", "guest"])
def test_the_terminal_is_as_before_afterwards(tmp_path: Path, ends: str) -> None:
    person, terminal = pty.openpty()
    try:
        before = termios.tcgetattr(terminal)
        with joined(tmp_path, terminal, terminal) as (process, peer):
            peer.sendall(b"login:")
            assert os.read(person, 64) == b"login:"
            os.write(person, b"\x03")  # Ctrl-C is the guest's
            assert peer.recv(64) == b"\x03"
            assert termios.tcgetattr(terminal) != before
            match ends:
                case "SIGTERM":
                    process.terminate()
                case "Ctrl-]":
                    os.write(person, b"\x1d")
                case "guest":
                    peer.close()
            assert process.wait(30) == (143 if ends == "SIGTERM" else 0)
            assert process.stderr is not None
            assert (b"the guest at port 2 has ended" in process.stderr.read()) == (ends == "guest")
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(person)
        os.close(terminal)


def test_a_port_without_a_console_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ntbtrace").mkdir(mode=0o700)
    (tmp_path / "ntbtrace" / str(os.getpid())).mkdir()
    done = console(tmp_path, "4", "--run", str(os.getpid()))
    assert done.returncode == 2
    assert done.stderr.startswith("ntbtrace: no guest at port 4 has a console")


def test_no_recording_is_one_line(tmp_path: Path) -> None:
    done = console(tmp_path, "0")
    assert done.returncode == 2
    assert done.stderr.startswith("ntbtrace: no recording is running here")


def test_a_recorder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert console(tmp_path, "0", "--run", "12").stderr == "ntbtrace: no recorder with process id 12 is running here\n"
