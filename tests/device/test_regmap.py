# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows, maps and byte lanes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.regmap import Access, Field, Register, RegisterMap, lanes, word


def row(name: str, offset: int, **more: object) -> Register:
    return Register(name, offset, word(), "doc", "source", **more)  # type: ignore[arg-type]


def test_two_registers_at_one_place_are_refused_with_both_names_in_hex():
    with pytest.raises(ValueError, match=r"LATER at 0x404 overlaps SOONER1 at 0x404"):
        RegisterMap("nt", 1, [row("SOONER{}", 0x400, indices=(0, 1), stride=4), row("LATER", 0x404)])


def test_a_register_off_a_dword_is_refused():
    with pytest.raises(ValueError, match=r"ODD must be on a 4-byte boundary, not at 0x402"):
        RegisterMap("nt", 1, [row("ODD", 0x402)])


def test_overlapping_fields_are_refused_with_both_masks():
    with pytest.raises(ValueError, match=r"R.B \(0x18\) overlaps A \(0xf\)"):
        Register("R", 0, (Field("A", 0, 4), Field("B", 3, 2)), "doc", "source")


@pytest.mark.parametrize(("lsb", "width"), [(31, 2), (0, 33), (-1, 1), (3, 0)])
def test_a_field_outside_of_the_register_is_refused(lsb, width):
    with pytest.raises(ValueError, match=r"R.A must lie within 32 bits"):
        Register("R", 0, (Field("A", lsb, width),), "doc", "source")


def test_an_array_is_one_row_with_consecutive_ids():
    table = RegisterMap(
        "nt", 7, [row("FIRST", 0), row("SWP{}CTL", 0x20, indices=(0, 2, 12), stride=0x10), row("LAST", 4)]
    )
    assert [(place.id, place.name, place.offset, place.number) for place in table.places] == [
        (7, "FIRST", 0, 0), (8, "SWP0CTL", 0x20, 0), (9, "SWP2CTL", 0x40, 2), (10, "SWP12CTL", 0xE0, 12),
        (11, "LAST", 4, 0),
    ]  # fmt: skip
    assert [(one["id"], one["name"], one["indices"]) for one in table.export()] == [
        (7, "FIRST", None), (8, "SWP{}CTL", [0, 2, 12]), (11, "LAST", None),
    ]  # fmt: skip
    assert table.by_offset[0x40] is table["SWP2CTL"]


def test_an_unproven_reset_is_stored_as_zero_and_exported_as_none():
    one = Register("R", 0, (Field("A", 0, 4, reset=5), Field("B", 4, 4), Field("C", 8, 1, reset=1)), "doc", "source")
    assert one.reset == 0x105
    assert [entry[5] for entry in RegisterMap("nt", 1, [one]).export()[0]["fields"]] == [5, None, 1]


def test_masks_by_access():
    one = Register(
        "R", 0, (Field("A", 0, 4), Field("B", 4, 4, Access.RO), Field("C", 8, 1, Access.RW1C)), "doc", "source"
    )
    assert one.mask(Access.RW) == 0xF
    assert one.mask(Access.RO, Access.RW1C) == 0x1F0


@given(st.integers(0, 5000), st.sampled_from((1, 2, 4, 8)))
def test_lanes_cover_each_byte_once_and_stay_inside_their_dword(offset, size):
    seen = []
    for at, shift, place, part in lanes(offset, size):
        assert at % 4 == 0
        assert shift % 8 == 0
        assert shift // 8 + part <= 4
        seen += [(at + shift // 8 + i, place // 8 + i) for i in range(part)]
    assert seen == [(offset + i, i) for i in range(size)]


def test_an_aligned_eight_byte_access_is_two_dwords():
    assert list(lanes(0x100, 8)) == [(0x100, 0, 0, 4), (0x104, 0, 32, 4)]
    assert list(lanes(0x103, 2)) == [(0x100, 24, 0, 1), (0x104, 0, 8, 1)]
