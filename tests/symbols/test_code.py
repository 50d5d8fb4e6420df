# SPDX-License-Identifier: GPL-2.0-or-later
"""Names for the accesses of a trace: chains, their scope in time, what expressions find, what is said when something is
missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import ACCESSES, Event
from ntbtrace.query import columns, parse
from ntbtrace.symbols import Code, Frame, Sources, attach, chain_text
from ntbtrace.symbols.chains import GuestNames
from ntbtrace.symbols.find import ModuleFiles
from ntbtrace.symbols.module import read_module
from ntbtrace.trace import Trace, open_trace
from ntbtrace.trace.guest_symbols import Boot, GuestSymbols, Module
from ntbtrace.trace.sites import Chain
from tests.symbols.making import GONE, HELPER, READY, annotated, calls, make_module


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_module(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def path(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated(tmp_path_factory.mktemp("code") / "a.ntbt", demo)


@pytest.fixture(scope="module")
def opened(demo: Path, path: Path) -> Iterator[tuple[Trace, Code]]:
    with open_trace(path) as trace:
        yield trace, attach(trace, [demo.parent])


def found(opened: tuple[Trace, Code], text: str) -> list[Event]:
    """Those that the one-event evaluation takes; the columns and the summaries must agree."""
    trace, _ = opened
    where = parse(text, trace.registers)
    taken = []
    for index, info in enumerate(trace.blocks):
        block = trace.block(index)
        events = list(block.events())
        rows = [row for row, event in enumerate(events) if where.test(event)]
        assert columns.select(where, block).tolist() == rows, text
        assert where.may_match(info) or not rows, text
        words, there = columns.values(where, block)
        values = [int(w) if t else None for w, t in zip(words, there, strict=True)]
        assert values == [where.value(event) for event in events], text
        taken += [events[row] for row in rows]
    return taken


def test_a_chain_is_named_and_written(opened: tuple[Trace, Code], demo: Path) -> None:
    trace, code = opened
    texts = {code.text(event.seq) for event in trace if event.kind in ACCESSES and event.seq < READY}
    assert "" in texts, "the other guest's"
    assert "?" in texts
    assert "iowrite32+0x9" in texts
    assert any(
        text.startswith("iowrite32+0x9 <- put [demo.c:5 inlined] <- both [:17 inlined] <- work+0x") for text in texts
    )
    assert any("refuse+0x" in text for text in texts)
    frames = next(f for e in trace if (f := code.frames(e.seq)) and len(f) > 3)
    assert [frame.module for frame in frames[:2]] == ["", "demo"]
    assert frames[0] == Frame("iowrite32", 9, "", 0, "", HELPER.start + 9)


def test_what_stands_where_changes_with_time(demo: Path) -> None:
    real = read_module(demo).build_id
    first = Module("demo", real, 0x2000, {".init.text": 0x5000, ".text": 0x1000}, 10, 20, 50)
    second = Module("demo", real, 0x2000, {".text": 0x5000}, 30, 40, None)
    again = Boot(100, "6.1", [], [Module("demo", real, 0x2000, {".text": 0x1000}, 110, 120, None)])
    names = GuestNames(GuestSymbols(0, [Boot(0, "6.1", [], [first, second]), again]), ModuleFiles([demo.parent]))
    site = calls(demo)[".text"][0]

    def at(address: int, seq: int) -> str:
        return names.frames(Chain(1, (address,)), seq)[-1].function

    assert at(0x1000 + site, 10) == at(0x1000 + site, 50) == at(0x5000 + site, 30) == at(0x1000 + site, 110) != ""
    assert at(0x5000, 10) == at(0x5000, 20) == "start"
    for address, seq in (
        (0x1000, 9),
        (0x5000, 21),
        (0x1000, 51),
        (0x5000, 100),
        (0x1000, 109),
        (0x4FFF, 35),
        (0x7000, 35),
    ):
        assert at(address, seq) == "", (hex(address), seq)
    assert names.epochs == [0, 10, 21, 30, 41, 51, 100, 110, 121]


def test_expressions_find_every_access_of_a_function(opened: tuple[Trace, Code]) -> None:
    trace, code = opened
    for name in ("work", "put", "both", "refuse", "iowrite32"):
        expected = [e for e in trace if any(f.function == name for f in code.frames(e.seq) or ())]
        assert found(opened, f'func == "{name}"') == found(opened, f"func == {name}") == expected
        assert expected
        others = [e for e in trace if code.frames(e.seq) and e not in expected and code.frames(e.seq) != ()]
        assert [e for e in found(opened, f"func != {name}") if e not in others] == []
    lines = sorted({f.line for e in trace for f in code.frames(e.seq) or () if f.line})
    for line in lines:
        expected = [e for e in trace if any(f.line == line for f in code.frames(e.seq) or ())]
        assert found(opened, f"line == {line}") == found(opened, f'line == "demo.c:{line}"') == expected
    assert len(found(opened, f"line > {lines[0]} and line < {lines[-1]}")) > 0
    assert found(opened, 'file == "demo.c"') == found(opened, 'file in ("demo.c",)') != []
    assert found(opened, 'func in ("work", "refuse") and kind == mmio_write') != []
    assert found(opened, "line == 10 + 15") == found(opened, "line + 0 == 25") != [], "as a value: of the innermost one"
    assert list(trace.where("func == work")) == found(opened, "func == work")


ATOMS = st.sampled_from((
    "func == work", 'func != "put"', "func in (refuse, both)", "line == 17", "line < 20", "line != 5", "line >= 5",
    'file == "demo.c"', 'file != "demo.c"', 'line == "demo.c:23"', "kind == mmio_read", "line", "func", "file",
    "line == value", "func + 1", "line % 2", "port == 0",
))  # fmt: skip
TRUTHS = st.recursive(
    ATOMS.map("({})".format),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(("and", "or", "==", "&")), inner)
        | inner.map("(not {})".format)
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None)
@given(text=TRUTHS)
def test_the_two_evaluations_agree(opened: tuple[Trace, Code], text: str) -> None:
    found(opened, text)


@pytest.mark.parametrize(("text", "says"), [
    ("func == wrok", r"there is no function wrok in the guests' code: did you mean work\? \(at column 9\)"),
    ('func == "refuze"', "did you mean refuse"),
    ('file == "dmo.c"', "there is no source file dmo.c in the guests' code: did you mean demo.c"),
    ('line == "dmo.c:5"', "did you mean demo.c"),
    ('line == "5"', "a line is a number, or FILE:LINE in quotes, not 5"),
    ("func < work", "names are equal or not: func == 'work'"),
    ("value == 'x'", "cannot have text"),
    ("func == func()", "the only calls are times"),
])  # fmt: skip
def test_a_wrong_name_is_answered_with_the_nearest(opened: tuple[Trace, Code], text: str, says: str) -> None:
    with pytest.raises(NtbTraceError, match=says) as error:
        parse(text, opened[0].registers)
    assert "\n" not in str(error.value)


def test_a_trace_without_code_says_so(path: Path) -> None:
    with open_trace(path) as trace, pytest.raises(NtbTraceError, match="this trace has none: record with --guest-pc"):
        parse("func == work", trace.registers)


def test_functions_are_counted(opened: tuple[Trace, Code]) -> None:
    trace, code = opened
    counts = {one.function: one for one in code.counts()}
    assert counts["work"].total == len(found(opened, "func == work")) == counts["work"].own
    assert counts["start"].total == len(found(opened, "func == start")) > counts["start"].own > 0
    assert counts["iowrite32"].total == trace.annotations.counts.known
    assert sum(one.own for one in counts.values()) == trace.annotations.counts.known
    assert counts["put"].own == 0, "it is inlined everywhere"
    only = code.counts(lambda index: slice(0))
    assert only == []


def test_a_place_to_break_at_is_an_expression(opened: tuple[Trace, Code]) -> None:
    _, code = opened
    assert code.where("work") == 'func == "work"'
    assert code.where("demo.c") == 'file == "demo.c"'
    assert code.where("demo.c:17") == 'line == "demo.c:17"'
    with pytest.raises(NtbTraceError, match=r"did you mean demo\.c"):
        code.where("demmo.c:17")


def test_without_the_modules_file_there_are_addresses_and_a_word(path: Path, demo: Path, tmp_path: Path) -> None:
    with open_trace(path) as trace:
        code = attach(trace, [tmp_path])
        texts = {code.text(event.seq) for event in trace if event.kind in ACCESSES and event.seq < READY}
        assert any("iowrite32+0x9 <- demo.text+0x" in text for text in texts), texts
        assert [line.split(" is missing")[0].split(" with")[0] for line in code.problems] == ["demo.ko"]
        assert [event.seq for event in trace.where("func == iowrite32")]
        with pytest.raises(NtbTraceError, match=r"there is no function work in the guests' code: demo\.ko with"):
            parse("func == work", trace.registers)


def test_a_module_of_another_build_is_refused(demo: Path, tmp_path: Path) -> None:
    path = annotated(tmp_path / "b.ntbt", demo, build_id="ab" * 20)
    with open_trace(path) as trace:
        code = attach(trace, [demo.parent])
        assert all(frame.file == "" for event in trace for frame in code.frames(event.seq) or ())
        assert "is of another build" in code.problems[0]


def test_behind_the_modules_end_nothing_has_a_name(opened: tuple[Trace, Code]) -> None:
    trace, code = opened
    late = {frame.function for e in trace.events(GONE + 1) for frame in code.frames(e.seq) or ()}
    assert late == {"", "iowrite32"}


def test_an_unknown_chain_has_a_mark() -> None:
    assert chain_text(()) == "?"
    assert chain_text((Frame("", None, "", 0, "", 0xFFFF),)) == "0xffff"


def test_a_function_has_a_place_in_the_source(opened: tuple[Trace, Code]) -> None:
    _, code = opened
    for name, first in (("work", 23), ("both", 17), ("start", 31)):
        place = code.source_of(name)
        assert place is not None
        assert place[0].endswith("demo.c")
        assert abs(place[1] - first) <= 1, (name, place)
    assert code.source_of("iowrite32") is None


def test_source_text_is_found_below_a_directory(demo: Path, tmp_path: Path) -> None:
    sources = Sources([demo.parent])
    assert sources.lines("/build/of/another/demo.c")[17].startswith("\tif (sum(base) > 3)")
    assert list(sources.around("demo.c", 2, 5, 1)) == list(enumerate(sources.lines("demo.c")[:3], 1))
    assert sources.lines("none.c") == ()
    assert list(sources.around("demo.c", 5000)) == list(sources.around("none.c", 1)) == []
    (tmp_path / "below").mkdir()
    (tmp_path / "secret.c").write_text("no")
    assert Sources([tmp_path / "below"]).lines("../secret.c") == ()
    with pytest.raises(NtbTraceError, match="--source nowhere: there is no such directory"):
        Sources([Path("nowhere")])
