# SPDX-License-Identifier: GPL-2.0-or-later
"""Merged traces hold every event once, in order of time, told apart by port; pieces become what they were."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import EFFECTS, NO_ENDPOINT, Event, Kind, port_of
from ntbtrace.replay.player import Player
from ntbtrace.trace import Header, TraceWriter, open_trace
from ntbtrace.trace.cut import cut
from ntbtrace.trace.header import MergedFrom, encode_header
from ntbtrace.trace.merge import is_one_recording, join, merge
from ntbtrace.trace.placing import MONOTONIC, WALL, merged_header
from tests.dma import record_copies
from tests.support import events, simulate
from tests.trace.making import EFFECT_ROWS, REGISTERS, ROWS, Snapshots, event_lists, header, traffic, write

BOOT, WALL_NS = "boot", 1_700_000_000_000_000_000
MOST = (1 << 64) - 1


def merged(paths: Sequence[Path], path: Path) -> list[Event]:
    traces = [open_trace(one) for one in paths]
    assert not is_one_recording(traces)
    count = merge(traces, path, merged_header(traces, "ntbtrace merge", "ntbtrace 0"), lambda done: None)
    for trace in traces:
        trace.close()
    found = events(path)
    assert len(found) == count
    return found


def record(path: Path, some: Sequence[Event], **about: Any) -> Path:
    about = {"boot_id": BOOT, "start_mono_ns": 0, "start_wall_ns": WALL_NS, "command": path.name, **about}
    writer = TraceWriter(path, header(**about), Snapshots(), rows=ROWS, effect_rows=EFFECT_ROWS)
    for event in some:
        writer.append(event)
    writer.close()
    return path


def plausible(some: Sequence[Event], step: int) -> list[Event]:
    """Made so that a recorder could have written it: times do not descend, ports up to 6, work has a cause."""
    t, made = 0, []
    for event in some:
        if event.kind not in EFFECTS:
            t += event.t % step
        endpoint = NO_ENDPOINT if event.endpoint > 250 else event.endpoint % 7 << 3
        owner = event.target >> 24
        target = event.target & 0xFF_FFFF | (owner if owner == 0xFF else owner % 7) << 24
        cause = event.seq // 3 if event.kind == Kind.WORK and event.seq else event.cause
        made.append(event._replace(t=t, endpoint=endpoint, target=target, cause=cause))
    return made


def in_plain_python(sources: Sequence[Sequence[Event]], abouts: Sequence[MergedFrom]) -> list[Event]:
    """What a merge must be: units of a stimulus or note with its effects, sorted by time."""
    units = []
    for number, (source, about) in enumerate(zip(sources, abouts, strict=True)):
        for event in source:
            if event.kind not in EFFECTS:
                units.append((event.t + about.shift, number, event.seq, [event]))
            else:
                units[-1][3].append(event)
    units.sort(key=lambda unit: unit[:3])
    seqs: dict[tuple[int, int | None], int] = {}
    made: list[Event] = []
    for _, number, _, unit in units:
        about = abouts[number]
        ports = {int(old): new for old, new in about.ports.items()}
        for event in unit:
            seqs[number, event.seq] = len(made)
            endpoint, target = event.endpoint, event.target
            if endpoint != NO_ENDPOINT:
                endpoint = ports[port_of(endpoint)] << 3 | endpoint & 7
            if target and target >> 24 != 0xFF:
                target = ports[target >> 24] << 24 | target & 0xFF_FFFF
            made.append(event._replace(
                seq=len(made), t=event.t + about.shift, endpoint=endpoint, target=target,
                cause=None if event.cause is None else seqs[number, event.cause],
            ))  # fmt: skip
    return made


@settings(max_examples=60, deadline=None)
@given(
    st.lists(event_lists(), min_size=2, max_size=4),
    st.sampled_from((1, 5, 1 << 20)),
    st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_is_what_a_plain_merge_gives(lists: list[list[Event]], step: int, starts: list[int]) -> None:
    sources = [plausible(some, step) for some in lists]
    with TemporaryDirectory() as name:
        paths = [
            record(Path(name) / f"{number}.ntbt", source, start_mono_ns=starts[number])
            for number, source in enumerate(sources)
        ]
        found = merged(paths, Path(name) / "out.ntbt")
        with open_trace(Path(name) / "out.ntbt") as trace:
            abouts = trace.header.merged
            assert [info.shift for info in abouts] == [
                start - min(starts[: len(lists)]) for start in starts[: len(lists)]
            ]
    used = [new for about in abouts for new in about.ports.values()]
    assert len(used) == len(set(used))
    assert found == in_plain_python(sources, abouts)


def test_many_blocks(tmp_path: Path) -> None:
    sources = [list(traffic(count, seed)) for seed, count in enumerate((40_000, 25_000))]
    paths = [record(tmp_path / f"{number}.ntbt", source) for number, source in enumerate(sources)]
    found = merged(paths, tmp_path / "out.ntbt")
    with open_trace(tmp_path / "out.ntbt") as trace:
        assert found == in_plain_python(sources, trace.header.merged)
        assert trace.closed
        assert [info.count for info in trace.blocks[:-1]] > [ROWS] * (len(trace.blocks) - 1)


def test_work_keeps_its_cause(tmp_path: Path) -> None:
    first, second = record_copies(tmp_path / "a.ntbt", roll=True), simulate(tmp_path / "b.ntbt")
    found = merged([first, second], tmp_path / "out.ntbt")
    works = [event for event in found if event.kind == Kind.WORK]
    originals = [event for event in events(first) if event.kind == Kind.WORK]
    assert len(works) == len(originals) > 0
    by_seq = {event.seq: event for event in events(first)}
    for work, original in zip(works, originals, strict=True):
        assert work.cause is not None
        assert original.cause is not None
        start, before = found[work.cause], by_seq[original.cause]
        assert (start.kind, start.offset, start.value) == (before.kind, before.offset, before.value)


def placed(tmp_path: Path, *abouts: dict[str, Any]) -> tuple[Header, list[MergedFrom]]:
    paths = [record(tmp_path / f"{i}.ntbt", list(traffic(9, i)), **about) for i, about in enumerate(abouts)]
    traces = [open_trace(path) for path in paths]
    found = merged_header(traces, "", "")
    return found, found.merged


def test_one_boot_is_placed_by_the_monotonic_clock(tmp_path: Path) -> None:
    late = {"start_mono_ns": 5_000, "start_wall_ns": WALL_NS - 10**9}  # the wall clock was set back meanwhile
    found, sources = placed(tmp_path, {"start_mono_ns": 7_000}, late)
    assert [source.shift for source in sources] == [2_000, 0]
    assert [source.placed for source in sources] == [MONOTONIC] * 2
    assert (found.start_mono_ns, found.boot_id) == (5_000, BOOT)


@pytest.mark.parametrize("other", ["another", ""])
def test_other_boots_are_placed_by_the_wall_clock(tmp_path: Path, other: str) -> None:
    there = {"boot_id": other, "start_mono_ns": 99, "start_wall_ns": WALL_NS + 3_000}
    found, sources = placed(tmp_path, {"start_mono_ns": 7_000}, there, {"start_mono_ns": 6_000})
    assert [source.shift for source in sources] == [1_000, 4_000, 0]
    assert [source.placed for source in sources] == [MONOTONIC, WALL, MONOTONIC]
    assert found.boot_id == ""


def test_registers_of_all_are_there(tmp_path: Path) -> None:
    first, second, third = REGISTERS["registers"]
    tables = ([first, second], [third, first])
    found, _ = placed(tmp_path, *({"registers": {"registers": table}} for table in tables))
    assert found.registers == REGISTERS


def test_hashed_payload_stays_said(tmp_path: Path) -> None:
    assert placed(tmp_path, {}, {"payloads": "hashed"})[0].payloads == "hashed"


def test_what_cannot_be_merged_is_said(tmp_path: Path) -> None:
    row = {**REGISTERS["registers"][0], "name": "OTHER"}
    with pytest.raises(NtbTraceError, match="different registers of one number \\(OTHER\\)"):
        placed(tmp_path, {}, {"registers": {"registers": [row]}})
    paths = [
        record(
            tmp_path / f"p{i}.ntbt", [event._replace(endpoint=8 * i + 8 * j) for j, event in enumerate(traffic(12, i))]
        )
        for i in range(4)
    ]
    with pytest.raises(NtbTraceError, match="more than 31 ports together"):
        merged(paths, tmp_path / "out.ntbt")
    far = tmp_path / "far"
    far.mkdir()
    with pytest.raises(NtbTraceError, match="more than a century apart"):
        placed(far, {}, {"boot_id": "", "start_wall_ns": 1 << 70})
    paths = [record(tmp_path / f"x{i}.ntbt", list(traffic(9, i))) for i in range(2)]
    merged(paths, tmp_path / "out.ntbt")
    with pytest.raises(NtbTraceError, match="is merged already"), open_trace(tmp_path / "out.ntbt") as trace:
        merged_header([trace, trace], "", "")


def test_a_merged_trace_is_not_replayed(tmp_path: Path) -> None:
    merged([simulate(tmp_path / "a.ntbt"), simulate(tmp_path / "b.ntbt")], tmp_path / "out.ntbt")
    with open_trace(tmp_path / "out.ntbt") as trace, pytest.raises(NtbTraceError, match="merged from several switches"):
        Player(trace)


@pytest.mark.parametrize("wrong", [7, [7], [{}], [{"file": 1}], [{"file": "", "ports": [], "shift": 0, "placed": ""}]])
def test_a_wrong_account_of_the_sources_is_damage(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "a.ntbt"
    path.write_bytes(encode_header(header(merged=wrong)))
    with pytest.raises(TraceFormatError, match="the header is damaged"):
        open_trace(path)


def test_pieces_of_one_recording_become_it_again(tmp_path: Path) -> None:
    some = list(traffic(2000))
    parts = []
    with open_trace(write(tmp_path / "whole.ntbt", some)) as whole:
        for numbers in (range(9, len(whole.blocks)), range(5), range(4, 9)):  # in any order, and one block twice
            cut(whole, numbers, tmp_path / f"{numbers.start}.ntbt")
            parts.append(open_trace(tmp_path / f"{numbers.start}.ntbt"))
    assert is_one_recording(parts)
    assert join(parts, tmp_path / "out.ntbt", lambda done: None) == 2000
    assert events(tmp_path / "out.ntbt") == some
    with open_trace(tmp_path / "out.ntbt") as trace:
        assert trace.closed
        assert trace.block(3).snapshot == b"state 4"


def test_pieces_that_disagree_are_refused(tmp_path: Path) -> None:
    about = header()
    parts = []
    for number, rows in enumerate((ROWS, 2 * ROWS)):
        writer = TraceWriter(tmp_path / f"{number}.ntbt", about, Snapshots(), rows=rows, effect_rows=EFFECT_ROWS)
        for event in traffic(500):
            writer.append(event)
        writer.close()
        parts.append(open_trace(writer.path))
    with pytest.raises(NtbTraceError, match=r"event \d+ is in two blocks that differ"):
        join(parts, tmp_path / "out.ntbt", lambda done: None)
    assert not (tmp_path / "out.ntbt").exists()
