# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions: what they mean for one event, that columns and summaries agree, and what is said of wrong ones."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event, Kind, Status, port_of
from ntbtrace.query import columns, parse
from ntbtrace.trace import Trace, open_trace
from tests.support import random_accesses, simulate


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    """Several small blocks with every register hit at random."""
    path = tmp_path_factory.mktemp("query") / "a.ntbt"
    simulate(path, "perf", roll_every=60, after=random_accesses(3, 3000, roll_every=60))
    with open_trace(path) as opened:
        yield opened


def found(trace: Trace, text: str) -> list[Event]:
    """Those that the one-event evaluation takes; the columns and the summaries must agree."""
    where = parse(text, trace.registers)
    taken = []
    for index, info in enumerate(trace.blocks):
        block = trace.block(index)
        events = list(block.events())
        rows = [row for row, event in enumerate(events) if where.test(event)]
        assert columns.select(where, block).tolist() == rows, text
        assert where.may_match(info) or not rows, text
        taken += [events[row] for row in rows]
    return taken


def test_registers_by_any_way_to_them(trace: Trace) -> None:
    ids = trace.registers.find("NTCTL")
    expected = [event for event in trace if event.target & 0xFF_FFFF in ids]
    assert found(trace, "reg == NTCTL") == expected
    assert len({event.offset for event in expected}) > 1, "through GASADATA as well"
    assert found(trace, "reg == ntctl") == expected


def test_an_arrays_name_is_all_of_it(trace: Trace) -> None:
    each = [event for i in range(4) for event in found(trace, f"reg == OUTMSG{i}")]
    assert found(trace, "reg == OUTMSG") == sorted(each)
    assert each


def test_kinds_ports_and_status(trace: Trace) -> None:
    assert found(trace, "kind == irq and port == 2") == [
        event for event in trace if event.kind == Kind.IRQ and port_of(event.endpoint) == 2
    ]
    assert {event.status for event in found(trace, "status in (unknown, limit)")} == {Status.UNKNOWN, Status.LIMIT}
    assert {event.status for event in found(trace, "status not in (ok,)")} <= set(Status) - {Status.OK}


def test_a_field_of_the_register_that_the_event_is_about(trace: Trace) -> None:
    taken = found(trace, "value.TPART == 1")
    assert taken
    assert {trace.registers.name(event.target)[:8] for event in taken} == {"BARSETUP"}
    assert found(trace, "BARSETUP2.TPART == 1") == [e for e in taken if trace.registers.name(e.target) == "BARSETUP2"]


def test_what_is_not_there_is_in_no_comparison(trace: Trace) -> None:
    events = list(trace)
    assert len(found(trace, "cause == cause")) == sum(event.cause is not None for event in events)
    for text in ("cause < 0", "reg != NTCTL and reg == 0", "value // 0 == value // 0", "bar == bar and kind == irq"):
        assert found(trace, text) == [], text
    assert len(found(trace, "not cause == 0")) == len(events)
    assert all(event.target for event in found(trace, "reg != NTCTL"))


@pytest.mark.parametrize(("text", "value"), [
    ("1 + 2 * 3", 7), ("-1", 2**64 - 1), ("~0 >> 60", 15), ("1 << 64", 0), ("1 << 63 << 1", 0), ("5 // 2", 2),
    ("7 % 4", 3), ("1 // 0", None), ("3 - 5", 2**64 - 2), ("6 ^ 3 | 8 & 12", 13), ("1 < 2 < 3", 1), ("1 < 3 < 2", 0),
    ("s(1.5)", 1_500_000_000), ("us(2) + ms(1) + ns(7)", 1_002_007), ("not 0", 1), ("True", 1),
    ("1_000", 1000), ("0x10", 16),
])  # fmt: skip
def test_arithmetic(trace: Trace, text: str, value: int | None) -> None:
    where = parse(text, trace.registers)
    assert where.value(next(iter(trace))) == value
    words, there = columns.values(where, trace.block(0))
    assert (int(words[0]) if there[0] else None) == value


@pytest.mark.parametrize(("text", "says"), [
    ("", "invalid syntax"),
    ("port ==", "invalid syntax"),
    ("port = 2", "invalid syntax.*"),
    ("reg == OUTDBELSET", r"there is no register OUTDBELSET: did you mean OUTDBELLSET.*\(at column 8\)"),
    ("reg < NTCTL", "registers are equal or not"),
    ("kind == irg", "there is no kind irg: did you mean irq"),
    ("status == closd", "there is no status closd: did you mean closed"),
    ("prot == 2", "there is no prot here: did you mean port"),
    ("NTCTL == 2", "the register NTCTL is compared with reg: reg == NTCTL"),
    ("irq", "irq is compared with kind: kind == irq"),
    ("value.TPRT == 1", "no register has a field TPRT: did you mean TPART"),
    ("NTCTL.CPENN", "the register NTCTL does not have a field CPENN: did you mean CPEN"),
    ("offset.CPEN", "offset has no fields: write value.CPEN"),
    ("nothing.CPEN", "there is no nothing here"),
    ("value == 1.5", r"numbers must be whole; a time is s\(1.5\)"),
    ("port in 2", r"what stands behind in must be a list: port in \(0, 2\)"),
    ("port in ()", "must be a list"),
    ("port is 2", "is cannot be used: write =="),
    ("value == 'x'", "cannot have text"),
    ("value[0]", "cannot have"),
    ("a.b.c", "cannot have a name with two dots"),
    ("value / 2", "cannot have /"),
    ("2 ** 99999999 == 1", "cannot have .*\\*\\*"),
    ("print(1)", "the only calls are times"),
    ("__import__('os')", "the only calls are times"),
    ("(lambda: 1)()", "the only calls are times"),
    ("s(-1)", "the only calls are times"),
    ("s(1e30)", "the only calls are times"),
    ("x" * 20000, "at most 10000 characters"),
    ("(" * 500 + "1" + ")" * 500, "too many nested parentheses"),
    ("-" * 5000 + "1", "."),
    ("-" * 200 + "1", "nested more than 100 deep"),
    ("\0", "null bytes"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(trace: Trace, text: str, says: str) -> None:
    with pytest.raises(NtbTraceError, match=says) as error:
        parse(text, trace.registers)
    assert "\n" not in str(error.value)


# The two evaluations and the summaries are equal, whatever the expression

NAMES = ("seq", "t", "port", "function", "kind", "bar", "offset", "size", "value", "reg", "owner", "status", "cause")
FIELDS = ("value.TPART", "value.CPEN", "value.VALID", "BARSETUP2.EN", "MSGSTS.INMSG", "value.STS")
LEAVES = st.sampled_from((
    *NAMES, *FIELDS, "0", "1", "2", "3", "4", "8", "0x10", "200", "0xffff", "-1", "s(1)", "1 << 63",
))  # fmt: skip
WORDS = st.sampled_from((
    "reg == NTCTL", "reg != GASAADDR", "reg == OUTMSG", "reg not in (NTCTL, MSGSTS)", "kind == irq", "kind != work",
    "kind in (mem_read, attach)", "status == ok", "status != unknown", "port in (0, 4)", "port not in (0, 4)",
))  # fmt: skip
NUMBERS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")), inner
        )
        | st.builds("({}{})".format, st.sampled_from(("-", "~")), inner)
    ),
    max_leaves=4,
)
COMPARED = st.builds("({} {} {})".format, NUMBERS, st.sampled_from(("==", "!=", "<", "<=", ">", ">=")), NUMBERS)
TRUTHS = st.recursive(
    COMPARED | WORDS.map("({})".format) | NUMBERS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(("and", "or")), inner) | inner.map("(not {})".format)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TRUTHS)
def test_columns_and_summaries_agree_with_one_event(trace: Trace, text: str) -> None:
    found(trace, text)


@settings(max_examples=100, deadline=None)
@given(text=NUMBERS)
def test_values_agree(trace: Trace, text: str) -> None:
    where = parse(text, trace.registers)
    block = trace.block(len(trace.blocks) // 2)
    words, there = columns.values(where, block)
    assert [int(w) if t else None for w, t in zip(words, there, strict=True)] == list(map(where.value, block.events()))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=30) | st.text(alphabet="()[]{}<>=!&|^~+-*/%.,0123456789abst eq\n\\'\"#", max_size=40))
def test_any_text_is_an_expression_or_one_clear_error(trace: Trace, text: str) -> None:
    with suppress(NtbTraceError):
        parse(text, trace.registers)


def test_a_trace_gives_the_events_of_an_expression(trace: Trace) -> None:
    expected = found(trace, "reg == NTCTL and kind == mmio_write")
    assert list(trace.where("reg == NTCTL and kind == mmio_write")) == expected
    first, last = expected[1].seq, expected[-2].seq
    assert list(trace.where("reg == NTCTL and kind == mmio_write", first, last)) == expected[1:-1]
    with pytest.raises(NtbTraceError, match="there is no register NTCTLL"):
        next(trace.where("reg == NTCTLL"))


def test_arrays_are_the_columns_of_the_same_events(trace: Trace) -> None:
    text = "port == 2 and cause == cause"
    expected = list(trace.where(text))
    arrays = trace.arrays("seq", "t", "value", "cause", where=text)
    assert arrays["seq"].tolist() == [event.seq for event in expected]
    assert arrays["t"].tolist() == [event.t for event in expected]
    assert arrays["cause"].tolist() == [event.cause for event in expected]
    whole = trace.arrays("kind", first=10, last=200)["kind"].tolist()
    assert whole == [event.kind for event in trace.events(10, 200)]
    assert len(trace.arrays("t", where="size == 77")["t"]) == 0
    with pytest.raises(NtbTraceError, match=r"a column is one of seq, t, .*, not colour"):
        trace.arrays("colour")


def test_a_time_has_a_seq(trace: Trace) -> None:
    events = list(trace)
    for t in (0, events[7].t, events[-1].t, events[len(events) // 2].t + 1):
        assert trace.seq_at(t) == next(event.seq for event in events if event.t >= t)
    assert trace.seq_at(events[-1].t + 1) == len(events)
