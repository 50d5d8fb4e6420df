# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console: lines to the trace, bytes to who joins."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntbtrace.capture.console import BACKLOG, MAX_LINE, Console
from ntbtrace.capture.loop import Loop
from tests.support import serve


class Line:
    def __init__(self, path: Path) -> None:
        self.loop = Loop()
        self.path = path
        self.lines: list[bytes] = []
        ours, self.guest = socket.socketpair()
        self.guest.settimeout(5)
        self.console = Console(self.loop, ours, path, self.lines.append)

    def serve(self) -> None:
        serve(self.loop)

    def join(self) -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(5)
        peer.connect(str(self.path))
        self.serve()
        return peer


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "console")
    yield made
    made.console.close()
    made.guest.close()


def test_lines_are_cut_at_their_ends(line: Line) -> None:
    for part in (b"one\r\nt", b"wo\n", b"thr"):
        line.guest.send(part)
        line.serve()
    assert line.lines == [b"one", b"two"]
    line.console.close()
    assert line.lines == [b"one", b"two", b"thr"]


def test_a_line_without_end_is_kept_in_pieces(line: Line) -> None:
    line.guest.send(b"x" * (MAX_LINE + 1))
    line.serve()
    assert line.lines == [b"x" * (MAX_LINE + 1)]


def test_who_joins_sees_the_last_of_it_and_types(line: Line) -> None:
    line.guest.send(b"a" * 100 + b"b" * BACKLOG)
    line.serve()
    peer = line.join()
    assert peer.recv(2 * BACKLOG) == b"b" * BACKLOG
    peer.send(b"ls\n")
    line.serve()
    assert line.guest.recv(100) == b"ls\n"
    line.guest.send(b"out")
    line.serve()
    assert peer.recv(100) == b"out"
    assert line.path.stat().st_mode & 0o777 == 0o600


def test_one_leaves_and_the_other_stays(line: Line) -> None:
    first, second = line.join(), line.join()
    first.close()
    line.serve()
    line.guest.send(b"still")
    line.serve()
    assert second.recv(100) == b"still"


def test_a_guest_that_goes_ends_who_has_joined(line: Line) -> None:
    peer = line.join()
    line.guest.close()
    line.serve()
    assert peer.recv(100) == b""
