# SPDX-License-Identifier: GPL-2.0-or-later
"""Matching: records and accesses that differ are told apart, and none is attributed wrongly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.capture.guest_pc.match import Matcher, align
from ntbtrace.capture.guest_pc.stream import FRAMES, RECORD, Records
from ntbtrace.event import NO_BAR, Kind
from ntbtrace.trace.layout import ROW_DTYPE
from ntbtrace.trace.sites import UNKNOWN, Sites
from ntbtrace.trace.summary import Rows

BAR0, BAR2 = 0xFEB0_0000, 0xFE00_0000
SIZES = {0: 0x1000, 2: 0x10_0000}
WRITE, READ = int(Kind.MMIO_WRITE), int(Kind.MMIO_READ)


def rows(*made: tuple[int, int, int, int, int, int]) -> Rows:
    """Of (kind, endpoint, bar, offset, size, value)."""
    found = np.zeros(len(made), ROW_DTYPE)
    for row, (kind, endpoint, bar, offset, size, value) in zip(found, made, strict=True):
        row["kind"], row["endpoint"], row["bar"], row["offset"] = kind, endpoint, bar, offset
        row["size"], row["value"] = size, value
    return found


def record(address: int, size: int = 4, store: bool = True, *frames: int) -> Records:
    found = np.zeros(1, RECORD)
    found["physical"], found["size"], found["store"], found["depth"] = address, size, store, len(frames)
    found["frames"][0, : len(frames)] = frames
    return found


PROGRAM = [
    (int(Kind.CFG_WRITE), 0, NO_BAR, 0x10, 4, BAR0), (int(Kind.CFG_WRITE), 0, NO_BAR, 0x18, 4, BAR2 | 8),
]  # fmt: skip


def matcher() -> Matcher:
    return Matcher({0: lambda bar: SIZES.get(bar, 0)})


def match(one: Matcher, block: Rows, *records: Records) -> Sites | None:
    given = [np.concatenate(records)] if records else []
    return one.sites(block, lambda: given.pop() if given else np.empty(0, RECORD))


def frames(sites: Sites | None) -> list[tuple[int, ...]]:
    assert sites is not None
    return [sites.chains[number].frames for number in sites.numbers.tolist()]


def test_address_size_and_direction_must_fit() -> None:
    block = rows(*PROGRAM, (WRITE, 0, 0, 0x40, 4, 1), (READ, 0, 2, 0x80, 8, 0), (WRITE, 2, 0, 0x40, 4, 1))
    good = [record(BAR0 + 0x40, 4, True, 7, 8), record(BAR2 + 0x80, 8, False, 9)]
    sites = match(matcher(), block, *good)
    assert frames(sites) == [(7, 8), (9,)]
    assert sites is not None
    assert sites.rows.tolist() == [2, 3]
    assert sites.chains[0] == UNKNOWN
    for bad in (record(BAR0 + 0x44, 4, True, 7), record(BAR0 + 0x40, 2, True, 7), record(BAR0 + 0x40, 4, False, 7)):
        assert frames(match(matcher(), block, bad, good[1])) == [(), (9,)]


def test_other_devices_do_not_matter() -> None:
    block = rows(*PROGRAM, (WRITE, 0, 0, 0x40, 4, 1), (WRITE, 0, 0, 0x44, 4, 1))
    others = [record(0xFEBF_1000, 4, True, 5)] * 100
    assert frames(match(matcher(), block, *others, record(BAR0 + 0x40, 4, True, 7), *others)) == [(7,), ()]
    assert match(matcher(), rows(PROGRAM[0]), *others) is None


def test_a_bar_moves() -> None:
    moved = (int(Kind.CFG_WRITE), 0, NO_BAR, 0x10, 4, BAR0 + 0x8000)
    block = rows(*PROGRAM, (WRITE, 0, 0, 0x40, 4, 1), moved, (WRITE, 0, 0, 0x40, 4, 1))
    one = matcher()
    assert frames(match(one, block, record(BAR0 + 0x40, 4, True, 1), record(BAR0 + 0x8040, 4, True, 2))) == [(1,), (2,)]
    later = rows((READ, 0, 0, 0, 4, 0))
    assert frames(match(one, later, record(BAR0 + 0x8000, 4, False, 3))) == [(3,)], "in the next block too"


def test_a_record_that_comes_too_late_or_early_disturbs_nobody() -> None:
    one = matcher()
    first = rows(*PROGRAM, *((WRITE, 0, 0, 4 * i, 4, 1) for i in range(20)))
    second = rows(*((WRITE, 0, 0, 4 * i, 4, 1) for i in range(20, 40)))
    records = [record(BAR0 + 4 * i, 4, True, i) for i in range(40)]
    assert frames(match(one, first, *records[:19])) == [*((i,) for i in range(19)), ()]
    assert frames(match(one, second, *records[19:])) == [(i,) for i in range(20, 40)]
    one = matcher()
    assert frames(match(one, first, *records)) == [(i,) for i in range(20)]
    assert frames(match(one, second)) == [(i,) for i in range(20, 40)], "they were there already"


def test_chains_are_told_apart_by_all_their_frames() -> None:
    deep = [tuple(range(i, i + 1 + i % FRAMES)) for i in range(60)]
    block = rows(*PROGRAM, *((WRITE, 0, 2, 4 * (i % 7), 4, 1) for i in range(60)))
    records = [record(BAR2 + 4 * (i % 7), 4, True, *deep[i]) for i in range(60)]
    assert frames(match(matcher(), block, *records)) == deep


@given(st.lists(st.integers(0, 60), unique=True, max_size=60), st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_what_is_missing_on_either_side_is_unknown_and_nothing_else_is_wrong(
    order: list[int], lost: set[int], unseen: set[int]
) -> None:
    wanted = np.array([key for key in order if key not in unseen], np.uint64)
    given_keys = np.array([key for key in order if key not in lost], np.uint64)
    found, done = align(wanted, given_keys)
    assert done <= len(given_keys)
    for key, place in zip(wanted.tolist(), found.tolist(), strict=True):
        assert place < 0 or int(given_keys[place]) == key
    if not lost and not unseen:
        assert (found >= 0).all()


def test_a_long_gap_ends_the_matching_of_that_block_only() -> None:
    found, done = align(np.arange(500, dtype=np.uint64), np.arange(300, 700, dtype=np.uint64))
    assert (found < 0).all()
    assert done == 400
