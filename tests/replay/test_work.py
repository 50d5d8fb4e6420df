# SPDX-License-Identifier: GPL-2.0-or-later
"""The work of DMA engines replayed: identical, from any position, and a changed recording is found out."""

from pathlib import Path

import pytest

from ntbtrace.errors import TraceFormatError
from ntbtrace.event import Kind, Status
from ntbtrace.replay.divergence import EFFECT, STATUS
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from tests.dma import record_copies
from tests.support import events, rewrite


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record_copies(tmp_path_factory.mktemp("work") / "run.ntbt", copies=40, roll=True)


def test_the_recording_is_worth_replaying(path: Path) -> None:
    works = [event for event in events(path) if event.kind == Kind.WORK]
    assert {Status.OK, Status.REFUSED, Status.LIMIT} <= {Status(work.status) for work in works}
    assert len(works) > 40


@pytest.mark.parametrize("hashed", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_identical(tmp_path: Path, seed: int, hashed: bool) -> None:
    with open_trace(record_copies(tmp_path / "run.ntbt", seed=seed, hashed=hashed)) as trace:
        assert Player(trace).run() is None


def test_from_the_middle_of_a_descriptor(path: Path) -> None:
    with open_trace(path) as trace:
        straight, seeking = Player(trace), Player(trace)
        digests = {}
        for seq in [event.seq for event in trace if event.kind == Kind.WORK]:
            straight.run(seq)
            digests[seq] = straight.digest()
        for seq in sorted(digests, key=lambda seq: seq * 7919 % 1009):
            seeking.seek(seq)
            assert seeking.digest() == digests[seq]
            assert seeking.run(seq + 5) is None


def change(path: Path, copy: Path, kind: Kind, number: int, **columns: int) -> tuple[int, Player]:
    victims = [event for event in events(path) if event.kind == kind]
    victim = victims[number]
    rewrite(path, copy, lambda event: event._replace(**columns) if event.seq == victim.seq else event)
    with open_trace(copy) as trace:
        player = Player(trace)
        player.run()
    return victim.seq, player


def test_another_status(path: Path, tmp_path: Path) -> None:
    seq, player = change(path, tmp_path / "a.ntbt", Kind.WORK, 3, status=Status.LIMIT + 100)
    assert player.divergence is not None
    assert (player.divergence.seq, player.divergence.first.what) == (seq, STATUS)


def test_memory_said_not_to_be_there(path: Path, tmp_path: Path) -> None:
    """The engine would have written back a failure."""
    reads = [e for e in events(path) if e.kind == Kind.MEM_READ]
    number = next(i for i, e in enumerate(reads) if e.size != 16 and not e.status)
    seq, player = change(path, tmp_path / "a.ntbt", Kind.MEM_READ, number, status=Status.REFUSED)
    assert player.divergence is not None
    assert player.divergence.seq == seq + 1
    assert player.divergence.first.what != STATUS


def test_an_interrupt_of_the_other_function(path: Path, tmp_path: Path) -> None:
    seq, player = change(path, tmp_path / "a.ntbt", Kind.IRQ, 2, endpoint=0)
    assert player.divergence is not None
    assert (player.divergence.seq, player.divergence.first.what, player.divergence.first.field) == (
        seq, EFFECT, "endpoint",
    )  # fmt: skip


def test_a_smaller_budget(path: Path, tmp_path: Path) -> None:
    victims = [e for e in events(path) if e.kind == Kind.WORK]
    with_data = [i for i, e in enumerate(victims) if e.status == Status.OK]
    seq, player = change(path, tmp_path / "a.ntbt", Kind.WORK, with_data[0], value=0)
    assert player.divergence is not None
    assert player.divergence.event.seq == seq


def test_work_of_a_function_that_does_none(path: Path, tmp_path: Path) -> None:
    with pytest.raises(TraceFormatError, match="work of a function that does none"):
        change(path, tmp_path / "a.ntbt", Kind.WORK, 3, endpoint=16)
