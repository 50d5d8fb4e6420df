# SPDX-License-Identifier: GPL-2.0-or-later
"""Annotations: what is written comes back, in every form of storage and of derived trace; readers that do not ask never
see them; damage in them is told, and costs no event."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.errors import TraceFormatError
from ntbtrace.event import Kind
from ntbtrace.trace import Trace, open_trace, salvage
from ntbtrace.trace.cut import cut
from ntbtrace.trace.frame import Annotation, Frame
from ntbtrace.trace.guest_symbols import Boot, Function, GuestSymbols, Module, decode_symbols, encode_symbols
from ntbtrace.trace.layout import SITES, SYMBOLS, FrameType
from ntbtrace.trace.merge import join as join_pieces
from ntbtrace.trace.repack import repack
from ntbtrace.trace.sites import UNKNOWN, Chain, Sites, decode_sites, encode_sites
from ntbtrace.trace.storage import WHOLE, Around, Last, Rotate, Storage, pieces
from ntbtrace.trace.summary import Rows
from ntbtrace.trace.verify import faults
from tests.trace.making import small_writer, traffic

EVENTS = 1200
ACCESSES = (Kind.MMIO_READ, Kind.MMIO_WRITE)


def chain_of(seq: int) -> Chain:
    """What these tests say made event `seq`."""
    return UNKNOWN if seq % 7 == 0 else Chain(1, tuple(0xFFFF_FFFF_C000_0000 + 16 * n for n in range(seq % 5 + 1)))


def symbols_up_to(seq: int) -> GuestSymbols:
    boot = Boot(0, "6.1", [Function(16, 32, "ioread32")], [Module("ntb", "ab" * 20, 99, {".text": 64}, 1, 2, seq)])
    return GuestSymbols(2, [boot])


def annotate(first_seq: int, rows: Rows) -> Iterator[Annotation]:
    where = np.flatnonzero(np.isin(rows["kind"], ACCESSES))
    chains = [UNKNOWN, *{chain_of(first_seq + int(row)) for row in where} - {UNKNOWN}]
    numbers = np.array([chains.index(chain_of(first_seq + int(row))) for row in where])
    yield encode_sites(first_seq, Sites(where, numbers, chains))
    yield encode_symbols(symbols_up_to(first_seq), first_seq)


def record(path: Path, storage: Storage = WHOLE, close: bool = True) -> None:
    writer = small_writer(path, storage=storage)
    writer.annotator = annotate
    for event in traffic(EVENTS):
        writer.append(event)
    if close:
        writer.close()
        assert (writer.error, writer.annotator_error) == (None, None)


def check(path: Path, least: int = EVENTS) -> int:
    """Every access of the trace has its chain; returns the last seq that the symbols tell of."""
    with open_trace(path) as trace:
        assert list(faults(trace, lambda done: None)) == []
        events = list(trace)
        assert len(events) >= least
        expected = [chain_of(event.seq) if event.kind in ACCESSES else None for event in events]
        assert [trace.annotations.chain(event.seq) for event in events] == expected
        known = sum(chain not in (None, UNKNOWN) for chain in expected)
        assert trace.annotations.counts == (known, sum(chain == UNKNOWN for chain in expected))
        (module,) = trace.annotations.symbols[2].boots[0].modules
        assert module.last is not None
        return module.last


frames = st.lists(st.integers(0, 2**64 - 1), max_size=9)


@given(st.lists(st.tuples(st.integers(0, 2), frames), min_size=1, max_size=30), st.data())
def test_sites_come_back(made: list[tuple[int, list[int]]], data: st.DataObject) -> None:
    chains = [UNKNOWN, *(Chain(via, tuple(some)) for via, some in made)]
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, 99), min_size=1, max_size=60))))
    numbers = np.array(data.draw(st.lists(st.integers(0, len(made)), min_size=len(rows), max_size=len(rows))))
    note = encode_sites(5, Sites(rows, numbers, chains))
    read = decode_sites(Frame(note.type, 0, 0, note.summary, memoryview(note.body)), Path("a"), 100)
    assert list(read.chains) == chains
    assert [read.chain(row) for row in rows.tolist()] == [chains[number] for number in numbers.tolist()]
    assert [row for row in range(100) if read.chain(row) is None] == sorted(set(range(100)) - set(rows.tolist()))
    assert (read.by_row(100) >= 0).sum() == len(rows)


def test_symbols_come_back() -> None:
    note = encode_symbols(symbols_up_to(9), 9)
    assert decode_symbols(Frame(note.type, 0, 0, note.summary, memoryview(note.body)), Path("a")) == symbols_up_to(9)


def test_they_are_in_the_file_and_in_what_is_made_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    record(path)
    last = check(path)
    with open_trace(path) as trace:
        cut(trace, range(5, 9), tmp_path / "cut.ntbt")
        repack(trace, tmp_path / "packed.ntbt", lambda done: None)
    assert check(tmp_path / "cut.ntbt", 1) == check(tmp_path / "packed.ntbt") == last
    for name in ("a.ntbt", "packed.ntbt"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-10])  # without a tail they are found as well
        salvage(tmp_path / name, lambda line: None)
        assert check(tmp_path / name) == last


@pytest.mark.parametrize("storage", [Rotate(6000), Last(20000), Around("seq == 600", 100, 100)], ids=repr)
def test_they_go_where_their_block_goes(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    record(path, storage)
    if not isinstance(storage, Rotate):
        check(path, 1)
        return
    files = pieces(path)
    assert len(files) > 3
    assert [check(file, 1) for file in files] == sorted(check(file, 1) for file in files)
    traces = [open_trace(file) for file in files]
    join_pieces(traces, tmp_path / "joined.ntbt", lambda done: None)
    assert check(tmp_path / "joined.ntbt") == check(files[-1], 1)


def test_kill_9_costs_those_of_the_journal_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    code = (
        "import sys, time; from pathlib import Path; from tests.trace.test_annotations import record; "
        "record(Path(sys.argv[1]), close=False); print('done', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    salvage(path, lambda line: None)
    with open_trace(path) as trace:
        events = list(trace)
        assert [event.seq for event in events] == list(range(EVENTS + events[-1].seq - EVENTS + 1))
        chains = [trace.annotations.chain(event.seq) for event in events]
    there = [i for i, event in enumerate(events) if event.kind in ACCESSES]
    last = max(i for i in there if chains[i] is not None)
    assert last > EVENTS // 2
    assert [chains[i] for i in there if i <= last] == [chain_of(i) for i in there if i <= last]


def test_an_annotator_that_fails_costs_no_event(tmp_path: Path) -> None:
    def fail(first_seq: int, rows: Rows) -> Iterator[Annotation]:
        raise KeyError(first_seq)

    writer = small_writer(tmp_path / "a.ntbt")
    writer.annotator = fail
    for event in traffic(EVENTS):
        writer.append(event)
    writer.close()
    assert writer.error is None
    assert isinstance(writer.annotator_error, KeyError)
    with open_trace(tmp_path / "a.ntbt") as trace:
        assert len(trace) >= EVENTS
        assert trace.annotations.counts == (0, 0)


def ask(trace: Trace, seq: int) -> None:
    assert trace.annotations.symbols
    trace.annotations.chain(seq)


def test_damage_in_one_is_told_by_who_asks_and_costs_no_event(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    record(path)
    with open_trace(path) as trace:
        notes = [trace.annotations.of(kind)[-1] for kind in (FrameType.SITES, FrameType.SYMBOLS)]
        events, last = list(trace), trace.blocks[-1].first_seq
    whole = path.read_bytes()
    for note in notes:
        for at in range(note.offset, note.offset + note.length):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
            with open_trace(path) as trace:
                assert list(trace) == events
                with pytest.raises(TraceFormatError, match=r"a\.ntbt: byte \d+: "):
                    ask(trace, last)
            if at == note.offset + 40:
                with open_trace(path) as trace:
                    assert len(list(faults(trace, lambda done: None))) == 1


@given(st.binary(max_size=200), st.integers(1, 9), st.integers(0, 9))
def test_any_bytes_in_one_are_refused_or_read(body: bytes, known: int, chains: int) -> None:
    for frame in (
        Frame(FrameType.SITES, 0, 0, SITES.pack(0, known, 0, chains), memoryview(body)),
        Frame(FrameType.SYMBOLS, 0, 0, SYMBOLS.pack(0, known), memoryview(body)),
    ):
        with pytest.raises(TraceFormatError, match="byte 0"):
            decode_sites(frame, Path("a"), 100) if frame.type == FrameType.SITES else decode_symbols(frame, Path("a"))
