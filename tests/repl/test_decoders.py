# SPDX-License-Identifier: GPL-2.0-or-later
"""A user's own decoders and commands: what they add, and that what is wrong in them ends nothing."""

import os
from pathlib import Path

import pytest

from ntbtrace.repl.registry import COMMANDS
from tests.repl.driver import Debugger

WORKS = '''
from ntbtrace.repl import command, decoder

@decoder("OUTDBELLSET")
def bell(event):
    return f"a bell: {event.value:#x}"

@decoder("irq")
def irq(event):
    return None

@command
def peers(session, first, rest=""):
    """Say which ports there are."""
    session.out.line(f"{first}|{rest}|{list(session.ports)}")
'''


@pytest.fixture
def loaded(pingpong: Debugger, tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(WORKS)
    assert pingpong(f"load {path}") == []
    return path


def write_again(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=(before + 1, before + 1))


def test_a_decoder_stands_behind_the_events_line(pingpong: Debugger, loaded: Path) -> None:
    assert pingpong("goto 1047")[0].endswith("a bell: 0x1")
    assert "a bell: 0x1" in pingpong.text("list 3")
    assert "bell" not in pingpong.text("goto 1048", "step")


def test_a_command_is_one_like_every_other(pingpong: Debugger, loaded: Path) -> None:
    assert pingpong("peers a b c") == ["a|b c|[0, 2]"]
    assert pingpong("pee x") == ["x||[0, 2]"]
    assert pingpong("help peers")[0] == "peers FIRST [REST]"
    assert "your own:" in pingpong("help")
    assert pingpong("peers") == ["error: peers needs FIRST: usage: peers FIRST [REST]"]


def test_it_is_read_again_when_it_changes(pingpong: Debugger, loaded: Path) -> None:
    write_again(loaded, WORKS.replace("a bell", "another").replace("def peers", "def others"))
    assert pingpong("goto 1047")[0].endswith("another: 0x1")
    assert "no command 'peers'" in pingpong("peers a")[0]
    write_again(loaded, "(")
    assert "SyntaxError" in pingpong("step")[0]
    assert pingpong("goto 1047")[0].endswith("OUTDBELLSET DBELL=1"), "told once; the session goes on"
    write_again(loaded, WORKS)
    assert pingpong("goto 1047")[0].endswith("a bell: 0x1")
    loaded.unlink()
    assert "cannot read" in pingpong("step")[0]
    assert pingpong("goto 1047")[0].endswith("OUTDBELLSET DBELL=1")


BROKEN = {  # the file, and what is said of it
    "syntax": ("x = 1\ndef f(:\n", ":2: SyntaxError: "),
    "raises": ("x = 1\n\n1 / 0\n", ":3: ZeroDivisionError: division by zero"),
    "exits": ("import sys\nsys.exit(3)\n", ":2: SystemExit: 3"),
    "imports what there is not": ("import nonexistent_module\n", ":1: ModuleNotFoundError: "),
    "recursion": ("def f():\n    f()\nf()\n", ":2: RecursionError: "),
    "escape sequences": ("raise ValueError('\\x1b[2J')\n", r":1: ValueError: \x1b[2J"),
    "several lines": ("raise ValueError('a\\nb')\n", r":1: ValueError: a\nb"),
    "no docstring": ("from ntbtrace.repl import command\n@command\ndef a(session): pass\n", "a needs a docstring"),
    "taken": ("from ntbtrace.repl import command\n@command\ndef step(session):\n  'x'\n", "step is a command of the"),
    "null": ("\0", "null bytes"),
    "no argument": ("from ntbtrace.repl import command\n@command\ndef a():\n  'x'\n", "a must take the session"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_one_line(pingpong: Debugger, tmp_path: Path, what: str) -> None:
    text, said = BROKEN[what]
    path = tmp_path / "broken.py"
    path.write_text(text)
    known = set(COMMANDS.commands)
    (line,) = pingpong(f"load {path}")
    assert line.startswith("error: ")
    assert said in line
    assert set(COMMANDS.commands) == known
    assert pingpong("step")[0].split()[0] == "0", "the session goes on"


def test_bytes_that_are_no_text(pingpong: Debugger, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_bytes(b"\xff\xfe")
    (line,) = pingpong(f"load {tmp_path / 'broken.py'}")
    assert "UnicodeDecodeError" in line


BAD_CALLS = {
    "raise KeyError('x')": "KeyError: 'x'",
    "import sys; sys.exit()": "SystemExit",
    "f(x)": "RecursionError",
    "return '\\x1b[2J\\n'": r"\x1b[2J\n",
    "return 7": "7",
    "raise ValueError": "(f: ValueError)",
}


@pytest.mark.parametrize("body", BAD_CALLS)
def test_a_decoder_that_fails(pingpong: Debugger, tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(f"from ntbtrace.repl import decoder\n@decoder('OUTDBELLSET')\ndef f(x):\n    {body}\n")
    assert pingpong(f"load {path}") == []
    (line,) = pingpong("goto 1047")
    assert line.split()[0] == "1047"
    assert BAD_CALLS[body] in line


@pytest.mark.parametrize("body", [body for body in BAD_CALLS if "return" not in body])
def test_a_command_that_fails(pingpong: Debugger, tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(f"from ntbtrace.repl import command\n@command\ndef f(x):\n    'Fail.'\n    {body}\n")
    assert pingpong(f"load {path}") == []
    (line,) = pingpong("f")
    assert line.startswith("error: f: ")
    assert BAD_CALLS[body].strip("()").removeprefix("f: ") in line


def test_what_it_says_in_a_command_is_made_printable(pingpong: Debugger, tmp_path: Path) -> None:
    path = tmp_path / "evil.py"
    path.write_text(
        "from ntbtrace.repl import command\n@command\ndef evil(session):\n    'Be evil.'\n"
        "    session.out.line('\\x1b[2J')\n"
    )
    pingpong(f"load {path}")
    assert pingpong("evil") == [r"\x1b[2J"]


@pytest.mark.parametrize(("name", "seqs"), [("OUTMSG0", {1046}), ("outmsg", {1046}), ("irq", {1048})])
def test_a_decoder_is_for_a_register_an_array_or_a_kind(
    pingpong: Debugger, tmp_path: Path, name: str, seqs: set[int]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f'from ntbtrace.repl import decoder\n\n@decoder("{name}")\ndef it(event):\n    return "MINE"\n')
    assert pingpong(f"load {path}") == []
    said = pingpong("goto 1047", "list 4")[2:]
    assert {int(line[1:].split()[0]) for line in said if line.endswith("  MINE")} == seqs


@pytest.mark.parametrize(("line", "said"), [
    ('@decoder("OUTMSG9")', "there is no register OUTMSG9: did you mean OUTMSG"),
    ("@decoder", 'decoder takes a name: @decoder("OUTMSG0")'),
])  # fmt: skip
def test_a_decoder_for_nothing_is_said(pingpong: Debugger, tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"from ntbtrace.repl import decoder\n\n{line}\ndef it(event):\n    return 'MINE'\n")
    (error,) = pingpong(f"load {path}")
    assert error.startswith(f"error: {path}")
    assert said in error
    assert "MINE" not in pingpong.text("goto 1047", "list 4")
