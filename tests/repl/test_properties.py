# SPDX-License-Identifier: GPL-2.0-or-later
"""Wherever one goes and however: the state is that of a replay from the start, the stops are those of brute force."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.event import Event, Kind, port_of
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace
from tests.repl.driver import TRACES, Debugger
from tests.support import random_accesses, simulate

PATIENT = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Brute:
    """What is asked for, from the list of all events and one replay from the start to the end."""

    def __init__(self, trace: Trace) -> None:
        self.events = list(trace)
        player = Player(trace)
        self.targets = player.switch.state_targets()
        self.states = [self._state(player)]
        for position in range(1, len(self.events) + 1):
            player.run(position)
            self.states.append(self._state(player))

    def _state(self, player: Player) -> dict[int, int]:
        return {target: player.switch.peek(target) or 0 for target in self.targets}


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Debugger, Brute]]]:
    """Recordings of many short blocks, one with random accesses; one of real guests in one block."""
    folder = tmp_path_factory.mktemp("properties")
    paths = [
        simulate(folder / "pingpong.ntbt", roll_every=11),
        simulate(folder / "perf.ntbt", "perf", seed=3, roll_every=40, after=random_accesses(5, 150, roll_every=9)),
        TRACES / "pingpong.ntbt",
    ]
    debuggers = [Debugger(path) for path in paths]
    assert [len(one.session.trace.blocks) > 5 for one in debuggers] == [True, True, False]
    yield [(one, Brute(one.session.trace)) for one in debuggers]
    for one in debuggers:
        one.close()


def shown(debugger: Debugger) -> dict[int, int]:
    switch = debugger.session.device()
    return {target: switch.peek(target) or 0 for target in switch.state_targets()}


MOVES = ("step", "step 7", "rs", "rs 7", "rs 40", "next", "rn 3", "continue", "rc", "run-until kind == irq", "up",
         "down", "nw NTINTSTS", "pw GASAADDR", "goto 50%", "goto start", "goto end", "history NTCTL", "why",
         "diff start end", "list 30", "info windows", "break change NTINTSTS", "break irq", "delete")  # fmt: skip


@PATIENT
@given(which=st.integers(0, 2), where=st.floats(0, 1), moves=st.lists(st.sampled_from(MOVES), max_size=6))
def test_the_state_is_that_of_a_replay_from_the_start(
    subjects: list[tuple[Debugger, Brute]], which: int, where: float, moves: list[str]
) -> None:
    debugger, brute = subjects[which]
    debugger.afresh()
    session = debugger.session
    session.stop(round(where * session.end))
    before = 0
    for move in ("registers 0 *", *moves):
        before = session.position
        debugger(move)
        assert shown(debugger) == brute.states[session.position], f"{move} from {before} to {session.position}"
    printed = {}
    for line in debugger("registers 0 *") + debugger("registers 2 *") + debugger("registers switch *"):
        if not line.startswith("error"):
            name, value = line[2:].split()[:2]
            printed[name] = int(value, 16)
    assert sorted(printed.values()) == sorted(brute.states[session.position].values())


STOPS = {
    "irq": lambda event, old, new: event.kind == Kind.IRQ,
    "kind == mmio_write and value & 1": lambda event, old, new: event.kind == Kind.MMIO_WRITE and event.value & 1,
    "change 0:NTINTSTS": lambda event, old, new: old != new,
}


@PATIENT
@given(which=st.integers(0, 2), where=st.floats(0, 1), count=st.integers(1, 9))
def test_moves_are_those_of_brute_force(
    subjects: list[tuple[Debugger, Brute]], which: int, where: float, count: int
) -> None:
    debugger, brute = subjects[which]
    debugger.afresh()
    events, end = brute.events, len(brute.events)
    start = max(1, round(where * end))
    for move, expected in {
        "step": min(start + count, end),
        "reverse-step": max(start - count, 0),
    }.items():
        debugger.session.position = start
        debugger(f"{move} {count}")
        assert debugger.session.position == expected, move
    debugger.session.position = start
    port = debugger.session.port
    ahead = [event.seq + 1 for event in events[start:] if port_of(event.endpoint) == port]
    behind = [event.seq + 1 for event in reversed(events[: start - 1]) if port_of(event.endpoint) == port]
    for move, found in {"next": ahead, "reverse-next": behind}.items():
        debugger.session.position = start
        debugger(f"{move} {count}")
        assert debugger.session.position == (found[count - 1] if len(found) >= count else start), move


@PATIENT
@given(which=st.integers(0, 2), where=st.floats(0, 1), kinds=st.sets(st.sampled_from(sorted(STOPS)), min_size=1))
def test_stops_are_those_of_brute_force(
    subjects: list[tuple[Debugger, Brute]], which: int, where: float, kinds: set[str]
) -> None:
    debugger, brute = subjects[which]
    debugger.afresh()
    for kind in sorted(kinds):
        debugger(f"break {kind}")
    session = debugger.session
    target = session.targets(0, tuple(session.registers.find("NTINTSTS")))[0]

    def stops(event: Event) -> bool:
        old, new = (brute.states[event.seq + after][target] for after in (0, 1))
        return any(STOPS[kind](event, old, new) for kind in kinds)

    start = round(where * session.end)
    session.position = start
    debugger("continue")
    ahead = next((event.seq + 1 for event in brute.events[start:] if stops(event)), session.end)
    assert session.position == ahead
    session.position = start
    debugger("reverse-continue")
    behind = next((event.seq + 1 for event in reversed(brute.events[: max(0, start - 1)]) if stops(event)), 0)
    assert session.position == behind


def test_a_thousand_steps_back_are_as_good_as_one_way(subjects: list[tuple[Debugger, Brute]]) -> None:
    debugger, brute = subjects[1]
    debugger.afresh()
    debugger("goto end")
    for position in range(debugger.session.end - 1, 0, -1):
        debugger("rs")
        assert debugger.session.position == position
        if position % 3 == 0:
            assert shown(debugger) == brute.states[position]
