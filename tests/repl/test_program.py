# SPDX-License-Identifier: GPL-2.0-or-later
"""The real program in batch: each command and each topic, what it prints and what it exits with."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ntbtrace import cli
from ntbtrace.repl import commands
from ntbtrace.repl.decoders import GROUP
from ntbtrace.repl.registry import COMMANDS, TOPICS
from tests.repl.driver import TRACES
from tests.support import simulate

commands.load()
PINGPONG = TRACES / "pingpong.ntbt"
MARK = "-- line "

# Sessions: command lines, and a part of what each is to print ('': nothing at all).
Lines = list[tuple[str, str]]
MOVING: Lines = [
    ("step", "attach"), ("s 2", "ram_map"), ("reverse-step", "attach"), ("rs", "       0     0.019132    0  attach"),
    ("next", "    0  "), ("n", "    0  "), ("reverse-next 2", "attach"), ("goto 970", "NTGSIGNAL SET=1"),
    ("down", "     971"), ("down", "     972"), ("up", "     970"), ("down", "     972"),
    ("bookmark here", "event 972"), ("bookmark", "here             event 972"),
    ("next-write OUTDBELLSET", "OUTDBELLSET"), ("nw 2:OUTDBELLSET", "1047"),
    ("prev-write OUTDBELLSET", "1041"), ("goto here", "     972"), ("goto 50%", "     692"), ("goto end", "the end"),
    ("goto -10", "    1376"), ("goto 8.5s", "8.503939"), ("run-until kind == irq and port == 2", "     972"),
    ("break irq", "breakpoint 1: irq"), ("continue", "    1048"), ("c 2", "    1076"), ("reverse-continue", "    1053"),
    ("rc 5", "     809"), ("rc", "at the start"),
]  # fmt: skip
STOPPING: Lines = [
    ("break write OUTDBELLSET if value & 4", "breakpoint 1: write OUTDBELLSET if value & 4"), ("commands", ""),
    ("tbreak change 2:NTCTL.CPEN", "breakpoint 2: tbreak change"), ("trace irq port=2", "breakpoint 3: trace irq"),
    ("watch 0:NTINTSTS.SEVENT", "breakpoint 4: change 0:NTINTSTS.SEVENT"), ("ignore 4 1", ""), ("disable 3", ""),
    ("info breakpoints", "  4  change 0:NTINTSTS.SEVENT  (0 hits, the next 1 ignored)"),
    ("display NTCTL", "1: NTCTL ="),
    ("continue", "0:NTINTSTS: 0x8 SEVENT=1 -> 0x0"), ("c", "2:NTCTL: 0x0 -> 0x2 CPEN=1"), ("enable", ""),
    ("info displays", "1: NTCTL ="), ("delete 4", ""), ("c", "     972"), ("c", "breakpoint 1: write"),
    ("undisplay 1", ""),
    ("display", "nothing is displayed"), ("delete", ""), ("info breakpoints", "no breakpoints: `break` sets one"),
    ("watch mem port=2 0x4b00000 len 64", "no event of this recording can match it"), ("save mine", "mine: 1 lines"),
    ("delete", ""), ("source mine", "breakpoint 6: mem port=2"), ("info breakpoints", "0x4b00000"),
]  # fmt: skip
COMMANDS_AT_STOPS = ["commands", "print value", "end"]
LOOKING: Lines = [
    ("where", "at the start: nothing has happened yet"), ("goto 971", "vector 0 <- 970"), ("where", ">      971"),
    ("list", ">      971"), ("list 3", "972"), ("print port", "port = 0x0"), ("print 2:NTCTL.CPEN", "= 0x1"),
    ("print NTCTL", "NTCTL = 0x2 CPEN=1"), ("p kind == irq", "= 0x1"), ("timeline 12", "irq <----"),
    ("registers", "0:PCIID          0x8091111d VENDOR"), ("registers 2 NTINTSTS", "* 2:NTINTSTS"),
    ("regs switch SEG*", "SEGSIGSTS"), ("history 2:NTINTSTS", "     960"), ("history NTCTL.CPEN 1", "CPEN 0->1"),
    ("diff start", "0:NTCTL          0x00000002 CPEN 0->1"), ("diff 970 971", "no register differs"),
    ("why", "the peer's, at port 2"), ("why 2:NTCTL.CPEN", "CPEN=1 since event"), ("verify", "identical: all 1,387"),
    ("py len(trace)", "1387"), ("py switch.peek(event.target)", ""), ("echo to be seen", "to be seen"),
    ("expect port == 0", ""), ("load mine.py", ""), ("mine 3 4", "you said '3 4'"), ("goto 1047", "a bell"),
    ("# a comment", ""), ("help", "moving:"), ("help step", "step [COUNT]"), ("h expressions", "$REG"),
    ("help info links", "info links"), ("info", "info links"),
]  # fmt: skip
TOPIC_LINES: Lines = [
    ("goto 1047", ""), ("info trace", "1,387 events in 9.817987 s"), ("info profile", "chip 89HPES24NT6AG2"),
    ("info links", "port 0 (partition 0): up"), ("info windows", "port 0 BAR2: direct"), ("info interrupts", "DBELL"),
    ("info registers 0 NTCTL", "0:NTCTL          0x00000002"),
    ("info coverage", "70 of 416 registers were touched"), ("info breakpoints", "no breakpoints"),
    ("info displays", "nothing is displayed"), ("info replay", "identical: all 1,387 events"),
    ("i tr", "1,387 events"),
]  # fmt: skip
MEMORY: Lines = [
    ("goto end", ""),
    ("x 0x2800000 32 2", "port 2:"), ("x 0x2800000 1 2", "0x000002800000  71"), ("quit", ""), ("echo never", ""),
]  # fmt: skip
OWN_FILE = '''
from ntbtrace.repl import command, decoder

@command
def mine(session, words):
    """Say it."""
    session.out.line(f"you said {words!r}")

@decoder("OUTDBELLSET")
def bell(event):
    return "a bell"
'''
SESSIONS = {
    "moving": (PINGPONG, MOVING), "stopping": (PINGPONG, STOPPING), "looking": (PINGPONG, LOOKING),
    "topics": (PINGPONG, TOPIC_LINES), "memory": (TRACES / "perf-fixed.ntbt", MEMORY),
}  # fmt: skip


def program(*words: object, given: str | None = None, **more: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ntbtrace", "repl", *map(str, words)], input=given,
        stdin=subprocess.DEVNULL if given is None else None, capture_output=True, text=True, timeout=100, **more,
    )  # fmt: skip


@pytest.mark.parametrize("name", SESSIONS)
def test_what_each_command_prints(name: str, tmp_path: Path) -> None:
    path, lines = SESSIONS[name]
    (tmp_path / "mine.py").write_text(OWN_FILE)
    script = []
    for number, (line, _) in enumerate(lines):
        script += [f"echo {MARK}{number}", line, *(COMMANDS_AT_STOPS[1:] if line == "commands" else ())]
    (tmp_path / "script").write_text("\n".join(script))
    done = program(path, "--batch", "-x", "script", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    parts = dict(part.partition("\n")[::2] for part in done.stdout.split(MARK)[1:])
    left = next((number for number, (line, _) in enumerate(lines) if line == "quit"), len(lines) - 1)
    assert list(parts) == [str(number) for number in range(left + 1)]
    wrong = {
        line: parts[str(number)][:400]
        for number, (line, expected) in enumerate(lines[: left + 1])
        if expected not in parts[str(number)]
    }
    assert wrong == {}


def test_every_command_and_topic_is_in_the_sessions() -> None:
    lines = [line for _, session in SESSIONS.values() for line, _ in session if not line.startswith(("#", "mine"))]
    assert {COMMANDS.find(line.split()[0]).name for line in lines} == {
        one.name for one in COMMANDS.commands.values() if one.group != GROUP
    }
    topics = [line.split()[1] for line in (*lines, *CODE) if line.startswith("info ")]
    assert {TOPICS.find(topic).name for topic in topics} == set(TOPICS.commands)


CODE = {
    "info functions iowrite*": "iowrite32",
    "break at iowrite32": "breakpoint 1: at iowrite32",
    "continue": "by iowrite32",
}


def test_the_guests_code_as_far_as_the_trace_alone_tells(tmp_path: Path) -> None:
    words = [word for line in CODE for word in ("--command", f"echo {MARK}0", "--command", line)]
    done = program(TRACES / "guest-pc.ntbt", "--batch", "--symbols", str(tmp_path), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(part in said for part, said in zip(CODE.values(), done.stdout.split(MARK)[1:], strict=True)), done.stdout
    assert "ntb_hw_idt.ko with build-id" in done.stderr


# Exit codes: the words after FILE, what stands in the pipe (None: nothing), the code, parts of output and of error.
STOP_AND_SAY = ("break irq", "commands", "echo hi", "end", "continue")
CODES: dict[str, tuple[list[str], str | None, int, str, str]] = {
    "nothing to do": (["--batch"], None, 0, "", ""),
    "an empty pipe": ([], "", 0, "", ""),
    "a pipe": ([], "step\nstep\n", 0, "1     0.020219", ""),
    "a pipe, as on Windows": ([], "step\r\nstep 2\r\n", 0, "2     0.120555", ""),
    "a pipe without an end": ([], "step\nstep", 0, "1     0.020219", ""),
    "an empty line repeats": ([], "step\n\n\n", 0, "2     0.120555", ""),
    "a pipe after a command": (["--command", "step"], "step\n", 0, "1     0.020219", ""),
    "--batch does not read the pipe": (["--batch"], "frobnicate\n", 0, "", ""),
    "quit leaves the rest": ([], "quit\nfrobnicate\n", 0, "", ""),
    "an expectation that holds not": ([], "expect port == 9\nstep\nexpect port == 9\necho on\n", 1, "on", ""),
    "an expectation of nothing": ([], "expect seq == 0\n", 1, "it has no value there", ""),
    "the first error ends it": ([], "step\nfrobnicate\nstep\n", 2, "attach", "there is no command 'frobnicate'"),
    "an error in --command": (["--batch", "--command", "goto 9999", "--command", "step"], None, 2, "", "0 to 1386"),
    "an error beats an expectation": ([], "expect 0\ngoto 9999\n", 2, "expected 0", "0 to 1386"),
    "commands from --command": ([f"--command={line}" for line in STOP_AND_SAY] + ["--batch"], None, 0, "hi", ""),
    "commands without an end": ([], "break irq\ncommands\nstep\n", 2, "", "needs a line `end`"),
    "commands without a breakpoint": ([], "commands\nend\n", 2, "", "there is no breakpoint: `break` sets one"),
    "--goto": (["--batch", "--goto", "8.5s"], None, 0, "8.503939", ""),
    "--goto end": (["--batch", "--goto", "end"], None, 0, "at the end of the recording", ""),
    "--goto nowhere": (["--batch", "--goto", "99s"], None, 2, "", "it ends at 9.8"),
    "--goto nothing": (["--batch", "--goto", ""], None, 2, "", "a place is an event's number"),
    "--at-divergence": (["--batch", "--at-divergence"], None, 0, "identical: all 1,387 events", ""),
    "both": (["--goto", "1", "--at-divergence"], None, 2, "", "not allowed with"),
    "-x twice": (["--batch", "-x", "one", "-x", "two words"], None, 0, "3     0.1", ""),
    "-x and quotes": (["--batch", "--command", "source 'two words'"], None, 0, "2     0.1", ""),
    "no script": (["--batch", "-x", "none"], None, 2, "", "cannot read none: No such file"),
    "a script that is a folder": (["--batch", "-x", "."], None, 2, "", "cannot read .: Is a directory"),
    "a script that is no text": (["--batch", "-x", "binary"], None, 2, "", "cannot read binary: 'utf-8'"),
    "an error in a script": (["--batch", "-x", "broken"], None, 2, "attach", "broken:2: there is no command"),
    "a script that sources itself": (["--batch", "-x", "loop"], None, 2, "", "does it source itself?"),
    "a script that sources a broken one": (["--batch", "-x", "outer"], None, 2, "", "ntbtrace: broken:2: there is no"),
    "--load": (["--batch", "--load", "mine.py", "--command", "mine a b"], None, 0, "you said 'a b'", ""),
    "--load of nothing": (["--batch", "--load", "none.py"], None, 2, "", "cannot read none.py"),
    "--load of a broken file, in a pipe": (["--load", "broken"], "step\n", 2, "", "broken:1: NameError"),
    "py that fails": ([], "py 1 / 0\n", 2, "", "ZeroDivisionError: division by zero"),
    "py that exits": ([], "py exit()\n", 2, "", "SystemExit"),
    "a name that no file can have": ([], "source \0\n", 2, "", "a file cannot be called"),
    "save to nowhere": ([], "save /nonexist/file\n", 2, "", "cannot write /nonexist/file"),
    "not UTF-8": ([], "\udcff\udcfe\n", 2, "", "there is no command"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripts")
    (path / "one").write_text("step\n")
    (path / "two words").write_text("step 3\n")
    (path / "broken").write_text("step\nfrobnicate\n")
    (path / "loop").write_text("source loop\n")
    (path / "outer").write_text("source broken\n")
    (path / "binary").write_bytes(b"\xff\xfe\n")
    (path / "mine.py").write_text(OWN_FILE)
    return path


def run(words: list[str]) -> object:
    """The exit code."""
    try:
        return cli.main(["repl", str(PINGPONG), *words])
    except SystemExit as end:  # argparse
        return end.code


@pytest.mark.parametrize("what", CODES)
def test_exit_codes(
    what: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, given, code, output, error = CODES[what]
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.StringIO(given or ""))
    assert run(words) == code
    said = capsys.readouterr()
    assert output in said.out
    assert error in said.err
    assert said.err.count("\n") == (1 if error else 0), said.err
    assert "\x1b" not in said.out + said.err
    assert "internal error" not in said.err


def test_a_pipe_to_the_real_program(folder: Path) -> None:
    done = program(PINGPONG, "-x", "two words", given="step\nexpect seq == 0\n", cwd=folder)
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["2", "3", "expected"]
    done = program(PINGPONG, given="step\nfrobnicate\n", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "ntbtrace: there is no command 'frobnicate': `help` lists every command\n"


@pytest.mark.parametrize("words", [["nowhere.ntbt"], ["/dev/null"], ["."]])
def test_files_that_are_no_traces(words: list[str], tmp_path: Path) -> None:
    done = program(*words, "--batch", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("ntbtrace: ")
    assert done.stderr.count("\n") == 1


def test_control_c_ends_a_batch(tmp_path: Path) -> None:
    path = simulate(tmp_path / "run.ntbt")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "ntbtrace", "repl", str(path), "--batch", "--command", "echo begun", "--command",
         "py while True: pass"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ntbtrace", "repl", str(PINGPONG), "--batch", "--command", "list 1000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 141
