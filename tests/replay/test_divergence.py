# SPDX-License-Identifier: GPL-2.0-or-later
"""compare(): what differs between recorded effects and those that the model made."""

from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.event import NO_BAR, Event, Kind, Status
from ntbtrace.replay.divergence import (
    EFFECT,
    MISSING,
    STATUS,
    TARGET,
    UNEXPECTED,
    VALUE,
    Difference,
    Outcome,
    compare,
    effect_of,
)  # fmt: skip
from ntbtrace.replay.host import Effect


def stimulus(kind: Kind = Kind.MMIO_WRITE, value: int = 7) -> Event:
    return Event(10, 0, kind, 0, 2, 0x40, 4, value, 5, Status.OK, None, None)


def written(seq: int, offset: int, value: int = 1) -> Event:
    return Event(seq, 0, Kind.MEM_WRITE, 16, NO_BAR, offset, 4, value, 0, 0, 10, None)


def outcome(*effects: Effect, answer: int = 7, target: int = 5, status: int = 0, matched: int = 0) -> Outcome:
    return Outcome(answer, target, status, matched, effects)


def test_nothing_differs() -> None:
    assert compare(stimulus(), [], outcome()) == ()
    assert compare(stimulus(), [written(11, 0)], outcome(matched=1)) == ()


def test_a_write_has_no_answer_and_a_read_has() -> None:
    assert compare(stimulus(), [], outcome(answer=8)) == ()
    assert compare(stimulus(Kind.MMIO_READ), [], outcome(answer=8)) == (Difference(VALUE, 10, "value", 7, 8),)


def test_target_and_status() -> None:
    assert compare(stimulus(), [], outcome(target=6, status=2)) == (
        Difference(TARGET, 10, "target", 5, 6),
        Difference(STATUS, 10, "status", 0, 2),
    )


def test_the_field_of_an_effect() -> None:
    found = compare(stimulus(), [written(11, 0x100, 1)], outcome(effect_of(written(11, 0x100, 2))))
    assert found == (Difference(EFFECT, 11, "data", b"\1\0\0\0", b"\2\0\0\0"),)


def test_effects_come_before_the_answer() -> None:
    found = compare(stimulus(Kind.MMIO_READ), [written(11, 0)], outcome(answer=9))
    assert [difference.what for difference in found] == [MISSING, VALUE]


EFFECTS_OF_ONE = st.lists(st.integers(0, 1 << 20), min_size=1, max_size=6, unique=True)


@given(EFFECTS_OF_ONE, st.data())
def test_a_missing_effect_is_named_wherever_it_was(offsets: list[int], data: st.DataObject) -> None:
    recorded = [written(11 + index, offset) for index, offset in enumerate(offsets)]
    gone = data.draw(st.integers(0, len(offsets) - 1))
    computed = [effect_of(event) for event in recorded if event.seq != 11 + gone][gone:]
    (found,) = compare(stimulus(), recorded, outcome(*computed, matched=gone))
    assert (found.what, found.seq, found.recorded) == (MISSING, 11 + gone, effect_of(recorded[gone]))


@given(EFFECTS_OF_ONE, st.data())
def test_an_unexpected_effect_is_named_wherever_it_is(offsets: list[int], data: st.DataObject) -> None:
    computed = [effect_of(written(0, offset)) for offset in offsets]
    extra = data.draw(st.integers(0, len(offsets) - 1))
    rest = [offset for index, offset in enumerate(offsets) if index != extra]
    recorded = [written(11 + index, offset) for index, offset in enumerate(rest)]
    (found,) = compare(stimulus(), recorded, outcome(*computed[extra:], matched=extra))
    assert (found.what, found.computed) == (UNEXPECTED, computed[extra])
