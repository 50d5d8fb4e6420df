# SPDX-License-Identifier: GPL-2.0-or-later
"""A block is made in short steps, so that who serves the guests need not wait for it; the bytes are the same."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ntbtrace.event import Kind
from ntbtrace.trace import columns, pace
from ntbtrace.trace.block import encode_block
from ntbtrace.trace.frame import encode_frame
from ntbtrace.trace.layout import COLUMNS, ROW_DTYPE
from ntbtrace.trace.pace import PIECE, REST_S, WORK_S, Pace
from ntbtrace.trace.packing import recording
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.summary import Rows
from tests.trace.making import traffic, write

ROWS = 2000
STEPS_OF_A_COLUMN = 2  # at least, where all rows are not the same


def rows(count: int) -> Rows:
    random = np.random.default_rng(count)
    made = np.zeros(count, ROW_DTYPE)
    for name in COLUMNS:
        made[name] = random.integers(0, 100, count)
    made["kind"], made["cause"] = Kind.MMIO_READ, 0
    return made


def encoded(count: int, payload: bytes = b"") -> tuple[bytes, int]:
    """The frame, and how often its making paused."""
    pauses: list[None] = []
    _, frame = encode_block(0, rows(count), payload, b"", recording(), lambda: pauses.append(None))
    return bytes(frame), len(pauses)


def test_many_rows_are_made_in_many_steps() -> None:
    frame, pauses = encoded(ROWS)
    assert pauses > STEPS_OF_A_COLUMN * len(COLUMNS)
    assert frame == bytes(encode_block(0, rows(ROWS), b"", b"", recording())[1])


def test_much_payload_is_copied_in_pieces() -> None:
    assert encoded(1, os.urandom(3 * PIECE))[1] == encoded(1, bytes(1))[1] + 2
    pauses: list[None] = []
    parts = (os.urandom(PIECE), b"behind", os.urandom(2 * PIECE + 1))
    frame = encode_frame(1, b"summary", *parts, pause=lambda: pauses.append(None))
    assert len(pauses) == 2 + 1 + 1 + 3
    assert b"".join(parts) in frame


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The rests of all threads, where each step is followed by one."""
    made: list[float] = []
    monkeypatch.setattr(pace, "WORK_S", 0)
    monkeypatch.setattr(pace, "sleep", made.append)
    return made


def test_the_writer_thread_rests(tmp_path: Path, rests: list[float]) -> None:
    write(tmp_path / "a.ntbt", traffic(10))
    assert len(rests) > STEPS_OF_A_COLUMN * len(COLUMNS)


def test_much_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rests: list[float]) -> None:
    written: list[int] = []
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: (written.append(len(data)), real(fd, data, at))[1])
    header = os.urandom(2 * PIECE + 1)
    made = Sink(tmp_path / "a.ntbt", header, overwrite=False)
    made.close()
    assert (tmp_path / "a.ntbt").read_bytes() == header
    assert written == [PIECE, PIECE, 1]
    assert len(rests) == len(written)


def test_a_rest_is_due_after_some_work_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rests = [0.0], []
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])
    monkeypatch.setattr(pace, "sleep", rests.append)
    steps = Pace()
    for worked, expected in ((WORK_S / 2, 0), (WORK_S / 2, 1), (WORK_S / 4, 1), (9 * WORK_S, 2)):
        clock[0] += worked
        steps()
        assert len(rests) == expected
    assert set(rests) == {REST_S}


@given(arrays(np.uint64, st.integers(1, 200), elements=st.integers(0, 20) | st.integers(0, 2**64 - 1)))
def test_items_are_numbered_as_numpy_does(items: columns.Array) -> None:
    different, numbers = columns.numbered(items, lambda: None)
    expected, inverse = np.unique(items, return_inverse=True)
    assert (different == expected).all()
    assert (numbers == inverse).all()
