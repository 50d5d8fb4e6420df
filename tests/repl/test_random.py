# SPDX-License-Identifier: GPL-2.0-or-later
"""Random command lines: whatever is typed, there is an answer or an error in one line, and the session goes on.

Some 300 of them in the suite; NTBTRACE_SOAK=20000 does as many as it says (`make soak`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.repl import commands
from ntbtrace.repl.highlight import Highlighter
from ntbtrace.repl.prompt import bar, completions
from ntbtrace.repl.registry import COMMANDS, TOPICS
from tests.repl.driver import TRACES, Debugger
from tests.support import random_accesses, simulate

commands.load()
LINES = int(os.environ.get("NTBTRACE_SOAK", "300"))
AT_ONCE = 10  # lines in one session

REGISTERS = ("NTCTL", "2:NTCTL.CPEN", "$0:NTINTSTS", "OUTDBELLSET", "OUTMSG", "outmsg0", "BARSETUP2.TPART", "LUTLDATA",
             "NTMTBL1", "SESTS.GSIGNAL", "GASADATA", "9:NTCTL", "NTCTX", "NTCTL.", ".CPEN", "2:", ":", "PCICMDSTS.BME",
             "0:DMACHN0STS", "INDBELLMSK", "SEGSIGSTS")  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "17", "970", "1386", "0x10", "-1", "99999", "9" * 30, "1_0", "0b1", "x")
PLACES = ("start", "end", "50%", "100%", "100.1%", "8.5s", "90us", "1e3s", "+5", "-5", "mark1", "970", "1387", "0x3c8")
EXPRESSIONS = ("kind == irq", "port == 2", "value & 0x3", "old != new", "value.CPEN == 1", "new.DBELL", "t > ms(8000)",
               "seq == 970", "reg == OUTDBELLSET", "kind in (irq, mark)", "$2:NTCTL.CPEN == 1", "NTCTL", "1 / 0",
               "value // (seq - 970)", "value % port", "1 << 99999999", "-value", "not not port", "cause == 970",
               "status != ok", "status == ok and not (port == 0 or port == 2)", "2 ** 9", "lambda: 0", "seq +", "((((",
               "'text'", "value.NOPE", "data", "$", "old.CPEN == 0 and new.CPEN == 1", "bar == 2 and size == 4",
               "owner == 2", "1", "0", "value[0]", "offset < 0x400 <= offset + size", "kind == nonsense")  # fmt: skip
STOPS = ("irq", "irq port=2", "write", "write NTCTL if value & 2", "read NTINTSTS port=0", "access OUTMSG0", "change",
         "change NTCTL.CPEN", "change 2:NTINTSTS if new & 8", "message", "message 1", "window", "window BAR2",
         "mem 0x4b00000 len 64", "mem access 0 len 0x100000000", "if", "if port == 0", "port=2", "port=", "irq if",
         "change SESTS", "change BARSETUP2.TPART if old == new", "change OUTDBELLSET", "change LUTLDATA")  # fmt: skip
WORDS = (*TOPICS.commands, *COMMANDS.commands, "switch", "BAR*", "NT?TL", "expressions", "mark1", "[", "*",
         "none", "mine", "deep", "if", "end", "'", '"', "\\", "#", "\x1b[31m", "\u202e", "é", "\x00", "~",
         "~nobody")  # fmt: skip
CODE = ("1", "trace", "event", "switch", "len(trace)", "1 / 0", "x = 3", "x", "raise SystemExit", "(", "switch.nope",
        "event.seq", "switch.peek(0)", "'\\x1b[31m'", "[] * 3", "exit()", "def f(): return f()", "f()")  # fmt: skip


def one_of(*tables: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([word for table in tables for word in table])


names = st.sampled_from([
    start
    for one in COMMANDS.commands.values()
    for start in (one.name, one.name, *one.aliases, one.name[: len(one.name) // 2 + 1])
])  # fmt: skip
argument = st.one_of(one_of(REGISTERS), one_of(NUMBERS), one_of(PLACES), one_of(EXPRESSIONS), one_of(STOPS),
                     one_of(WORDS))  # fmt: skip
fitting = {  # by what a command takes
    "COUNT": one_of(NUMBERS), "NUMBER": one_of(NUMBERS), "ADDRESS": one_of(NUMBERS), "PORT": one_of(("0", "2", "9")),
    "[PORT:]REG[.FIELD]": one_of(REGISTERS), "EXPR": one_of(EXPRESSIONS, REGISTERS), "WHAT [if EXPR]": one_of(STOPS,
    EXPRESSIONS), "CODE": one_of(CODE), "SEQ|TIME|PERCENT|start|end": one_of(PLACES), "FILE": one_of(("mine", "deep",
    "none", "."))}  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(max_size=30))
    name = draw(names)
    found = [one for one in COMMANDS.commands.values() if name in (one.name, *one.aliases)]
    if found and draw(st.integers(0, 3)):
        given = [draw(fitting.get(one.argument.metavar, argument)) for one in found[0].parameters]
        given = given[: draw(st.integers(sum(one.needed for one in found[0].parameters), len(given)))]
    else:
        given = draw(st.lists(argument, max_size=3)) if name not in ("py", "save") else [draw(one_of(CODE))]
    return " ".join((name, *given))


@pytest.fixture(scope="module")
def debuggers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Debugger]]:
    """Over a recording of real guests, one of several blocks, and one of DMA engines; in a folder of their own."""
    folder = tmp_path_factory.mktemp("random")
    several = simulate(folder / "several.ntbt", roll_every=20, after=random_accesses(3, 200, roll_every=50))
    before = Path.cwd()
    os.chdir(folder)
    Path("deep").write_text("step\nsource deep\n")
    found = [Debugger(path) for path in (TRACES / "pingpong.ntbt", several, TRACES / "dmatest.ntbt")]
    yield found
    for one in found:
        one.close()
    os.chdir(before)


@settings(max_examples=max(1, LINES // AT_ONCE), deadline=None, suppress_health_check=list(HealthCheck))
@given(number=st.integers(0, 2), lines=st.lists(command_lines(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_no_line_is_too_much(debuggers: list[Debugger], number: int, lines: list[str]) -> None:
    debugger = debuggers[number].afresh()
    session = debugger.session
    highlighter = Highlighter(session.registers)
    for line in lines:
        for end in {len(line), len(line) // 2}:
            for choice in completions(session, line[:end]):
                assert choice.length <= end
                assert (choice.text + choice.doc).isprintable()
        assert "".join(text for _, text in highlighter.typed(line)) == line
        said = debugger(line, "end")
        assert all(one.isprintable() for one in said)
        assert "Traceback" not in "".join(said)
        assert session.start <= session.position <= session.end
        assert not session.queue
        assert bar(session)
        session.done = False
    assert debugger("goto start")[0].startswith("at the start"), "the session is as good as ever"
