# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace show`: lines that a person and grep can read, of any trace, also of a hostile one."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.event import NO_ENDPOINT, Kind
from tests.support import events, recorder, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("show") / "run.ntbt")


def show(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    assert cli.main(["show", *map(str, words)]) == 0
    return capsys.readouterr().out.splitlines()


def test_one_line_an_event(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    heading, *lines = show(capsys, run)
    assert heading.split() == ["seq", "time", "port", "kind", "place", "value", "what"]
    assert [int(line.split()[0]) for line in lines] == list(range(len(events(run))))


def test_limit_and_from(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _, *lines = show(capsys, run, "--from", "100", "--limit", "3")
    assert [line.split()[0] for line in lines] == ["100", "101", "102"]


def test_where(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _, *lines = show(capsys, run, "--where", "kind == irq and port == 2", "--limit", "3")
    assert [line.split()[2:4] for line in lines] == [["2", "irq"]] * 3
    first = int(lines[1].split()[0])
    _, *later = show(capsys, run, "--where", "kind == irq and port == 2", "--from", str(first), "--limit", "2")
    assert later == lines[1:]


def test_a_wrong_expression_is_one_line(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert cli.main(["show", str(run), "--where", "reg == OUTDBELSET"]) == 2
    said = capsys.readouterr()
    assert "did you mean OUTDBELLSET" in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_limit_none_at_all(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert len(show(capsys, run, "--limit", "0")) == 1


def test_from_behind_the_end(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    last = len(events(run)) - 1
    assert cli.main(["show", str(run), "--from", str(last + 1)]) == 2
    assert f"(0 to {last}), not {last + 1}" in capsys.readouterr().err


def test_registers_fields_and_causes(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _, *lines = show(capsys, run)
    text = [re.sub(r" +", " ", line.strip()) for line in lines]
    assert any(re.search(r"mmio_write BAR0\+0x[0-9a-f]+ 0x00000002 NTCTL CPEN=1$", line) for line in text)
    bells = [line.split()[0] for line in text if " OUTDBELLSET DBELL=" in line]
    assert any(re.search(rf"^{int(seq) + 1} \S+ \d irq vector 0 <- {seq}$", text[int(seq) + 1]) for seq in bells)
    assert any("attach MSI {" in line for line in text)


def test_hostile_text_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "hostile.ntbt"
    trace = recorder(path)
    trace.port(0).console(b"\x1b[2J\x07\r\n\x9b\xff \xe2\x80\xae ok")
    trace.note(Kind.MARK, NO_ENDPOINT, "\u202egpj\x1b]0;x\x07".encode())
    trace.close()
    _, *lines = show(capsys, path)
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert r"\x1b[2J\x07\r\n\x9b\xff \u202e ok" in lines[0]


def test_head_ends_it_quietly(run: Path) -> None:
    command = f"{sys.executable} -m ntbtrace show {run} | head -n 2"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


def test_follow_shows_what_is_recorded_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "live.ntbt"
    trace = recorder(path)
    trace.note(Kind.MARK, data=b"before")
    command = [sys.executable, "-m", "ntbtrace", "show", "-f", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("     seq")
        assert process.stdout.readline().endswith("before\n")
        trace.note(Kind.MARK, data=b"meanwhile")
        assert process.stdout.readline().endswith("meanwhile\n")
        trace.close()
        rest, error = process.communicate(timeout=30)
        assert (rest, error, process.returncode) == ("", "", 0)


def test_ctrl_c_ends_following(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "live.ntbt")
    trace.note(Kind.MARK, data=b"here")
    command = [sys.executable, "-m", "ntbtrace", "show", "-f", str(tmp_path / "live.ntbt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while not process.stdout.readline().endswith("here\n"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == cli.EXIT_INTERRUPTED
    trace.close()


def test_follow_of_a_closed_file_ends(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert show(capsys, "-f", run) == show(capsys, run)
