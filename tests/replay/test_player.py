# SPDX-License-Identifier: GPL-2.0-or-later
"""Player: identical replays, changed recordings, positions."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.errors import TraceFormatError
from ntbtrace.event import EFFECTS, STIMULI, Event, Kind
from ntbtrace.repl.divergence import describe
from ntbtrace.replay.divergence import EFFECT, KIND, MISSING, STATE, STATUS, TARGET, UNEXPECTED, VALUE
from ntbtrace.replay.explain import explain
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace, TraceWriter, open_trace
from ntbtrace.trace.header import encode_header
from ntbtrace.trace.sink import Sink
from tests.support import events, random_accesses, rewrite, simulate

slow = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ping-pong, a window copy's register traffic and then anything at all, in several blocks."""
    return simulate(
        tmp_path_factory.mktemp("player") / "run.ntbt",
        "perf",
        roll_every=150,
        after=random_accesses(1, 1500, 400),
    )


@pytest.fixture
def trace(path: Path) -> Iterator[Trace]:
    with open_trace(path) as opened:
        yield opened


def replayed(path: Path) -> Player:
    with open_trace(path) as opened:
        player = Player(opened)
        player.run()
        return player


def test_the_recording_is_worth_replaying(path: Path) -> None:
    kinds = {event.kind for event in events(path)}
    assert kinds >= {Kind.CFG_READ, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.MMIO_WRITE, Kind.ATTACH, Kind.DETACH,
                     Kind.MEM_READ, Kind.MEM_WRITE, Kind.IRQ, Kind.CONSOLE, Kind.RAM_MAP}  # fmt: skip
    with open_trace(path) as opened:
        assert len(opened.blocks) >= 5


def test_identical(trace: Trace) -> None:
    player = Player(trace)
    assert player.run() is None
    assert player.divergence is None
    assert player.position == player.end == len(trace)


@pytest.mark.parametrize("workload", ["pingpong", "perf"])
@pytest.mark.parametrize("seed", [1, 2])
def test_simulated_guests_replay_identical(tmp_path: Path, workload: str, seed: int) -> None:
    path = simulate(tmp_path / "run.ntbt", workload, seed=seed, after=random_accesses(seed, 2000))
    assert replayed(path).divergence is None


def test_step_by_step_is_the_same(trace: Trace) -> None:
    stepped, ran = Player(trace), Player(trace)
    for seq in range(min(len(trace), 700)):
        assert stepped.position == seq
        assert stepped.step() is None
    ran.run(stepped.position)
    assert stepped.digest() == ran.digest()


def test_a_copy_through_the_writer_is_identical(path: Path, tmp_path: Path) -> None:
    copy = rewrite(path, tmp_path / "copy.ntbt", lambda event: event)
    assert events(copy) == events(path)
    assert replayed(copy).divergence is None


@slow
@given(data=st.data())
def test_seek_gives_the_state_of_a_replay_from_the_start(path: Path, data: st.DataObject) -> None:
    with open_trace(path) as opened:
        player = Player(opened)
        for seq in data.draw(st.lists(st.integers(0, player.end), min_size=1, max_size=4)):
            player.seek(seq)
            assert player.position == seq
            straight = Player(opened)
            straight.run(seq)
            assert player.digest() == straight.digest()
        assert player.run() is None


def test_a_position_outside_the_trace(trace: Trace) -> None:
    player = Player(trace)
    with pytest.raises(ValueError, match="outside"):
        player.seek(player.end + 1)
    with pytest.raises(ValueError, match="outside"):
        player.seek(-1)


CHANGES = {
    Kind.MEM_WRITE: ("endpoint", "offset", "value", "cause"),
    Kind.MEM_READ: ("endpoint", "offset", "cause"),
    Kind.IRQ: ("endpoint", "value", "cause"),
    Kind.MMIO_READ: ("value", "status", "target"),
    Kind.CFG_READ: ("value", "status", "target"),
    Kind.MMIO_WRITE: ("status", "target"),
    Kind.CFG_WRITE: ("status", "target"),
}


def other(event: Event, field: str) -> int:
    """Another value for the field that a recording could hold."""
    value: int = getattr(event, field)
    if field == "endpoint":
        return 16 if value == 0 else 0
    if field == "cause":
        return value - 1
    return value ^ 1


@slow
@given(data=st.data())
def test_one_changed_column_is_reported_exactly_there(path: Path, tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(CHANGES)))
    victim = data.draw(st.sampled_from([event for event in events(path) if event.kind == kind]))
    field = data.draw(st.sampled_from(CHANGES[kind]))
    copy = tmp_path / "changed.ntbt"
    copy.unlink(missing_ok=True)
    rewrite(path, copy, lambda e: e._replace(**{field: other(e, field)}) if e.seq == victim.seq else e)
    divergence = replayed(copy).divergence
    assert divergence is not None
    what = {"status": STATUS, "target": TARGET, "value": VALUE}[field] if victim.cause is None else EFFECT
    assert (divergence.seq, divergence.first.what) == (victim.seq, what)
    column = "data" if victim.kind == Kind.MEM_WRITE and field == "value" else field
    assert divergence.first.field == column
    if column != "data":
        assert divergence.first.recorded == other(victim, field)
        assert divergence.first.computed == getattr(victim, field)


@slow
@given(data=st.data())
def test_one_dropped_effect_is_reported_exactly_there(path: Path, tmp_path: Path, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from([event for event in events(path) if event.kind in EFFECTS]))
    copy = tmp_path / "dropped.ntbt"
    copy.unlink(missing_ok=True)
    rewrite(path, copy, lambda event: None if event.seq == victim.seq else event)
    divergence = replayed(copy).divergence
    assert divergence is not None
    assert divergence.first.what == UNEXPECTED
    assert divergence.event.seq == victim.cause


def test_an_effect_that_the_model_does_not_have(path: Path, tmp_path: Path) -> None:
    """A read of a register made to look like the cause of an interrupt: written after it, through the
    writer.
    """
    all_events = events(path)
    victim = next(
        event for event, after in pairwise(all_events)
        if event.kind == Kind.MMIO_READ and after.kind == Kind.CONSOLE and event.seq > 50
    )  # fmt: skip

    def change(event: Event) -> Event:
        if event.seq != victim.seq + 1:
            return event
        return event._replace(kind=Kind.IRQ, endpoint=0, bar=1, size=0, value=0, cause=victim.seq, data=None)

    divergence = replayed(rewrite(path, tmp_path / "more.ntbt", change)).divergence
    assert divergence is not None
    assert (divergence.seq, divergence.first.what) == (victim.seq + 1, MISSING)


def test_a_stimulus_of_a_later_version(path: Path, tmp_path: Path) -> None:
    victim = next(event for event in events(path) if event.kind == Kind.CFG_READ)
    copy = rewrite(path, tmp_path / "later.ntbt", lambda e: e._replace(kind=15) if e.seq == victim.seq else e)
    divergence = replayed(copy).divergence
    assert divergence is not None
    assert (divergence.seq, divergence.first.what) == (victim.seq, KIND)


def test_a_lost_write_shows_in_the_state_when_no_answer_does(path: Path, tmp_path: Path) -> None:
    """Drop register writes until one is missed only by the snapshot of the next block."""
    writes = [event.seq for event in events(path) if event.kind == Kind.CFG_WRITE]
    found = set()
    for number, seq in enumerate(writes[:40]):
        copy = rewrite(path, tmp_path / f"{number}.ntbt", lambda e, seq=seq: None if e.seq == seq else e)
        divergence = replayed(copy).divergence
        if divergence is not None:
            found.add(divergence.first.what)
            if divergence.first.what == STATE:
                with open_trace(copy) as opened:
                    assert divergence.seq in [block.first_seq for block in opened.blocks]
    assert STATE in found


def test_the_run_goes_on_behind_a_divergence(path: Path, tmp_path: Path) -> None:
    first, second = [event.seq for event in events(path) if event.kind == Kind.IRQ][1:3]
    copy = rewrite(path, tmp_path / "two.ntbt", lambda e: e._replace(value=9) if e.seq in (first, second) else e)
    with open_trace(copy) as opened:
        player = Player(opened)
        found = player.run()
        assert found is not None
        assert found.seq == first
        again = player.run()
        assert again is not None
        assert again.seq == second
        assert player.run() is None
        assert player.divergence is found
        player.seek(5)
        player.seek(player.end)
        assert player.divergence is found


def test_explanation_names_fields_and_the_last_writer(path: Path, tmp_path: Path) -> None:
    with open_trace(path) as opened:
        written: dict[int, int] = {}
        victim = None
        for event in opened:
            if event.kind == Kind.MMIO_WRITE and event.target:
                written[event.target] = event.seq
            elif event.kind == Kind.MMIO_READ and event.target in written and event.size == 4:
                victim = event
                break
    assert victim is not None
    copy = rewrite(path, tmp_path / "field.ntbt", lambda e: e._replace(value=e.value ^ 1) if e.seq == victim.seq else e)
    with open_trace(copy) as opened:
        player = Player(opened)
        divergence = player.run()
        assert divergence is not None
        explanation = explain(opened, divergence)
        assert explanation.register == opened.registers.name(victim.target)
        assert explanation.recorded_write is not None
        assert explanation.recorded_write.seq == written[victim.target]
        assert explanation.computed_write == explanation.recorded_write
        assert [(field.recorded ^ field.computed) for field in explanation.fields] == [1]
        assert victim.seq in [event.seq for event in explanation.around]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"endpoint": 30 << 3}, "endpoint"),
        ({"size": 3}, "1, 2, 4 or 8 bytes"),
        ({"size": 1, "value": 256}, "wider"),
    ],
)
def test_what_no_guest_could_have_done(path: Path, tmp_path: Path, change: dict[str, int], message: str) -> None:
    victim = next(event for event in events(path) if event.kind == Kind.MMIO_WRITE)
    copy = rewrite(path, tmp_path / "impossible.ntbt", lambda e: e._replace(**change) if e.seq == victim.seq else e)
    with pytest.raises(TraceFormatError, match=f"event {victim.seq}: .*{message}"):
        replayed(copy)


EVERY_ROW = st.builds(
    Event,
    seq=st.just(0),
    t=st.integers(0, 1000),
    kind=st.sampled_from(sorted(STIMULI | EFFECTS)),
    endpoint=st.sampled_from((0, 16)),
    bar=st.integers(0, 255) | st.integers(0, 5),
    offset=st.integers(0, (1 << 64) - 1) | st.integers(0, 0x1000),
    size=st.sampled_from((1, 2, 4, 8)),
    value=st.integers(0, 255),
    target=st.integers(0, (1 << 32) - 1),
    status=st.integers(0, 255),
    cause=st.none(),
    data=st.none(),
)


@slow
@given(rows=st.lists(EVERY_ROW, min_size=1, max_size=30))
def test_whatever_rows_say(path: Path, tmp_path: Path, rows: list[Event]) -> None:
    """Any rows are replayed to their end, by way of divergences, or refused."""
    copy = tmp_path / "rows.ntbt"
    copy.unlink(missing_ok=True)
    with open_trace(path) as opened:
        writer = TraceWriter(copy, opened.header, lambda: opened.block(3).snapshot)
        for seq, row in enumerate(rows):
            writer.append(row._replace(seq=seq, cause=seq - 1 if row.kind in EFFECTS and seq else None))
        writer.close()
    with open_trace(copy) as opened:
        player = Player(opened)
        with suppress(TraceFormatError):
            while player.position < player.end:
                divergence = player.run()
                if divergence is not None:
                    assert list(describe(opened, divergence))


def without(path: Path, copy: Path, blocks: set[int]) -> Path:
    """A copy of a trace that lacks some blocks."""
    whole = path.read_bytes()
    with open_trace(path) as opened:
        sink = Sink(copy, encode_header(opened.header), overwrite=False)
        for number, block in enumerate(opened.blocks):
            if number not in blocks:
                assert block.offset is not None
                sink.block(block, whole[block.offset : block.offset + block.length])
        sink.index(closed=True)
        sink.close()
    return copy


def test_a_trace_with_a_gap(trace: Trace, tmp_path: Path) -> None:
    """Two blocks are missing: the replay goes on behind them from the recorded state."""
    gap, behind = trace.blocks[2].first_seq, trace.blocks[5].first_seq
    straight = Player(trace)
    straight.run(behind)
    with open_trace(without(trace.path, tmp_path / "gap.ntbt", {2, 3})) as opened:
        player = Player(opened)
        assert player.run(gap + 3) is None
        assert player.position == gap + 3
        assert player.run(behind) is None
        assert player.digest() == straight.digest()
        assert player.run() is None
        player.seek(gap + 1)
        assert player.step() is None
        assert player.position == gap + 2


def test_a_recording_that_begins_in_the_middle(trace: Trace, tmp_path: Path) -> None:
    first = trace.blocks[2].first_seq
    with open_trace(without(trace.path, tmp_path / "cut.ntbt", {0, 1})) as opened:
        player = Player(opened)
        assert player.position == player.start == first
        assert player.run() is None
        with pytest.raises(ValueError, match=f"{first} to"):
            player.seek(first - 1)


def test_an_unusable_profile(trace: Trace) -> None:
    trace.header = replace(trace.header, profile={"chip": "another"})
    with pytest.raises(TraceFormatError, match="profile"):
        Player(trace)


def test_every_stimulus_kind_is_performed_or_reported() -> None:
    """A kind added to the vocabulary must not be passed over in silence."""
    from ntbtrace.replay.player import _PERFORMED

    assert STIMULI == _PERFORMED
