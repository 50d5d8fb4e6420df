# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace console`: joins the console of a running recorder, through the command line as a user has it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from ntbtrace.capture.console import socket_name


def console(runtime: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ntbtrace", "console", *words]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    return subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
    )


def test_it_prints_what_the_guest_says_until_the_guest_ends(tmp_path: Path) -> None:
    place = tmp_path / "ntbtrace" / str(os.getpid())
    place.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(place / socket_name(2)))
        listener.listen()
        argv = [sys.executable, "-m", "ntbtrace", "console", "2"]
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        with subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            listener.settimeout(30)
            peer, _ = listener.accept()
            with peer:
                peer.settimeout(30)
                process.stdin.write(b"uname\n")
                process.stdin.flush()
                assert peer.recv(64) == b"uname\n"
                peer.sendall(b"Linux\n")
            assert process.stdout.read() == b"Linux\n"
            assert process.wait(30) == 0


def test_a_port_without_a_console_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "ntbtrace" / str(os.getpid())).mkdir(parents=True)
    done = console(tmp_path, "4", "--run", str(os.getpid()))
    assert done.returncode == 2
    assert done.stderr.startswith("ntbtrace: no guest at port 4 has a console")


def test_no_recording_is_one_line(tmp_path: Path) -> None:
    done = console(tmp_path, "0")
    assert done.returncode == 2
    assert done.stderr.startswith("ntbtrace: no recording is running here")
