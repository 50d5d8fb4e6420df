# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace exec` and `ntbtrace serve` with wrong words; the right ones are in tests/real/test_own_vms.py."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ntbtrace.capture.transport.mpqemu import knock
from ntbtrace.cli import main
from ntbtrace.event import Kind
from tests.support import events


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "name the QEMU to run"),
        (["--", "sh", "-smp", "2"], "one vCPU"),
        (["--", "sh", "-M", "pc"], "must be q35, not pc"),
        (["--", "no-such-qemu"], "there is no no-such-qemu here"),
        (["--", "sh"], "no switch listens at"),
        (["sh"], "no switch listens at"),
        (["--qtest", "q", "--", "sh"], "--qtest must stand before the SOCKET"),
        (["--help"], "--help must stand before the SOCKET"),
    ],
)
def test_exec_says_what_is_wrong(
    tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exec", str(tmp_path / "socket"), *words]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


@contextmanager
def switch(tmp_path: Path, irq: str) -> Iterator[tuple[Path, Path]]:
    """A running `serve` with one port; gives its socket and its trace."""
    path, trace = tmp_path / "socket", tmp_path / "run.ntbt"
    argv = [sys.executable, "-m", "ntbtrace", "serve", "--port", f"0={path},irq={irq}", "-o", str(trace)]
    with subprocess.Popen(argv, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert "waiting at" in process.stderr.readline()
        try:
            yield path, trace
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


def run_exec(*words: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "ntbtrace", "exec", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)


def test_a_guest_for_a_port_that_is_taken_is_not_started(tmp_path: Path) -> None:
    with switch(tmp_path, "qtest") as (path, trace):
        assert run_exec(str(path), "--", "sh", "-c", "exit 3").returncode == 3
        with socket.socket(socket.AF_UNIX) as first:
            first.connect(str(path))
            assert knock(first)
            done = run_exec(str(path), "--", "sh", "-c", "exit 3")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"ntbtrace: the switch does not take this guest at {path}: is another one attached there? End it first\n"
        )
    found = [event.kind for event in events(trace) if event.kind != Kind.CFG_READ]
    assert found == [Kind.ATTACH, Kind.DETACH, Kind.ATTACH, Kind.FAULT, Kind.DETACH]


def test_a_guest_that_no_interrupt_would_reach_is_not_started(tmp_path: Path) -> None:
    with switch(tmp_path, "intx") as (path, _):
        done = run_exec(str(path), "--", "sh", "-c", "exit 3")
        assert done.returncode == 2
        assert "no interrupt would reach this guest" in done.stderr
        assert run_exec(str(path), "--", "sh", "-c", "exit 3", "-enable-kvm").returncode == 3


@pytest.mark.parametrize(
    ("ports", "line"),
    [
        (["0"], "--port must be PORT[.1]=SOCKET"),
        (["3=/x"], "port number must be one of"),
        (["0=/x", "0=/y"], "--port 0 is given twice"),
        (["0=/x", "2.1=/y"], "give --port 2 too"),
        (["0=/nonexistent/x"], "cannot listen at"),
    ],
)
def test_serve_says_what_is_wrong_and_leaves_no_file(
    tmp_path: Path, ports: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for port in ports for word in ("--port", port)]
    assert main(["serve", *words, "-o", str(tmp_path / "a.ntbt")]) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
