# SPDX-License-Identifier: GPL-2.0-or-later
"""Player: back step by step, and through a trace whose snapshots are of another version of the model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import device
from ntbtrace.errors import TraceFormatError
from ntbtrace.event import Kind
from ntbtrace.replay import player as module
from ntbtrace.replay.player import OwnStates, Player
from ntbtrace.trace import Trace, TraceWriter, open_trace
from tests.replay.test_player import without
from tests.support import random_accesses, simulate

V1 = sorted((Path(__file__).parent.parent.parent / "traces" / "v1").glob("*.ntbt"))
slow = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several blocks."""
    directory = tmp_path_factory.mktemp("walking")
    return simulate(directory / "run.ntbt", roll_every=150, after=random_accesses(3, 1500, 400))


@pytest.fixture
def trace(path: Path) -> Iterator[Trace]:
    with open_trace(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def other_model(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign(path, tmp_path_factory.mktemp("foreign") / "run.ntbt")


def digests(trace: Trace) -> list[bytes]:
    """Of the state at every position, from a replay from the start."""
    player = Player(trace)
    found = [player.digest()]
    while player.position < player.end:
        assert player.step() is None
        found.append(player.digest())
    return found


@pytest.mark.parametrize(("most", "least"), [(256, 64), (3, 2), (10_000, 1)])
def test_step_by_step_back_to_the_start(trace: Trace, monkeypatch: pytest.MonkeyPatch, most: int, least: int) -> None:
    monkeypatch.setattr(module, "MOST_STATES", most)
    monkeypatch.setattr(module, "LEAST_EVENTS", least)
    right = digests(trace)
    player = Player(trace)
    player.run()
    while player.position > 0:
        player.seek(player.position - 1)
        assert player.digest() == right[player.position]
        assert len(player._states) <= most
    assert player.run() is None


def foreign(source: Path, path: Path) -> Path:
    """A copy of a trace as an earlier version of the model would have recorded it."""
    with open_trace(source) as trace:
        header = replace(trace.header, model_version=device.MODEL_VERSION - 1)
        writer = TraceWriter(path, header, lambda: b"of another model")
        for info in trace.blocks:
            if info.first_seq > 0:
                writer.roll()
            for event in trace.events(info.first_seq, info.last_seq):
                writer.append(event)
        writer.close()
    return path


@slow
@given(seqs=st.data(), most=st.sampled_from((1, 2, 256)))
def test_the_state_in_a_trace_of_another_model(path: Path, other_model: Path, seqs: st.DataObject, most: int) -> None:
    """It is performed from the start; its snapshots are never looked at."""
    with open_trace(other_model) as trace, open_trace(path) as original, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_STATES", most)
        assert len(trace.blocks) > 4
        player, straight = Player(trace), Player(original)
        for seq in seqs.draw(st.lists(st.integers(0, player.end), min_size=2, max_size=6)):
            player.seek(seq)
            straight.seek(seq)
            assert (player.position, player.digest()) == (seq, straight.digest())
        assert player.run() is None


def test_a_correction_of_the_model_shows_once_and_not_in_every_block(other_model: Path) -> None:
    with open_trace(other_model) as trace:
        victim = next(event for event in trace if event.kind == Kind.CFG_READ)
        player = Player(trace)
        player.switch.endpoints[0].resets[0] ^= 0xFFFF_0000  # another device id
        player.switch.endpoints[2].resets[0] ^= 0xFFFF_0000
        found = []
        while player.position < player.end:
            divergence = player.run()
            if divergence is not None:
                found.append(divergence)
        assert found[0].seq == victim.seq
        assert {one.first.what for one in found} == {"value"}


def test_a_trace_of_another_model_that_begins_in_the_middle(other_model: Path, tmp_path: Path) -> None:
    with (
        open_trace(without(other_model, tmp_path / "cut.ntbt", {0, 1})) as trace,
        pytest.raises(TraceFormatError, match="is not of this model"),
    ):
        Player(trace)


def test_a_gap_in_a_trace_of_another_model(other_model: Path, tmp_path: Path) -> None:
    """There is no better state behind it than the model's own."""
    with open_trace(without(other_model, tmp_path / "gap.ntbt", {2})) as trace:
        player = Player(trace)
        behind = trace.blocks[2].first_seq
        player.seek(behind)
        state = player.digest()
        player.seek(player.end)
        player.seek(behind)
        assert player.digest() == state


@pytest.mark.parametrize("path", V1, ids=lambda path: path.stem)
def test_recordings_of_the_first_version(path: Path) -> None:
    with open_trace(path) as trace:
        assert trace.header.model_version != device.MODEL_VERSION
        right = digests(trace)
        player = Player(trace)
        for seq in (player.end, player.end // 2, player.end // 3, player.end - 1, 0, 7):
            player.seek(seq)
            assert player.digest() == right[seq]


def test_own_states_are_thinned_out() -> None:
    states = OwnStates()
    for block in range(10 * module.MOST_STATES):
        states.keep(block, block.to_bytes(4, "little"))
    kept = {states.at_or_before(block) for block in range(10 * module.MOST_STATES)}
    assert len(kept) <= module.MOST_STATES
    assert kept >= {(0, bytes(4))}
    assert all(block == int.from_bytes(state, "little") for block, state in kept)
    gaps = [block - states.at_or_before(block)[0] for block in range(9 * module.MOST_STATES)]
    assert max(gaps) < 16
