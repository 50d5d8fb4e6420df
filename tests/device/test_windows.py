# SPDX-License-Identifier: GPL-2.0-or-later
"""Direct windows: what passes, to where, and how everything else is answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.host import Inject, Status
from tests.device.making import BARS, MEMORY, THREE, WINDOW, World, two

RAM = 0x1_2345_6000


@pytest.fixture
def world() -> World:
    """Port 0's BAR2 leads to 4 KiB of port 2's memory."""
    opened = two()
    opened.open(0, 2, 2, RAM, 0x1000)
    opened.effects()
    return opened


def closed(world: World, status: Status, bar: int = 2, offset: int = 0, size: int = 4) -> None:
    """Reads give ones, writes are dropped, nothing goes out, and `status` says why."""
    one = world.switch.endpoints[0]
    assert one.bar_read(bar, offset, size) == (1 << 8 * size) - 1
    assert (world.status, world.switch.target) == (status, 0)
    one.bar_write(bar, offset, size, 0)
    assert (world.status, world.switch.target) == (status, 0)
    assert world.effects() == []


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_an_access_is_one_access_of_the_same_bytes_at_the_peer(world, size):
    one = world.switch.endpoints[0]
    one.bar_write(2, 0x103, size, 0x8877_6655_4433_2211)
    assert world.effects() == [("mem_write", 2, RAM + 0x103, bytes.fromhex("1122334455667788")[:size])]
    value = one.bar_read(2, 0x10, size)
    assert world.effects() == [("mem_read", 2, RAM + 0x10, size)]
    assert value.to_bytes(size, "little") == world.host.mem_read(2, RAM + 0x10, size)
    assert (world.status, world.switch.target) == (Status.OK, 0)


@given(size=st.sampled_from((1, 2, 4, 8)), limit=st.integers(1, WINDOW), offset=st.integers(0, WINDOW + 8))
def test_the_limit_is_exact(size, limit, offset):
    world = two()
    world.open(0, 2, 2, RAM, limit)
    world.switch.endpoints[0].bar_write(2, offset, size, 0)
    passes = offset + size <= limit
    assert world.status == (Status.OK if passes else Status.LIMIT)
    assert len(world.effects()) == passes


def test_the_limit_counts_from_the_bars_bus_address(world):
    """A known fault of others: limits compared with the wrong base."""
    world.switch.endpoints[0].cfg_write(0x18, 4, BARS[2] - WINDOW)  # the window's limit is now behind its end
    world.switch.endpoints[0].bar_write(2, WINDOW - 4, 4, 0)
    assert world.status == Status.OK
    world.effects()
    world.switch.endpoints[0].cfg_write(0x18, 4, BARS[2] + WINDOW)  # and now before its start
    closed(world, Status.LIMIT)


def test_a_limit_behind_the_bar_passes_no_more_than_the_bar(world):
    world.put(0, "BARLIMIT2", 0xFFFF_FFFF)
    world.switch.endpoints[0].bar_write(2, WINDOW - 4, 4, 0)
    assert world.status == Status.OK
    world.effects()
    closed(world, Status.LIMIT, offset=WINDOW - 2)
    closed(world, Status.LIMIT, offset=WINDOW)


def test_a_window_that_was_never_opened_is_closed():
    """A known fault of others: accesses before the set-up. FACTS 1.6: stock ntb_perf's whole copy."""
    closed(two(), Status.CLOSED, bar=3)


def test_a_cleared_translation_closes(world):
    world.put(0, "BARLIMIT2", 0)
    closed(world, Status.CLOSED)


@pytest.mark.parametrize(("clear", "put"), [(0x8000_0000, 0), (0, 0x400), (0, 0x800), (0, 0x1000), (0xE000, 0xE000)])
def test_barsetup_closes(world, clear, put):
    """Disabled, configuration space, a lookup table, a partition without a port."""
    world.put(0, "BARSETUP2", world.get(0, "BARSETUP2") & ~clear | put)
    closed(world, Status.CLOSED)


@pytest.mark.parametrize("port", [0, 2])
@pytest.mark.parametrize("what", ["bus master", "CPEN", "mapping entry", "cable", "reset", "detach"])
def test_either_side_closes_and_opens_again(world, port, what):
    one = world.switch.endpoints[port]
    world.switch.endpoints[0].bar_write(2, 0, 4, 0)
    assert world.status == Status.OK

    def close() -> None:
        match what:
            case "bus master":
                one.cfg_write(4, 2, MEMORY)
            case "CPEN":
                world.put(port, "NTCTL", 0)
            case "mapping entry":
                world.put(port, "NTMTBLDATA", 0)
            case "cable":
                world.switch.inject(port, Inject.CABLE, 0, 0)
            case "reset":
                one.reset()
            case "detach":
                one.detach()

    close()
    world.effects()
    closed(world, Status.DISABLED if port == 0 and what in ("reset", "detach") else Status.CLOSED)
    world.plug(port)
    world.switch.inject(port, Inject.CABLE, 0, 1)
    world.link(port)
    world.open(0, 2, 2, RAM, 0x1000)
    world.effects()
    world.switch.endpoints[0].bar_write(2, 0, 4, 1)
    assert world.effects() == [("mem_write", 2, RAM, b"\1\0\0\0")]


def test_without_id_protection_no_mapping_entry_is_needed(world):
    for port in (0, 2):
        world.put(port, "NTMTBLDATA", 0)
        world.put(port, "NTCTL", 3)
    world.effects()
    world.switch.endpoints[0].bar_write(2, 0, 4, 1)
    assert world.status == Status.OK


def test_memory_space_off_is_disabled(world):
    world.switch.endpoints[0].cfg_write(4, 2, 0)
    closed(world, Status.DISABLED)


def test_no_such_bar(world):
    for bar in (1, 4, 5, 6, 255, -1):
        closed(world, Status.UNKNOWN, bar=bar)


def test_no_such_size(world):
    one = world.switch.endpoints[0]
    for size in (0, 3, 16, -4, 1 << 70):
        assert one.bar_read(2, 0, size) == 0
        one.bar_write(2, 0, size, 1)
        assert world.status == Status.LIMIT
    assert world.effects() == []


def test_the_target_partition_chooses_among_three_guests():
    world = two(profile=THREE)
    world.open(0, 2, 2, 0x1000, 0x1000)
    world.open(0, 3, 4, 0x2000, 0x1000)
    world.open(4, 2, 0, 0x3000, 0x1000)
    world.effects()
    world.switch.endpoints[0].bar_write(2, 0, 1, 1)
    world.switch.endpoints[0].bar_write(3, 0, 1, 2)
    world.switch.endpoints[4].bar_write(2, 0, 1, 3)
    assert world.effects() == [
        ("mem_write", 2, 0x1000, b"\1"), ("mem_write", 4, 0x2000, b"\2"), ("mem_write", 0, 0x3000, b"\3"),
    ]  # fmt: skip
    world.put(0, "BARSETUP2", world.get(0, "BARSETUP2") & ~0xE000 | 5 << 13)
    world.switch.endpoints[0].bar_write(2, 0, 1, 4)
    assert world.effects() == [("mem_write", 4, 0x1000, b"\4")]


def test_a_third_guest_changes_nothing_between_two():
    world = two(profile=THREE)
    world.open(0, 2, 2, RAM, 0x1000)
    world.switch.endpoints[4].detach()
    world.effects()
    world.switch.endpoints[0].bar_write(2, 0, 1, 1)
    assert world.effects() == [("mem_write", 2, RAM, b"\1")]


def test_a_translated_address_wraps_at_64_bits(world):
    world.put(0, "BARLTBASE2", 0xFFFF_FFFC)
    world.put(0, "BARUTBASE2", 0xFFFF_FFFF)
    world.switch.endpoints[0].bar_write(2, 8, 1, 7)
    world.switch.endpoints[0].bar_read(2, 8, 1)
    assert world.effects() == [("mem_write", 2, 4, b"\7"), ("mem_read", 2, 4, 1)]


def test_a_peer_can_move_a_window_by_the_global_space(world):
    """What the window's registers say counts, whoever wrote them: port 2 writes port 0's BARLTBASE2."""
    world.global_put(2, 0x1000 + 0x498, 0x2345_7000)
    world.effects()
    world.switch.endpoints[0].bar_write(2, 0, 1, 1)
    assert world.effects() == [("mem_write", 2, 0x1_2345_7000, b"\1")]
