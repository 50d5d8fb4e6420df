# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions that ask the device: names, what they are without it, and expressions that can never be true."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Event
from ntbtrace.query import Asking, Expression, parse
from ntbtrace.query.impossible import never
from ntbtrace.trace import Trace, open_trace
from tests.support import random_accesses, simulate


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    path = tmp_path_factory.mktemp("query") / "a.ntbt"
    simulate(path, "perf", after=random_accesses(3, 2000))
    with open_trace(path) as opened:
        yield opened


class Moment:
    """A device whose registers hold what the test says."""

    def __init__(self, before: int, after: int, number: int, held: dict[tuple[int | None, int], int]) -> None:
        self.values = before, after
        self.number = number
        self.registers = held

    def moved(self, after: bool) -> tuple[int, int] | None:
        return (self.number, self.values[after]) if self.number else None

    def held(self, owner: int | None, number: int) -> int | None:
        return self.registers.get((owner, number))


def value(trace: Trace, text: str, asking: Asking = Asking.MARKED) -> int | None:
    """With BARSETUP2 gone from TPART 0 to 1, NTCTL holding CPEN here and nothing at port 2."""
    (setup,), (control,) = trace.registers.find("BARSETUP2"), trace.registers.find("NTCTL")
    moment = Moment(0, 1 << 13, setup, {(None, control): 2, (2, control): 0})
    event = next(trace.where("reg == BARSETUP2 and kind == mmio_write"))
    return parse(text, trace.registers, asking).at(moment)(event)


@pytest.mark.parametrize(("text", "expected"), [
    ("$NTCTL", 2), ("$NTCTL.CPEN", 1), ("$2:NTCTL", 0), ("$2:NTCTL.CPEN == 0", 1), ("$ntctl.cpen", 1),
    ("old", 0), ("new", 1 << 13), ("old.TPART", 0), ("new.TPART", 1),
    ("new.TPART != old.TPART and reg == BARSETUP2", 1),
    ("old.CPEN", None), ("$NTINTSTS", None), ("not $NTINTSTS == 0", 1), ("$NTCTL == $2:NTCTL", 0),
])  # fmt: skip
def test_what_the_device_is_asked(trace: Trace, text: str, expected: int | None) -> None:
    assert value(trace, text) == expected


@pytest.mark.parametrize(("text", "expected"), [("NTCTL", 2), ("NTCTL.CPEN", 1), ("2:NTCTL", 0), ("$NTCTL", 2)])
def test_print_needs_no_mark(trace: Trace, text: str, expected: int) -> None:
    assert value(trace, text, Asking.BARE) == expected


@pytest.mark.parametrize(("text", "asking", "said"), [
    ("$NTCTL", Asking.NOTHING, "only the debugger knows what the register NTCTL holds (at column 1)"),
    ("1 == 2:NTCTL", Asking.MARKED, "write a $ before it for what the register NTCTL holds (at column 6)"),
    ("NTCTL == 2", Asking.MARKED, "what it holds is $NTCTL"),
    ("$NTCTX", Asking.MARKED, "there is no register NTCTX: did you mean NTCTL?"),
    ("NTCTL.CPEX", Asking.BARE, "does not have a field CPEX: did you mean CPEN?"),
    ("OUTMSG", Asking.BARE, "OUTMSG is 4 registers: say which, such as OUTMSG0"),
    ("old", Asking.NOTHING, "there is no old here"),
    ("old.NOPE", Asking.MARKED, "no register has a field NOPE"),
    ("1:2", Asking.BARE, "invalid syntax"),
])  # fmt: skip
def test_what_is_said_of_wrong_ones(trace: Trace, text: str, asking: Asking, said: str) -> None:
    with pytest.raises(NtbTraceError) as wrong:
        parse(text, trace.registers, asking)
    assert said in str(wrong.value)


@pytest.mark.parametrize(("text", "without"), [
    ("kind == irq and $NTCTL", "kind == irq"),
    ("kind == irq and port == 2 and old != new", "kind == irq and port == 2"),
    ("kind == irq or $NTCTL", "1"),
    ("kind == irq or (port == 0 and $NTCTL)", "kind == irq or port == 0"),
    ("not $NTCTL", "1"),
    ("value + $NTCTL == 3", "1"),
    ("port == 0", "port == 0"),
])  # fmt: skip
def test_without_the_device_more_is_true(trace: Trace, text: str, without: str) -> None:
    found = parse(text, trace.registers, Asking.MARKED)
    assert found.without_device.root == parse(without, trace.registers).root
    assert found.asks_device == (text != without)


IMPOSSIBLE = [
    ("kind == irq and kind == mark", "kind cannot be irq and mark at once"),
    ("port == 0 and port == 2", "port cannot be 0 and 2 at once"),
    ("reg == NTCTL and reg == SESTS", "an event is about one register, not about two"),
    ("reg == NTCTL and value.TPART == 1", "that register does not have a field TPART"),
    ("kind == irq and reg == NTCTL", "irq is about no register"),
    ("kind == irq and value.CPEN == 1", "only an access has a field, and irq is none"),
    ("NTCTL.CPEN == 2", "CPEN has 1 bit, at most 0x1"),
    ("NTCTL.CPEN > 1", "CPEN has 1 bit"),
    ("2 == NTCTL.CPEN", "CPEN has 1 bit"),
    ("1 == 2", "1 == 2 is false"),
    ("0", "it is 0"),
    ("kind == irq and 0", "it is 0"),
    ("1 == 2 or 3 == 4", "1 == 2 is false"),
]


@pytest.mark.parametrize(("text", "said"), IMPOSSIBLE)
def test_why_it_can_never_be_true(trace: Trace, text: str, said: str) -> None:
    assert said in (never(parse(text, trace.registers).root) or "")
    assert not list(trace.where(text))


_ATOMS = [
    "kind == irq", "kind == mmio_write", "kind in (irq, mmio_read)", "port == 0", "port == 2", "reg == NTCTL",
    "status == ok", "reg == OUTMSG", "value.CPEN == 1", "NTCTL.CPEN >= 1", "NTCTL.CPEN > 1",
    "value.TPART < 8", "1", "0",
    "bar == 0", "cause == 7",
    "kind == inject", "reg != NTCTL", "NTINTSTS.DBELL == 0", "2 > value.DBELL",
]  # fmt: skip


def _texts() -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(_ATOMS),
        lambda inner: st.tuples(inner, st.sampled_from(["and", "or", "and not"]), inner).map(
            lambda p: f"({' '.join(p)})"
        ),
        max_leaves=6,
    )


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_texts())
def test_what_is_never_true_is_never_true(trace: Trace, text: str) -> None:
    expression = parse(text, trace.registers)
    if never(expression.root):
        assert not next(trace.where(expression), None)


@settings(deadline=None, max_examples=200)
@given(text=st.text(alphabet="$2:NTCTL.CPENoldnew =!<>&()0 andor", max_size=40), asking=st.sampled_from(list(Asking)))
def test_any_text_is_an_expression_or_said_to_be_none(trace: Trace, text: str, asking: Asking) -> None:
    with suppress(NtbTraceError):
        assert isinstance(parse(text, trace.registers, asking), Expression)


def test_newest_first_is_the_same_backwards(trace: Trace) -> None:
    def taken(newest_first: bool) -> list[Event]:
        found = []
        for block, rows in trace.select("kind == mmio_write", 100, 900, newest_first=newest_first):
            found += list(block.events_at(rows[::-1] if newest_first else rows))
        return found

    assert taken(True) == taken(False)[::-1]
    assert len(taken(True)) > 50
