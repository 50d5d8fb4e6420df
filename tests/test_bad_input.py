# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input of any kind is one clear line and a non-zero exit; what is written to a terminal cannot drive it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace import cli
from tests.support import simulate

NAME = "e\x1b[31m\nX.ntbt"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("bad") / "run.ntbt", roll_every=20)


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    assert cli.main([*map(str, words)]) == code
    text = capsys.readouterr()
    assert text.err.count("\n") == 1, text.err
    assert "internal error" not in text.err
    return text.err


@pytest.mark.parametrize("command", ["info", "show", "replay", "stats"])
def test_a_truncated_trace_is_said(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, command: str) -> None:
    whole = run.read_bytes()
    cut = tmp_path / "cut.ntbt"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert "the file is cut off here; `ntbtrace salvage" in said(capsys, command, cut)
    assert cli.main(["salvage", str(cut)]) == 0
    capsys.readouterr()
    assert cli.main([command, str(cut)]) == 0


@pytest.mark.parametrize("words", [["--limit", "9" * 30], ["--from", "9" * 5000], ["--from", "-1"], ["--limit", "x"]])
def test_absurd_numbers(run: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["show", str(run), *words])
    assert end.value.code == 2


PROFILES = {
    "deep": "x = " + "[" * 5000,
    "long number": "x = " + "9" * 5000,
    "large": "# " + "x" * (1 << 20),
    "not text": b"\xff\xfe",
    "not TOML": "port = [",
}


@pytest.mark.parametrize("what", PROFILES)
def test_profiles_that_are_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str) -> None:
    path, text = tmp_path / "p.toml", PROFILES[what]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert f"profile {path}" in said(capsys, "record", "--profile", path, "-o", tmp_path / "a.ntbt")


def test_an_endless_profile_is_not_read_to_its_end(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "must have at most" in said(capsys, "record", "--profile", "/dev/zero", "-o", tmp_path / "a.ntbt")


@pytest.mark.parametrize("text", ["9" * 5000 + "=a", "1234=a"])
def test_absurd_ports(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    assert "--port must be" in said(capsys, "serve", "--port", text, "-o", tmp_path / "a.ntbt")


@pytest.mark.parametrize(
    "words",
    [["--qemu", "/nonexist"], ["--kernel", "/nonexist"], ["--memory", "3T"], ["--accel", "kvm"], ["--append", "x"]],
)
def test_options_that_would_be_ignored(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]) -> None:
    assert "say --guests qemu" in said(capsys, "record", *words, "-o", tmp_path / "a.ntbt")


def test_a_seed_for_real_guests(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("record", "--guests", "qemu", "--seed", "2", "-o", tmp_path / "a.ntbt")
    assert "--seed is about simulated guests" in said(capsys, *words)


def test_a_time_out_must_be_a_time(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "--timeout must be" in said(capsys, "record", "--timeout", "nan", "-o", tmp_path / "a.ntbt")


def test_a_program_that_is_no_qemu(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "kernel").touch()
    words = ("--guests", "qemu", "--qemu", "/bin/true", "--kernel", tmp_path / "kernel", "-o", tmp_path / "a.ntbt")
    assert cli.main(["record", *map(str, words)]) == 2
    assert "it ended without a look at its device" in capsys.readouterr().err


def test_a_name_with_escape_sequences_is_shown_escaped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert cli.main(["record", "-o", str(path), "--count", "1"]) == 0
    text = capsys.readouterr()
    assert "\x1b" not in text.out + text.err
    assert r"e\x1b[31m\nX.ntbt" in text.out
    assert r"e\x1b[31m\nX.ntbt2" in said(capsys, "show", f"{path}2")
    assert cli.main(["salvage", str(path)]) == 0
    assert r"e\x1b[31m\nX.ntbt is whole" in capsys.readouterr().out


def test_salvage_names_the_file_that_is_in_the_way(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.ntbt"
    cut.write_bytes(run.read_bytes()[:-40])
    (tmp_path / "cut.ntbt.damaged").touch()
    assert "File exists: " in (text := said(capsys, "salvage", cut))
    assert text.rstrip().endswith("cut.ntbt.damaged")


def program(*words: object, **how: object) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "ntbtrace", *map(str, words)]
    return subprocess.run(argv, text=True, timeout=60, check=False, **how)  # type: ignore[call-overload, no-any-return]


def test_without_a_standard_output(run: Path) -> None:
    done = program("replay", run, preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_without_standard_streams_a_recording_is_whole(tmp_path: Path, closed: tuple[int, ...]) -> None:
    path = tmp_path / "run.ntbt"
    done = program("record", "-o", path, "--count", "1", preexec_fn=lambda: [os.close(fd) for fd in closed])
    assert done.returncode == 0
    assert [file.name for file in tmp_path.iterdir()] == ["run.ntbt"]
    assert program("replay", path, capture_output=True).returncode == 0


def test_what_went_wrong_is_not_said_on_standard_output(tmp_path: Path) -> None:
    done = program("info", tmp_path / "none", preexec_fn=lambda: os.close(2), stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_terminal_that_lacks_a_letter(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"}
    path = tmp_path / "Brücke.ntbt"
    done = program("record", "-o", path, "--count", "1", env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    done = program("info", path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "internal error" not in done.stderr


def test_following_a_trace_that_has_ended_from_behind_its_end(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert "--from must be an event of" in said(capsys, "show", "-f", run, "--from", 99999)
