# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace exec` and `ntbtrace serve` with wrong words; the right ones are in tests/real/test_own_vms.py."""

from pathlib import Path

import pytest

from ntbtrace.cli import main


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "name the QEMU to run"),
        (["--", "sh", "-smp", "2"], "one vCPU"),
        (["--", "sh", "-M", "pc"], "must be q35, not pc"),
        (["--", "no-such-qemu"], "there is no no-such-qemu here"),
        (["--", "sh"], "no switch listens at"),
    ],
)
def test_exec_says_what_is_wrong(
    tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["exec", str(tmp_path / "socket"), *words]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


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
