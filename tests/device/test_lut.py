# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows with a lookup table, and those of 64 bits: what passes, to where, and what is said of the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.host import Status
from device.profile import WINDOW_TYPES, Profile
from tests.device.making import RICH, World, place_of, two

FAR = 0x12_3456_7000


@pytest.fixture
def world() -> World:
    return two(profile=RICH)


# (port, BAR) of every table in the profile
TABLES = [(0, 2), (0, 4), (2, 2), (2, 4)]


def part_of(world: World, port: int, bar: int) -> tuple[int, int]:
    """Bytes of an entry's window, and how many there are."""
    window = world.switch.endpoints[port].windows[bar]
    kind = WINDOW_TYPES[window.type]
    return window.size // kind.parts, kind.windows


@pytest.mark.parametrize(("port", "bar"), TABLES)
def test_each_entry_is_a_window_of_its_own(world: World, port: int, bar: int) -> None:
    part, count = part_of(world, port, bar)
    peers = [one for one in RICH.port_numbers if one != port]
    for index in range(count):
        world.entry(port, bar, index, peers[index % 2], FAR + (index << 32))
    world.effects()
    one = world.switch.endpoints[port]
    for index in range(count):
        one.bar_write(bar, index * part + 8, 4, index)
        one.bar_read(bar, (index + 1) * part - 8, 8)
        assert (world.status, world.switch.target) == (Status.OK, 0)
        there = FAR + (index << 32)
        assert world.effects() == [
            ("mem_write", peers[index % 2], there + 8, bytes((index, 0, 0, 0))),
            ("mem_read", peers[index % 2], there + part - 8, 8),
        ]  # fmt: skip
    one.bar_write(bar, count * part, 4, 1)
    assert (world.status, world.effects()) == (Status.LIMIT, [])
    one.bar_write(bar, -4, 4, 1)
    assert (world.status, world.effects()) == (Status.LIMIT, [])


def test_an_access_across_two_entries_is_over_the_limit(world: World) -> None:
    part, _ = part_of(world, 0, 2)
    for index in range(2):
        world.entry(0, 2, index, 2, FAR)
    world.effects()
    for size, offset in ((8, part - 4), (2, part - 1)):
        assert world.switch.endpoints[0].bar_read(2, offset, size) == (1 << 8 * size) - 1
        assert (world.status, world.effects()) == (Status.LIMIT, [])


def test_an_entry_that_is_not_valid_is_closed(world: World) -> None:
    one = world.switch.endpoints[0]
    assert one.bar_read(2, 0, 4) == 0xFFFF_FFFF
    assert world.status == Status.CLOSED
    world.entry(0, 2, 0, 2, FAR)
    one.bar_write(2, 0, 4, 1)
    assert world.status == Status.OK
    world.put(0, "LUTUDATA", 6)  # VALID is clear
    one.bar_write(2, 0, 4, 1)
    assert world.status == Status.CLOSED


def test_an_entry_to_a_partition_without_a_guest_is_closed(world: World) -> None:
    for partition in (3, 8, 15):
        world.entry(0, 2, 0, 2, FAR)
        world.put(0, "LUTUDATA", 0x8000_0000 | partition)
        world.switch.endpoints[0].bar_write(2, 0, 4, 1)
        assert (world.status, world.effects()) == (Status.CLOSED, [])


@pytest.mark.parametrize("port", [0, 2])
def test_either_sides_link_closes_an_entry(world: World, port: int) -> None:
    world.entry(0, 2, 0, 2, FAR)
    world.put(port, "NTCTL", 0)
    world.switch.endpoints[0].bar_write(2, 0, 4, 1)
    assert (world.status, world.effects()) == (Status.CLOSED, [])


def test_the_words_of_an_entry_are_named_and_kept_apart(world: World) -> None:
    world.entry(2, 2, 23, 0, FAR)
    world.entry(2, 4, 11, 12, 0x55)
    for bar, index, name, value in (
        (2, 23, "LUTLDATA", FAR & 0xFFFF_FFFF), (2, 23, "LUTMDATA", FAR >> 32), (2, 23, "LUTUDATA", 0x8000_0000),
        (4, 11, "LUTLDATA", 0x55), (4, 11, "LUTMDATA", 0), (4, 11, "LUTUDATA", 0x8000_0001),
    ):  # fmt: skip
        world.put(2, "LUTOFFSET", bar << 8 | index)
        assert world.get(2, name) == value
        assert (world.about(), world.status) == ((2, f"LUT{bar}{name[3:]}{index}"), Status.OK)
    world.put(0, "LUTOFFSET", 2 << 8 | 23)
    assert world.get(0, "LUTUDATA") == 0, "another port's table"


def test_reserved_bits_of_an_entry_are_zero_and_bytes_have_their_lanes(world: World) -> None:
    world.put(0, "LUTOFFSET", 2 << 8)
    world.put(0, "LUTUDATA", 0xFFFF_FFFF)
    assert world.get(0, "LUTUDATA") == 0x8000_000F
    world.switch.endpoints[0].bar_write(0, 0x4E5, 1, 0xAB)
    assert world.get(0, "LUTLDATA") == 0xAB00


@pytest.mark.parametrize("select", [0, 3 << 8, 7 << 8 | 2, 2 << 8 | 24, 4 << 8 | 31])
def test_there_is_no_such_entry(world: World, select: int) -> None:
    world.put(0, "LUTOFFSET", select)
    before = world.switch.snapshot()
    world.put(0, "LUTLDATA", 5)
    assert (world.about(), world.status) == ((0, "LUTLDATA"), Status.UNKNOWN)
    assert world.get(0, "LUTLDATA") == 0
    assert world.status == Status.UNKNOWN
    assert world.switch.snapshot() == before


def test_a_reset_clears_the_tables(world: World) -> None:
    world.entry(0, 2, 3, 2, FAR)
    world.switch.endpoints[0].reset()
    world.plug(0)
    world.put(0, "LUTOFFSET", 2 << 8 | 3)
    assert [world.get(0, f"LUT{half}DATA") for half in "LMU"] == [0, 0, 0]


def test_a_table_where_the_chip_has_none_is_closed() -> None:
    """ATRAN can be written; BAR3 has no table, and 3 is no type."""
    world = two()
    for bar, atran in ((3, 1), (2, 3)):
        world.open(0, bar, 2, FAR, 0x1000)
        world.put(0, f"BARSETUP{bar}", world.get(0, f"BARSETUP{bar}") | atran << 11)
        world.switch.endpoints[0].bar_write(bar, 0, 4, 1)
        assert (world.status, world.effects()) == (Status.CLOSED, [])


def test_a_bar_too_small_to_be_cut_into_a_tables_parts_is_closed() -> None:
    bars = {"BAR0": "registers", "BAR2": 16, "BAR4": 32}
    small = Profile.from_mapping({"port": [{"number": n, "partition": p, "bars": bars} for n, p in ((0, 0), (2, 1))]})
    world = two(profile=small)
    one = world.switch.endpoints[0]
    for bar, status in ((2, Status.CLOSED), (4, Status.OK)):
        world.put(0, f"BARSETUP{bar}", world.get(0, f"BARSETUP{bar}") | 2 << 11)
        world.entry(0, bar, 0, 2, FAR)
        one.bar_write(bar, 0, 1, 1)
        assert world.status == status
        found = one.reach(place_of(bar, one.windows[bar]), 1)
        assert found is not None
        assert found[0] == status


# 64 bits


def test_a_wide_bar_says_so_and_takes_the_next_ones_address(world: World) -> None:
    one = world.switch.endpoints[12]
    assert [one.bar_address(bar) for bar in range(6)] == [
        0xFE00_0000, None, place_of(2, one.windows[2]), None, place_of(4, one.windows[4]), None,
    ]  # fmt: skip
    assert [one.bar_size(bar) for bar in range(6)] == [8192, 0, 1 << 32, 0, 1 << 34, 0]
    assert world.get(12, "BARSETUP2") >> 1 & 3 == 2  # IDT_BARSETUP_TYPE_64
    for offset in (0x18, 0x1C):
        one.cfg_write(offset, 4, 0xFFFF_FFFF)
    assert (one.cfg_read(0x18, 4), one.cfg_read(0x1C, 4)) == (0x4, 0xFFFF_FFFF)  # 4 GiB, 64 bits
    for offset in (0x20, 0x24):
        one.cfg_write(offset, 4, 0xFFFF_FFFF)
    assert (one.cfg_read(0x20, 4), one.cfg_read(0x24, 4)) == (0x4, 0xFFFF_FFFC)  # 16 GiB


def test_the_limit_of_a_wide_window_counts_from_all_64_bits_of_its_address(world: World) -> None:
    """A known fault of others: the limit compared with the lower half alone."""
    one = world.switch.endpoints[12]
    world.open(12, 2, 0, FAR, 0xC000_1000)
    world.effects()
    for offset, status in ((0, Status.OK), (0xC000_0FFC, Status.OK), (0xC000_1000, Status.LIMIT)):
        one.bar_write(2, offset, 4, 7)
        assert world.status == status, hex(offset)
        assert world.effects() == ([("mem_write", 0, FAR + offset, b"\7\0\0\0")] if status == Status.OK else [])
    world.put(12, "BARLIMIT3", 0)
    one.bar_write(2, 0, 4, 7)
    assert world.status == Status.LIMIT
    world.put(12, "BARLIMIT2", 0)
    one.bar_write(2, 0, 4, 7)
    assert world.status == Status.CLOSED


@given(offset=st.integers(0, (1 << 34) - 1))
def test_every_byte_of_a_window_of_16_gib_is_reached(offset: int) -> None:
    world = two(profile=RICH)
    world.open(12, 4, 2, FAR, 1 << 34)
    world.effects()
    world.switch.endpoints[12].bar_write(4, offset, 1, 9)
    assert world.effects() == [("mem_write", 2, FAR + offset, b"\x09")]


# What a transfer of the DMA engine meets


def test_reach_gives_what_passes_of_a_transfer(world: World) -> None:
    part, count = part_of(world, 0, 2)
    world.entry(0, 2, 1, 12, FAR)
    one = world.switch.endpoints[0]
    start = one.bus_address(2)
    assert one.reach(start + part, 1 << 20) == (0, 12, FAR, part)
    assert one.reach(start + part + 100, 8) == (0, 12, FAR + 100, 8)
    assert one.reach(start, 8) == (Status.CLOSED, 0, 0, 0)
    assert one.reach(start + count * part, 8) == (Status.LIMIT, 0, 0, 0)
    assert one.reach(one.bus_address(0), 4) == (Status.CLOSED, 0, 0, 0), "registers are no memory"
    for outside in (0, start - 1, start + (1 << 20), -5, 1 << 70):
        assert one.reach(outside, 4) is None
    other = world.switch.endpoints[12]
    world.open(12, 2, 0, FAR, 0x1000)
    start = other.bus_address(2)
    assert other.reach(start + 0xFF8, 64) == (0, 0, FAR + 0xFF8, 8)
    assert other.reach(start + 0x1000, 64) == (Status.LIMIT, 0, 0, 0)
    other.cfg_write(4, 2, 4)
    assert other.reach(start, 64) is None, "nothing decodes without memory space"
