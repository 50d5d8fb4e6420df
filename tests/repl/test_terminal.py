# SPDX-License-Identifier: GPL-2.0-or-later
"""The prompt on a pseudo-terminal: completion, colours, the bar, pages, keys, history; and the terminal afterwards."""

import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.repl.driver import TRACES
from tests.repl.terminal import COLUMNS, CTRL_C, CTRL_R, CTRL_U, ENTER, TAB, Terminal

PINGPONG = TRACES / "pingpong.ntbt"
MORE = " -- more -- "
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7])(?:;\d+)*m")

Start = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def begin(*words: object, **environment: str) -> Terminal:
        terminal = Terminal(PINGPONG, *words, home=tmp_path, **environment)
        terminal.ready()
        return terminal

    return begin


COMPLETIONS = {  # what is typed: a choice, and what is told beside it
    "br": ("break", "Stop, in either direction, at what is described"),
    "print NTINTM": ("NTINTMSK", "Interrupt masks."),
    "print 2:NTC": ("NTCTL", "NT endpoint control."),
    "break change NTCTL.C": ("CPEN", "RW"),
    "break write ntctl.c": ("CPEN", "RW"),
    "registers ": ("2", "partition 1"),
    "break irq port=": ("2", "partition 1"),
    "break kind == i": ("irq", "kind"),
    "run-until st": ("status", ""),
    "break write NTCTL if value.C": ("CPEN", "RW"),
    "break write NTCTL if ol": ("old", "what the register held before"),
    "print va": ("value", "what was read or written"),
    "info li": ("links", "Each port's side of the bridge"),
    "help inf": ("info", "What is known about a topic"),
    "goto st": ("start", "before the first event"),
    "break m": ("message", "a message is sent"),
    "watch NTIN": ("NTINTSTS", "Interrupt causes."),
    "display NTIN": ("NTINTSTS", "Interrupt causes."),
    "history NTIN": ("NTINTSTS", "Interrupt causes."),
}


def test_completion_with_its_documentation(start: Start) -> None:
    terminal = start()
    for typed, (choice, doc) in COMPLETIONS.items():
        terminal.type(typed)
        pattern = re.compile(rf"^\s*{choice}\s+{re.escape(doc)}", re.M)
        terminal.until(lambda: pattern.search(terminal.text) is not None, f"{typed}: {choice} {doc}")  # noqa: B023
        terminal.type(CTRL_U)
        terminal.ready()
    terminal.type("brea")
    terminal.see(COMPLETIONS["br"][1])
    terminal.type(TAB)
    terminal.until(lambda: terminal.prompt == "(ntbtrace) break")
    terminal.type(CTRL_U)
    terminal.ready()
    assert terminal.leave() == 0


def test_colours_while_typing_and_in_the_output(start: Start) -> None:
    terminal = start()
    terminal.type("print NTCTL + 17")
    terminal.until(lambda: terminal.prompt.endswith("17"))
    row = terminal.screen.buffer[terminal.screen.cursor.y]
    colours = {name: row[terminal.prompt.index(name)].fg for name in ("print", "NTCTL", "+", "17")}
    assert colours == {"print": "green", "NTCTL": "cyan", "+": "magenta", "17": "brown"}
    terminal.type(CTRL_U)
    terminal.do("goto 972")
    at = next(number for number, line in enumerate(terminal.lines) if line.startswith("     972"))
    assert terminal.screen.buffer[at][5].fg == "brown"
    assert terminal.leave() == 0


def test_no_color(start: Start) -> None:
    terminal = start(NO_COLOR="1")
    terminal.do("goto 972")
    terminal.do("frobnicate")
    terminal.type("print NTCTL + 17")
    terminal.until(lambda: terminal.prompt.endswith("17"))
    terminal.type(CTRL_U)
    assert terminal.leave() == 0
    assert not COLOUR.search(terminal.raw)


def test_the_bar_tells_where_one_is(start: Start) -> None:
    terminal = start("--goto", "972")
    terminal.until(lambda: terminal.lines[-1].startswith(" event 972 of 1386  8.504497 s  70%  |  "))
    assert "replay: no difference so far" in terminal.lines[-1]
    terminal.do("goto start")
    terminal.until(lambda: terminal.lines[-1].startswith(" start  0%"))
    assert terminal.leave() == 0


def test_an_empty_line_repeats_and_a_beginning_is_enough(start: Start) -> None:
    terminal = start()
    terminal.do("st")
    terminal.see(" event 0 of 1386")
    for seq in (1, 2):
        terminal.do("")
        terminal.see(f" event {seq} of 1386")
    terminal.do("print seq")
    terminal.do("")
    terminal.see(" event 2 of 1386")
    assert terminal.text.count("seq = 0x2") == 1, "print is not repeated"
    assert "u is ambiguous: undisplay, up" in terminal.do("u")
    assert "did you mean registers?" in terminal.do("registres")
    assert terminal.leave("quit\r") == 0


def test_pages(start: Start) -> None:
    terminal = start()
    terminal.type("list 300" + ENTER)
    terminal.see(MORE)
    first = terminal.text
    terminal.type(" ")
    terminal.until(lambda: MORE in terminal.text and terminal.lines[0] not in first)
    last = shown(terminal)
    terminal.type(ENTER)
    terminal.until(lambda: MORE in terminal.text and shown(terminal) == last + 1)
    terminal.type("c")
    terminal.ready()
    assert shown(terminal) == 299
    for key in ("q", CTRL_C):
        terminal.type("list 300" + ENTER)
        terminal.see(MORE)
        terminal.type(key)
        terminal.ready()
        assert MORE not in terminal.text
        assert shown(terminal) < 30
    terminal.do("goto 100")
    terminal.see(" event 100 of 1386")
    assert terminal.leave() == 0


def shown(terminal: Terminal) -> int:
    """The last event on the screen."""
    return [int(match[1]) for line in terminal.lines if (match := re.match(r"[> ] +(\d+) +\d+\.\d{6} ", line))][-1]


def test_resizing(start: Start) -> None:
    terminal = start()
    terminal.do("goto 972")
    terminal.resize(30, 60)
    terminal.until(lambda: terminal.lines[-1].startswith(" event 972"))
    terminal.do("timeline 4")
    assert all(len(line) <= 76 for line in terminal.lines)
    terminal.type("list 300" + ENTER)
    terminal.see(MORE.strip())
    terminal.resize(12, COLUMNS)
    terminal.until(lambda: MORE in terminal.text)
    terminal.type(" ")
    terminal.until(lambda: MORE in terminal.text and shown(terminal) > 0)
    terminal.type("q")
    terminal.ready()
    assert terminal.leave() == 0


def test_control_c_ends_a_command_and_not_the_session(start: Start) -> None:
    terminal = start()
    terminal.do("goto 50")
    terminal.type("half a command")
    terminal.until(lambda: terminal.prompt.endswith("half a command"))
    terminal.type(CTRL_C)
    terminal.see("interrupted")
    terminal.ready()
    terminal.type("py print('beg' + 'un') or any(one for one in iter(int, 1))" + ENTER)
    terminal.see("begun")
    terminal.type(CTRL_C)
    terminal.until(lambda: terminal.text.count("interrupted") == 2)
    terminal.ready()
    terminal.do("commands")
    terminal.do("step")
    terminal.see(" event 51 of 1386")
    assert terminal.leave() == 0


def test_commands_are_asked_for_line_by_line(start: Start) -> None:
    terminal = start()
    terminal.do("break irq")
    terminal.type("commands" + ENTER)
    terminal.until(lambda: terminal.prompt == ">")
    terminal.type("echo hello" + ENTER)
    terminal.until(lambda: terminal.prompt == ">")
    terminal.type("end" + ENTER)
    assert "\nhello\n" in terminal.do("continue")
    terminal.type("commands" + ENTER)
    terminal.until(lambda: terminal.prompt == ">")
    terminal.type(CTRL_C)
    terminal.ready()
    assert "       echo hello" in terminal.do("info breakpoints"), "Ctrl-C leaves them as they were"
    assert terminal.leave() == 0


def test_history_is_searched_over_sessions(start: Start, tmp_path: Path) -> None:
    first = start()
    first.do("goto 1234")
    assert first.leave() == 0
    path = tmp_path / "ntbtrace" / "history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "goto 1234" in path.read_text()
    second = start()
    second.type(CTRL_R + "123")
    second.until(lambda: "goto 1234" in second.prompt, "what was typed in the first session")
    second.type(ENTER)
    second.see(" event 1234 of 1386")
    second.ready()
    assert second.leave() == 0


def test_a_terminal_that_can_do_nothing(start: Start) -> None:
    terminal = start(TERM="dumb")
    assert "1047" in terminal.do("goto 1047")
    assert "there is no command" in terminal.do("frobnicate")
    terminal.type(CTRL_C)
    terminal.see("interrupted")
    terminal.ready()
    terminal.do("list 60")
    assert "-- more --" not in terminal.raw
    assert terminal.leave() == 0
    assert "\x1b" not in terminal.raw


def test_an_expectation_makes_the_exit_code(start: Start) -> None:
    terminal = start("--command", "expect 0", "--command", "frobnicate")
    assert "there is no command 'frobnicate'" in terminal.text, "a person reads the error and goes on"
    assert terminal.leave() == 1


def test_a_broken_decoder_does_not_keep_one_from_going_on(start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("(")
    terminal = start("--load", tmp_path / "broken.py")
    assert "broken.py:1: SyntaxError" in terminal.text.replace("\n", "")
    terminal.do("step")
    assert terminal.leave() == 0
