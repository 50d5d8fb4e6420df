# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' code in the debugger: breakpoints at functions and lines, lists of source, profiles."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.repl.session import Session
from ntbtrace.repl.shell import Shell
from ntbtrace.symbols import Sources, attach
from tests.repl.driver import Debugger
from tests.symbols.making import READY, SOURCE, annotated, make_module

TEXT = SOURCE.splitlines()
LINE = TEXT.index("\tput(base, 8, total);") + 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trace, and the directory of the module whose functions made its accesses."""
    directory = tmp_path_factory.mktemp("code")
    return annotated(directory / "run.ntbt", make_module(directory / "modules")), directory / "modules"


@pytest.fixture
def debugger(made: tuple[Path, Path]) -> Iterator[Debugger]:
    path, modules = made
    debugger = Debugger(path)
    trace = debugger.session.trace
    debugger.session = Session(trace, debugger.out, attach(trace, [modules]), [modules])
    debugger._shell = Shell(debugger.session, debugger.out)
    yield debugger
    debugger.close()


def by(debugger: Debugger, expression: str) -> list[int]:
    return [event.seq for event in debugger.session.trace.where(expression)]


@pytest.mark.parametrize(("text", "expression"), [
    ("at sum", 'func == "sum"'),
    (f"at demo.c:{LINE}", f'line == "demo.c:{LINE}"'),
    ("at sum if offset > 100", 'func == "sum" and offset > 100'),
    ("at demo.c", 'file == "demo.c"'),
])  # fmt: skip
def test_stops_where_the_code_stands(debugger: Debugger, text: str, expression: str) -> None:
    seqs = by(debugger, expression)
    assert len(seqs) > 5
    debugger(f"break {text}")
    for seq in seqs[:5]:
        debugger("continue")
        assert debugger.here == seq
    debugger("reverse-continue")
    assert debugger.here == seqs[3]


@pytest.mark.parametrize(("text", "said"), [
    ("at summ", "there is no function summ in the guests' code: did you mean sum?"),
    ("at demo.d:3", "there is no source file demo.d"),
    ("at", "at takes a function or a line"),
    ("at sum work", "at takes a function or a line"),
])  # fmt: skip
def test_what_is_no_code(debugger: Debugger, text: str, said: str) -> None:
    (line,) = debugger(f"break {text}")
    assert line.startswith("error: ")
    assert said in line


def test_the_line_of_an_event_names_its_code(debugger: Debugger) -> None:
    seq = by(debugger, 'func == "sum"')[0]
    (line,) = debugger(f"goto {seq}")
    assert "by " in line
    assert f"[demo.c:{LINE}" in line or "sum" in line
    assert any("sum" in listed for listed in debugger("list 4"))
    assert "sum" in debugger("where")[1]


def test_the_source_of_an_event(debugger: Debugger) -> None:
    seq = by(debugger, f'line == "demo.c:{LINE}"')[0]
    debugger(f"goto {seq}")
    said = debugger("list source")
    assert f">{LINE:>6}  {TEXT[LINE - 1].expandtabs(8)}" in said
    assert any(line.startswith("sum [demo.c:") for line in said)


def test_the_source_of_a_function_and_of_a_line(debugger: Debugger) -> None:
    said = debugger("list sum")
    assert any("unsigned sum(void *base)" in line for line in said)
    assert any(line.startswith(">") for line in said), "lines that made accesses are marked"
    assert any(f"{LINE:>6}  " in line for line in debugger(f"list demo.c:{LINE}"))
    assert "did you mean" in debugger("list summ")[0]
    assert debugger("list 0") == ["error: COUNT must be a whole number from 1 on, not '0'"]
    assert debugger("list demo.c:9999")[0].endswith(f"demo.c has {len(TEXT)} lines")
    debugger.session.sources = Sources([Path("/proc")])
    assert "there is no text" in debugger("list demo.c:9")[0]


def test_an_event_that_no_code_is_known_of(debugger: Debugger) -> None:
    unknown = next(
        e.seq for e in debugger.session.trace.events(READY) if debugger.session.guests_code.frames(e.seq) is None
    )
    debugger(f"goto {unknown}")
    assert f"it is not known which line made event {unknown}" in debugger("list source")[0]
    assert "at the start there is no event" in debugger("goto start", "list source")[-1]


def test_a_profile(debugger: Debugger) -> None:
    said = debugger("info functions")
    assert said[0].split() == ["own", "total", "function"]
    counts = {line.split()[2]: line.split()[:2] for line in said[1:]}
    assert int(counts["sum"][1].replace(",", "")) == len(by(debugger, 'func == "sum"'))
    assert [line.split()[2] for line in debugger("info functions su*")[1:]] == ["sum"]
    assert "is called" in debugger("info functions nothing")[0]


def test_a_trace_without_code_says_so(pingpong: Debugger) -> None:
    for line in ("break at sum", "list source", "list sum", "info functions"):
        (said,) = pingpong("goto 5", line)[1:]
        assert said.endswith("has no code of its guests: `record --guest-pc` makes such traces")


def test_a_value_is_the_name(debugger: Debugger) -> None:
    seq = by(debugger, 'func == "sum"')[0]
    frame = next(frame for frame in debugger.session.guests_code.frames(seq) or () if frame.module)
    said = debugger(f"goto {seq}", "print func", "print file", "print line")[-3:]
    assert said[:2] == [f"func = {frame.function}", f"file = {frame.file}"]
    assert said[2].endswith(f"({frame.line})")


def test_code_that_made_no_access_is_said(debugger: Debugger) -> None:
    made = {
        line
        for path, lines in debugger.session.guests_code.lines().items()
        if path.endswith("demo.c")
        for line in lines
    }
    silent = next(line for line in range(1, len(TEXT)) if line not in made)
    near = sorted(sorted(made, key=lambda line: abs(line - silent))[:3])
    remark = "  no event of this recording can match it"
    said = debugger(f"break at demo.c:{silent} if port == 0")
    assert said[1] == f"{remark}: lines near it that made accesses are {', '.join(map(str, near))}"
    assert debugger(f"break func == sum and line == {silent}")[1:] == [remark]
    assert len(debugger(f"break at demo.c:{LINE}")) == 1


def test_a_directory_of_sources_that_is_none_is_said_at_once(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path, modules = made
    assert cli.main(["repl", str(path), "--batch", "--symbols", str(modules), "--source", "nowhere"]) == 2
    assert capsys.readouterr().err == "ntbtrace: --source nowhere: there is no such directory\n"
