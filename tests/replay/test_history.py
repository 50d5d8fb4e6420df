# SPDX-License-Identifier: GPL-2.0-or-later
"""The history of a register: the same as looking after every event."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import device
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Kind
from ntbtrace.replay.history import changes
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace, open_trace
from tests.dma import record_copies
from tests.replay.test_walking import V1
from tests.support import random_accesses, simulate

slow = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = 0xFFFF_FFFF
NAMES = ("INDBELLSTS", "NTINTSTS", "NTCTL", "BARSETUP2", "MSGSTS", "PCICMDSTS", "OUTMSG0", "INMSG1", "LUTLDATA",
         "ECFGDATA", "GASADATA", "NTMTBLDATA", "MSIMDATA", "OUTDBELLSET", "BARLIMIT3", "INDBELLMSK")  # fmt: skip
OF_THE_SWITCH = ("GDBELLSTS", "SESTS", "SELINKUPSTS", "NTMTBL0", "SWPORT2STS", "SWP0MSGCTL0")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(
        tmp_path_factory.mktemp("history") / "run.ntbt", roll_every=200, after=random_accesses(5, 4000, 500)
    )


@pytest.fixture(scope="module")
def trace(path: Path) -> Iterator[Trace]:
    with open_trace(path) as opened:
        yield opened


States = list[dict[int, int | None]]


def look(trace: Trace) -> States:
    """What every register holds at every position."""
    player = Player(trace)
    targets = player.switch.state_targets()
    found = []
    while True:
        found.append({target: player.switch.peek(target) for target in targets})
        if player.position == player.end:
            return found
        player.step()


@pytest.fixture(scope="module")
def states(trace: Trace) -> States:
    return look(trace)


def right(states: States, target: int, mask: int, first: int, last: int) -> list[tuple[int, int, int]]:
    values = [(state[target] or 0) & mask for state in states[first : last + 2]]
    return [(first + i, a, b) for i, (a, b) in enumerate(pairwise(values)) if a != b]


def found(
    trace: Trace, target: int, mask: int = WHOLE, *span: int, newest_first: bool = False
) -> list[tuple[int, int, int]]:
    return [(c.event.seq, c.old, c.new) for c in changes(trace, target, mask, *span, newest_first=newest_first)]


def targets(trace: Trace) -> st.SearchStrategy[int]:
    named = [port << 24 | trace.registers.find(name)[0] for name in NAMES for port in (0, 2)]
    named += [0xFF << 24 | trace.registers.find(name)[0] for name in OF_THE_SWITCH]
    return st.sampled_from(named) | st.sampled_from(Player(trace).switch.state_targets())


@slow
@given(data=st.data(), newest_first=st.booleans())
def test_the_same_as_looking_after_every_event(
    trace: Trace, states: States, data: st.DataObject, newest_first: bool
) -> None:
    target = data.draw(targets(trace))
    mask = data.draw(st.sampled_from((WHOLE, WHOLE, 1, 2, 0xF0, 1 << 31)))
    last = len(states) - 2
    first, last = sorted(data.draw(st.tuples(st.integers(0, last), st.integers(0, last)) | st.just((0, last))))
    wanted = right(states, target, mask, first, last)
    assert found(trace, target, mask, first, last, newest_first=newest_first) == wanted[:: -1 if newest_first else 1]


@pytest.mark.parametrize("newest_first", [False, True])
def test_every_register_that_moves(trace: Trace, states: States, newest_first: bool) -> None:
    moving = [target for target in states[0] if len({state[target] for state in states}) > 1]
    assert len(moving) > 60
    for target in moving:
        wanted = right(states, target, WHOLE, 0, len(states) - 2)
        assert found(trace, target, newest_first=newest_first) == wanted[:: -1 if newest_first else 1]


def test_an_engine(tmp_path: Path) -> None:
    with open_trace(record_copies(tmp_path / "run.ntbt", copies=20, roll=True)) as trace:
        states = look(trace)
        for name in ("PLX_CTRL", "PLX_INTR", "PLX_DESC_RING_NEXT_ADDR"):
            target = trace.registers.find(name)[0]
            wanted = right(states, target, WHOLE, 0, len(states) - 2)
            assert len(wanted) > 10
            assert found(trace, target) == wanted
            assert found(trace, target, newest_first=True) == wanted[::-1]


def test_a_trace_of_another_model() -> None:
    with open_trace(next(path for path in V1 if path.stem == "pingpong")) as trace:
        assert trace.header.model_version != device.MODEL_VERSION
        bells = 0xFF << 24 | trace.registers.find("GDBELLSTS")[0]
        there = found(trace, bells)
        assert len(there) > 10
        assert found(trace, bells, newest_first=True) == there[::-1]


def test_the_change_is_the_stimulus(trace: Trace) -> None:
    bells = 0xFF << 24 | trace.registers.find("GDBELLSTS")[0]
    change = next(changes(trace, bells))
    assert change.event == next(trace.events(change.event.seq, change.event.seq))
    assert change.event.kind == Kind.MMIO_WRITE
    assert (change.old, trace.registers.name(change.event.target)) == (0, "OUTDBELLSET")


class Counted(Player):
    """Notes which blocks are made ready to be performed."""

    loaded: list[int] = []

    def _load(self, block: int):  # type: ignore[no-untyped-def]
        self.loaded.append(block)
        return super()._load(block)


def test_blocks_in_which_nothing_can_have_happened_are_passed_by(
    trace: Trace, states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ntbtrace.replay.history.Player", Counted)
    monkeypatch.setattr(Counted, "loaded", [])
    quiet = trace.registers.find("MSIMDATA")[0]
    assert [seq for seq, _, _ in found(trace, quiet)] == [
        seq for seq, _, _ in right(states, quiet, WHOLE, 0, len(states) - 2)
    ]
    assert 0 < len(set(Counted.loaded)) < len(trace.blocks)
    Counted.loaded.clear()
    assert found(trace, trace.registers.find("PCIID")[0], WHOLE, 0, trace.blocks[0].last_seq) == []
    assert set(Counted.loaded) <= {0}


@pytest.mark.parametrize("newest_first", [False, True])
def test_progress_and_an_interruption(trace: Trace, newest_first: bool) -> None:
    target = trace.registers.find("GASADATA")[0]
    said: list[int] = []
    list(changes(trace, target, newest_first=newest_first, progress=said.append))
    assert said == sorted(said, reverse=newest_first)
    assert len(said) == len(trace.blocks)

    def interrupt(position: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(changes(trace, target, newest_first=newest_first, progress=interrupt))


def test_a_register_that_the_switch_does_not_have(trace: Trace) -> None:
    with pytest.raises(NtbTraceError, match="no register NTCTL of port 4"):
        next(changes(trace, 4 << 24 | trace.registers.find("NTCTL")[0]))
