# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile trace: whatever its names and texts hold, nothing but printable characters comes out."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ntbtrace import cli
from ntbtrace.capture.recorder import Recorder
from ntbtrace.event import WITH_TEXT, Event, Kind
from ntbtrace.repl.highlight import Highlighter
from ntbtrace.repl.prompt import bar, completions
from ntbtrace.trace import open_trace
from tests.repl.conftest import Opener
from tests.support import rewrite, simulate

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e"
LINES = (
    "step 7", "where", "list 60", "timeline 60", "print value", "registers", "registers 0 *", "registers switch",
    "history NTCTL", "history PCICMDSTS", "diff start end", "why NTCTL", "why PCICMDSTS", "break change NTCTL", "c",
    "why", "break write NTCTL", "c", "trace kind == mark or kind == console", "c", "info trace", "info profile",
    "info links", "info windows", "info interrupts", "info coverage", "info breakpoints", "info replay",
    "display NTCTL", "goto end", "rs 3", "why", "up", "py trace.header", "py event", "py registers", "help", "verify",
)  # fmt: skip


def evil(value: Any) -> Any:
    """The same with every text made hostile, but what the reader needs to know them by."""
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, list):
        return [evil(one) for one in value]
    return {name: evil(one) for name, one in value.items()} if isinstance(value, dict) else value


def hostile(tmp_path: Path, more: bool = False) -> Path:
    """`more`: in the profile too, which makes it one that no model has."""

    def after(trace: Recorder) -> None:
        trace.note(Kind.MARK, data=b"a mark")
        trace.port(0).console(b"a line")

    source = simulate(tmp_path / "run.ntbt", after=after)
    with open_trace(source) as trace:
        header = trace.header
    table = json.loads(json.dumps(header.registers))
    for row in table["registers"]:
        row["doc"] = f"{row.get('doc', '')}{EVIL}"
        if row["name"] not in ("NTCTL", "PCICMDSTS"):
            row["name"] += EVIL
        row["fields"] = [
            [f"{name}{EVIL}", lsb, width, f"{access}{EVIL}", {**evil(values), "1": EVIL}, reset, *more]
            for name, lsb, width, access, values, reset, *more in row["fields"]
        ]
    profile = {**header.profile, f"more{EVIL}": EVIL, "chip": EVIL} if more else header.profile

    def change(event: Event) -> Event:
        if event.kind in WITH_TEXT and event.data is not None:
            data = event.data + EVIL.encode()
            return event._replace(data=data, size=len(data))
        return event

    path = tmp_path / f"evil{EVIL.replace('/', '')}.ntbt"
    return rewrite(source, path, change, registers=table, profile=profile, command=f"x {EVIL}", tool=f"y {EVIL}",
                   transports=dict.fromkeys(header.transports, EVIL))  # fmt: skip


@pytest.mark.parametrize("more", [False, True])
def test_nothing_reaches_a_pipe(
    more: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = hostile(tmp_path, more)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    shown = ""
    for line in LINES:  # each for itself: some are refused
        cli.main(["repl", str(path), "--goto", "50%", "--command", line, "--batch"])
        said = capsys.readouterr()
        for text in (said.out, said.err):
            assert all(one.isprintable() for one in text.split("\n")), line
        assert "internal error" not in said.err, said.err
        shown += said.out
    assert shown.count("\\x1b]0;owned") > 100


def test_nothing_reaches_the_prompt(opened: Opener, tmp_path: Path) -> None:
    session = opened(hostile(tmp_path)).session
    session.position = session.end
    for text in ("print ", "print N", "break write ", "registers ", "print value.", "break change NTCTL.", "goto "):
        found = list(completions(session, text))
        assert found
        assert all((choice.text + choice.doc).isprintable() for choice in found)
    assert bar(session).isprintable()
    assert all(text.isprintable() for _, text in Highlighter(session.registers).typed("print NTCTL"))


def test_marks_are_in_it(tmp_path: Path) -> None:
    with open_trace(hostile(tmp_path)) as trace:
        texts = [event.data or b"" for event in trace if event.kind in WITH_TEXT]
    assert all(EVIL.encode() in text for text in texts)
    assert len(texts) > 10
