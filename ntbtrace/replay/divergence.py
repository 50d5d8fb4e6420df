# SPDX-License-Identifier: GPL-2.0-or-later
"""Divergence: where a replay first gave something else than was recorded, and in what it differed."""

from collections.abc import Sequence
from dataclasses import dataclass

from ntbtrace.event import INLINE, Event, Kind
from ntbtrace.replay.host import Effect

# What differs
VALUE = "value"  # the answer to a read
STATUS = "status"
TARGET = "target"
EFFECT = "effect"  # an effect came, but not with the recorded fields
MISSING = "missing effect"  # recorded; the model did not produce it
UNEXPECTED = "unexpected effect"  # the model produced it; not recorded
STATE = "state"  # the device's state at the start of a block
KIND = "kind"  # a stimulus that this model cannot perform

_READS = (Kind.CFG_READ, Kind.MMIO_READ)


@dataclass(frozen=True)
class Difference:
    """One thing that differs at event `seq`. `field` is a column of the event; '' where a whole effect
    or state differs.

    `recorded` and `computed` are what stands in that column: an int, or the bytes of a mem_write. For a
    whole effect they are that Effect, and None on the side that does not have it.
    """

    what: str
    seq: int
    field: str
    recorded: int | bytes | Effect | None
    computed: int | bytes | Effect | None


@dataclass(frozen=True)
class Divergence:
    """`event` is the stimulus being served (for STATE: the first event of the block); `differences` is
    never empty.
    """

    event: Event
    differences: tuple[Difference, ...]

    @property
    def first(self) -> Difference:
        """The difference that came first: effects come before the reply."""
        return self.differences[0]

    @property
    def seq(self) -> int:
        """The event at which it shows: the effect, or the stimulus itself."""
        return self.first.seq


@dataclass(frozen=True)
class Outcome:
    """What the model did for one stimulus. `effects` begins with the first that differs, number
    `matched`.
    """

    answer: int
    target: int
    status: int
    matched: int
    effects: Sequence[Effect]


def compare(stimulus: Event, recorded: Sequence[Event], outcome: Outcome) -> tuple[Difference, ...]:
    """What differs between a stimulus with its recorded effects and what the model made of it."""
    seq = stimulus.seq
    found = _compare_effects(seq, recorded[outcome.matched :], outcome.effects)
    if stimulus.kind in _READS and outcome.answer != stimulus.value:
        found.append(Difference(VALUE, seq, "value", stimulus.value, outcome.answer))
    if outcome.target != stimulus.target:
        found.append(Difference(TARGET, seq, "target", stimulus.target, outcome.target))
    if outcome.status != stimulus.status:
        found.append(Difference(STATUS, seq, "status", stimulus.status, outcome.status))
    return tuple(found)


def effect_of(event: Event) -> Effect:
    """A recorded effect in the form in which the host collects computed ones."""
    if event.kind == Kind.MEM_WRITE:
        data = event.data if event.size > INLINE else event.value.to_bytes(event.size, "little")
        return Effect(event.kind, event.endpoint, event.offset, event.size, data=data)
    value = event.value if event.kind == Kind.IRQ else 0  # a mem_read's value is an input, not the model's doing
    return Effect(event.kind, event.endpoint, event.offset, event.size, value)


def _compare_effects(seq: int, events: Sequence[Event], computed: Sequence[Effect]) -> list[Difference]:
    """The first effect that differs. One too many or too few is told from one that is wrong by what
    follows it.
    """
    recorded = [effect_of(event) for event in events]
    if not recorded and not computed:
        return []
    if recorded and (not computed or list(computed) == recorded[1:]):
        return [Difference(MISSING, events[0].seq, "", recorded[0], None)]
    if not recorded or list(computed[1:]) == recorded:
        return [Difference(UNEXPECTED, events[0].seq if events else seq, "", None, computed[0])]
    found = [
        Difference(EFFECT, events[0].seq, field, was, now)
        for field, was, now in zip(Effect._fields, recorded[0], computed[0], strict=True)
        if was != now
    ]
    if events[0].cause != seq:
        found.append(Difference(EFFECT, events[0].seq, "cause", events[0].cause, seq))
    return found
