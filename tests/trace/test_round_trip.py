# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written is read again: any events, over many blocks, whole or in slices, by column or one by one."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntbtrace.event import NO_ENDPOINT, ROW, Event, Kind
from ntbtrace.trace import FORMAT_VERSION, Block, TraceWriter, open_trace
from ntbtrace.trace.layout import COLUMNS, MAX_DATA, ROW_DTYPE
from ntbtrace.trace.writer import PAYLOAD, PAYLOAD_ROOM
from tests.trace.making import (
    REGISTERS,
    ROWS,
    event_lists,
    header,
    number,
    same_directory,
    small_writer,
    traffic,
    write,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(event_lists())
def test_any_events(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = write(Path(name) / "any.ntbt", events)
        assert same_directory(path) == ["any.ntbt"]
        with open_trace(path) as trace:
            assert trace.closed
            assert not trace.salvaged
            assert len(trace) == len(events)
            assert list(trace) == events


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(traffic(5000))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> Path:
    return write(tmp_path_factory.mktemp("trace") / "many.ntbt", events)


def test_many_blocks(path: Path, events: list[Event]) -> None:
    with open_trace(path) as trace:
        assert len(trace.blocks) > len(events) // ROWS
        assert list(trace) == events
        assert trace.blocks[0].first_seq == 0
        assert trace.blocks[-1].last_seq == len(events) - 1
        for before, after in zip(trace.blocks, trace.blocks[1:], strict=False):
            assert after.first_seq == before.last_seq + 1
            cause = events[after.first_seq].cause
            assert cause is None, "a stimulus and its effects are split"


@given(st.integers(0, 5100), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_slices(path: Path, events: list[Event], first: int, count: int) -> None:
    with open_trace(path) as trace:
        assert list(trace.events(first, first + count)) == events[first : first + count + 1]
        assert list(trace.events(first)) == events[first:]


def test_columns_lists_and_data_say_the_same(path: Path, events: list[Event]) -> None:
    with open_trace(path) as trace:
        for index, info in enumerate(trace.blocks):
            block = trace.block(index)
            assert isinstance(block, Block)
            lists = block.lists()
            assert list(lists) == [name for name in Event._fields if name != "data"]
            for row, event in enumerate(events[info.first_seq : info.last_seq + 1]):
                shown = {**event._asdict(), "cause": -1 if event.cause is None else event.cause}
                assert block.data(row) == shown.pop("data")
                assert {name: values[row] for name, values in lists.items()} == shown
            assert {name: len(array) for name, array in block.columns.items()} == dict.fromkeys(lists, info.count)


def test_the_map_says_what_is_inside(path: Path, events: list[Event]) -> None:
    with open_trace(path) as trace:
        for info in trace.blocks:
            inside = events[info.first_seq : info.last_seq + 1]
            kinds = [event.kind for event in inside]
            assert info.counts == {kind: kinds.count(kind) for kind in set(kinds)}
            assert info.kinds == set(kinds)
            assert info.endpoints == {event.endpoint for event in inside} - {NO_ENDPOINT}
            assert info.targets == {event.target for event in inside} - {0}
            assert (info.first_t, info.last_t) == (inside[0].t, inside[-1].t)


def test_snapshots(path: Path) -> None:
    with open_trace(path) as trace:
        for index in range(len(trace.blocks)):
            assert trace.block(index).snapshot == f"state {index + 1}".encode()


def test_no_events(tmp_path: Path) -> None:
    with open_trace(write(tmp_path / "none.ntbt", [])) as trace:
        assert trace.closed
        assert (len(trace), list(trace), list(trace.blocks)) == (0, [], [])


def test_header(tmp_path: Path) -> None:
    written = header(command="ntbtrace record -o ä.ntbt", guests={"0": {"kernel": "6.1"}}, payloads="hashed")
    TraceWriter(tmp_path / "a.ntbt", written, bytes).close()
    with open_trace(tmp_path / "a.ntbt") as trace:
        assert trace.header == written
        assert trace.header.registers == REGISTERS
        assert trace.format_version == FORMAT_VERSION


def test_identical_data_is_stored_once(tmp_path: Path) -> None:
    big = np.random.default_rng(1).bytes(100_000)
    groups = [[Event(0, i, Kind.CONSOLE, 0, 0xFF, 0, len(big), 0, 0, 0, None, big)] for i in range(10)]
    events = number(groups)
    path = write(tmp_path / "same.ntbt", events)
    assert path.stat().st_size < 110_000
    with open_trace(path) as trace:
        assert list(trace) == events


def test_much_data_makes_new_blocks(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    groups = []
    for i in range(50):
        big = random.bytes(MAX_DATA)
        groups.append([Event(0, i, Kind.CONSOLE, 0, 0xFF, 0, len(big), 0, 0, 0, None, big)])
    events = number(groups)
    with open_trace(write(tmp_path / "big.ntbt", events)) as trace:
        assert list(trace) == events
        full = (PAYLOAD - PAYLOAD_ROOM) // MAX_DATA + 1
        assert [block.count for block in trace.blocks] == [full] * (50 // full) + [50 % full]


def test_a_row_of_numpy_is_a_row_of_struct() -> None:
    values = tuple(range(1, len(ROW_DTYPE) + 1))
    assert np.frombuffer(ROW.pack(*values), ROW_DTYPE)[0].item() == values
    assert list(COLUMNS.values()) == list(values)
    assert set(COLUMNS) == set(Event._fields) - {"seq", "data"}


def test_seqs_begin_at_the_next_one(tmp_path: Path) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    assert writer.first_seq == 0
    for event in traffic(ROWS):
        assert event.seq == writer.first_seq + writer.pos // ROW.size
        writer.append(event)
    writer.roll()
    assert (writer.first_seq, writer.pos) == (event.seq + 1, 0)
    writer.roll()  # nothing to roll
    assert writer.first_seq == event.seq + 1
    writer.close()
