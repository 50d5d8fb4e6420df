# SPDX-License-Identifier: GPL-2.0-or-later
"""Packer: what it chooses comes back as it was, is short, and what was learned is given up when it does not pay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.event import Kind
from ntbtrace.trace import packing
from ntbtrace.trace.columns import Array, causes, decode
from ntbtrace.trace.guard import expand
from ntbtrace.trace.layout import ROW_DTYPE, Codec
from ntbtrace.trace.packing import Packed, Packer, archive, recording

ROWS = 20_000
random = np.random.default_rng(1)
NOISE = random.integers(0, 1 << 63, ROWS).astype(np.uint64)
TIMES = random.choice([11_000, 14_000, 31_000], ROWS).cumsum().astype(np.uint64) + NOISE % np.uint64(900)
NO_EFFECTS = causes(np.full(ROWS, Kind.MMIO_READ, np.uint8), np.zeros(ROWS, np.uint32))
FEW = random.choice([1, 0xFFFF_FFFE, 0x8000_2540], ROWS).astype(np.uint64)


def unpacked(name: str, packed: Packed, count: int) -> Array:
    raw = expand(packed.data, packed.raw, packed.raw, packed.codec)
    return decode(packed.encoding, packed.width, raw, ROW_DTYPE[name], count, lambda: NO_EFFECTS)


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 5]), min_size=1), min_size=1, max_size=4))
def test_whatever_comes_after_whatever(blocks: list[list[int]]) -> None:
    for packer in (recording(), archive()):
        for values in blocks:
            column = np.array(values, np.uint64)
            packer.begin(lambda: None)
            assert (unpacked("value", packer.column("value", column, None), len(column)) == column).all()


@pytest.mark.parametrize(
    ("name", "column", "codec"),
    [("value", NOISE, Codec.LZ4), ("t", TIMES, Codec.DEFLATE), ("value", NOISE[:1].repeat(ROWS), Codec.LZ4)],
    ids=["noise", "times", "constant"],
)
def test_zlib_where_it_pays(name: str, column: Array, codec: Codec) -> None:
    packed = recording().column(name, column, NO_EFFECTS)
    assert packed.codec == codec
    assert (unpacked(name, packed, len(column)) == column).all()


def count_encodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    real = packing.encode

    def encode(encoding: int, *rest: object) -> object:
        made.append(encoding)
        return real(encoding, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(packing, "encode", encode)
    return made


def sizes(packer: Packer, columns: list[Array]) -> list[int]:
    found = []
    for column in columns:
        packer.begin(lambda: None)
        found.append(len(packer.column("value", column, None).data))
    return found


def test_what_was_learned_is_tried_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_encodings(monkeypatch)
    packer = recording()
    sizes(packer, [FEW])
    tried = len(made)
    assert tried > 1
    sizes(packer, [FEW] * (packing.LEARN - 1))
    assert len(made) == tried + packing.LEARN - 1
    sizes(packer, [FEW])
    assert len(made) == 2 * tried + packing.LEARN - 1


@pytest.mark.parametrize("columns", [[FEW, NOISE], [FEW, NOISE >> np.uint64(32)]])
def test_other_traffic_is_packed_as_if_it_were_the_first(columns: list[Array]) -> None:
    _, second = sizes(recording(), columns)
    (alone,) = sizes(recording(), columns[1:])
    assert second <= alone
