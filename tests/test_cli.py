# SPDX-License-Identifier: GPL-2.0-or-later
"""The program: help, versions, exit codes, bad input, in one line and without a traceback."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from ntbtrace import __version__, cli
from ntbtrace.trace.layout import HEADER
from tests.support import simulate

READERS = ("info", "show", "replay", "salvage")


def ntbtrace(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ntbtrace", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("cli") / "run.ntbt")


def test_help_is_light() -> None:
    code = (
        "import sys\nfrom ntbtrace.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'scapy', 'construct', 'prompt_toolkit', 'lz4'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "print([m for m in sys.modules if m.startswith('ntbtrace.commands')], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.splitlines() == ["[]", "[]"]
    assert all(name in done.stdout for name in cli.COMMANDS)


def test_commands_that_read_no_trace_are_light() -> None:
    code = (
        "import sys\nfrom importlib import import_module\n"
        "for name in ('console', 'exec', 'guest', 'inject', 'registers'): import_module(f'ntbtrace.commands.{name}')\n"
        "print(sorted({'numpy', 'lz4', 'prompt_toolkit'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_says_what_it_does_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"ntbtrace.commands.{name}")
    assert cli.COMMANDS[name] == module.HELP
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"example: {' '.join(module.EXAMPLE.split())}" in out


def test_version() -> None:
    assert ntbtrace("--version").stdout == f"ntbtrace {__version__}\n"


@pytest.mark.parametrize("words", [(), ("nonsense",), ("show",), ("show", "x", "--limit", "-3"), ("--nonsense",)])
def test_a_wrong_command_line_is_one_line(words: tuple[str, ...]) -> None:
    done = ntbtrace(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("ntbtrace: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", READERS)
def test_a_file_that_is_not_there(command: str, tmp_path: Path) -> None:
    expect_one_line(command, tmp_path / "none.ntbt", "none.ntbt")


@pytest.mark.parametrize("command", READERS)
def test_a_directory(command: str, tmp_path: Path) -> None:
    expect_one_line(command, tmp_path, str(tmp_path))


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("content", [b"", b"\0", b"#!/bin/sh\necho\n", Random(1).randbytes(100_000)])
def test_a_file_that_is_no_trace(command: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.ntbt"
    path.write_bytes(content)
    expect_one_line(command, path, "bad.ntbt")


@pytest.mark.parametrize("command", ["info", "show", "replay"])
def test_a_damaged_trace(command: str, run: Path, tmp_path: Path) -> None:
    """Bits are flipped all over the file: each time the command works or says in one line why it cannot."""
    whole = run.read_bytes()
    path = tmp_path / "damaged.ntbt"
    random = Random(2)
    for _ in range(60):
        content = bytearray(whole)
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        path.write_bytes(content)
        assert quietly(command, str(path)) in (0, 1, 2)


@pytest.mark.parametrize("command", READERS)
def test_a_trace_of_a_newer_version(command: str, run: Path, tmp_path: Path) -> None:
    content = bytearray(run.read_bytes())
    magic, version, *rest = HEADER.unpack_from(content)
    HEADER.pack_into(content, 0, magic, version + 1, *rest)
    path = tmp_path / "newer.ntbt"
    path.write_bytes(content)
    expect_one_line(command, path, f"version {version + 1}")


@pytest.mark.parametrize("command", ["info", "show", "replay"])
def test_a_truncated_trace(command: str, run: Path, tmp_path: Path) -> None:
    whole = run.read_bytes()
    path = tmp_path / "short.ntbt"
    for length in (*range(0, 64, 7), len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert quietly(command, str(path)) in (0, 1, 2)


def test_a_traceback_for_those_who_ask(tmp_path: Path) -> None:
    done = ntbtrace("--debug", "info", tmp_path / "none.ntbt")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_bug_of_ours_is_named_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("ntbtrace.commands.info.open_trace", broken)
    assert cli.main(["info", str(run)]) == cli.EXIT_BUG
    assert capsys.readouterr().err.startswith("ntbtrace: internal error: RuntimeError: boom")


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], run: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ntbtrace.commands.info.open_trace", interrupted)
    assert cli.main(["info", str(run)]) == 130
    assert capsys.readouterr().err == ""


def quietly(*words: str) -> int:
    """main() in this process: an escaping exception fails the test, an internal error is its exit code."""
    return cli.main(words)


def expect_one_line(command: str, path: Path, word: str) -> None:
    done = ntbtrace(command, path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("ntbtrace: ")
    assert word in done.stderr
    assert done.stderr.count("\n") == 1
