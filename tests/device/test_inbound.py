# SPDX-License-Identifier: GPL-2.0-or-later
"""The inbound-window registers: a guest opens its peer's window into its own memory."""

import pytest

from device.host import Status
from device.idt.maps import INBOUND
from tests.device.making import RICH, World, place_of, two

HERE = 0x7_6543_2000


@pytest.fixture
def world() -> World:
    return two(profile=RICH)


def put(world: World, port: int, name: str, value: int) -> None:
    world.switch.endpoints[port].bar_write(0, INBOUND[name].offset, 4, value)


def get(world: World, port: int, name: str) -> int:
    return world.switch.endpoints[port].bar_read(0, INBOUND[name].offset, 4)


def set_trans(world: World, port: int, partition: int, place: int, address: int, size: int) -> None:
    """What a driver's mw_set_trans would write. `place`: BAR << 8 | entry."""
    values = (partition, place, address & 0xFFFF_FFFF, address >> 32, size & 0xFFFF_FFFF, size >> 32)
    for name, value in zip(("TPART", "LUTOFF", "LDATA", "HDATA", "LLIMIT", "HLIMIT"), values, strict=True):
        put(world, port, name, value)
        assert (world.about(), world.status) == ((port, name), Status.OK)


def test_a_direct_window_of_the_peer(world: World) -> None:
    set_trans(world, 0, 6, 3 << 8, HERE, 0x8000)
    peer = world.switch.endpoints[2]
    assert world.get(2, "BARLIMIT3") == place_of(3, peer.windows[3]) + 0x8000
    peer.bar_write(3, 0x7FFC, 4, 1)
    assert world.effects() == [("mem_write", 0, HERE + 0x7FFC, b"\1\0\0\0")]
    peer.bar_write(3, 0x8000, 4, 1)
    assert (world.status, world.effects()) == (Status.LIMIT, [])
    put(world, 0, "LLIMIT", 0)
    peer.bar_write(3, 0, 4, 1)
    assert (world.status, world.effects()) == (Status.CLOSED, [])


def test_who_sets_a_window_last_has_it(world: World) -> None:
    for port in (12, 0):
        set_trans(world, port, 6, 3 << 8, HERE, 0x8000)
    world.switch.endpoints[2].bar_write(3, 0, 4, 1)
    assert world.effects() == [("mem_write", 0, HERE, b"\1\0\0\0")]


def test_a_wide_window_of_the_peer(world: World) -> None:
    set_trans(world, 2, 1, 4 << 8, HERE, 0x2_0000_0000)
    peer = world.switch.endpoints[12]
    limit = place_of(4, peer.windows[4]) + 0x2_0000_0000
    assert (world.get(12, "BARLIMIT4"), world.get(12, "BARLIMIT5")) == (limit & 0xFFFF_FFFF, limit >> 32)
    peer.bar_read(4, 0x1_FFFF_FFF8, 8)
    assert world.effects() == [("mem_read", 2, HERE + 0x1_FFFF_FFF8, 8)]


def test_an_entry_of_the_peers_table(world: World) -> None:
    set_trans(world, 2, 0, 2 << 8 | 5, HERE, 0x1_0000)
    peer = world.switch.endpoints[0]
    peer.bar_write(2, 5 << 16, 2, 0x1234)
    assert world.effects() == [("mem_write", 2, HERE, b"\x34\x12")]
    put(world, 2, "LLIMIT", 0)
    peer.bar_write(2, 5 << 16, 2, 0x1234)
    assert (world.status, world.effects()) == (Status.CLOSED, [])


@pytest.mark.parametrize(
    ("partition", "place"), [(0, 2 << 8), (5, 3 << 8), (6, 0), (1, 3 << 8), (6, 2 << 8 | 24), (6, 7 << 8)]
)
def test_who_is_not_there_is_refused(world: World, partition: int, place: int) -> None:
    """The own partition, none, a BAR that is no window, an entry that there is not."""
    put(world, 0, "TPART", partition)
    put(world, 0, "LUTOFF", place)
    put(world, 0, "LLIMIT", 0x1000)
    assert world.status == Status.REFUSED
    assert get(world, 0, "LLIMIT") == 0x1000
    for port, bar in ((2, 3), (12, 2)):
        assert world.get(port, f"BARLIMIT{bar}") == 0


def test_bytes_have_their_lanes_and_the_rest_of_bar0_is_unknown(world: World) -> None:
    one = world.switch.endpoints[0]
    one.bar_write(0, 0x1009, 2, 0xABCD)
    assert get(world, 0, "LDATA") == 0x00AB_CD00
    assert one.bar_read(0, 0x1008, 8) == 0x00AB_CD00
    one.bar_write(0, 0x1018, 4, 1)
    assert world.status == Status.UNKNOWN
    assert (one.bar_read(0, 0x1FFC, 4), world.status) == (0, Status.UNKNOWN)
    assert one.bar_read(0, 0xFFE, 4) >> 16 == get(world, 0, "TPART")
    assert (one.cfg_read(0x1008, 4), world.status) == (0, Status.UNKNOWN), "they are not in configuration space"


def test_a_reset_clears_them(world: World) -> None:
    set_trans(world, 0, 6, 3 << 8, HERE, 0x8000)
    world.switch.endpoints[0].reset()
    world.plug(0)
    assert [get(world, 0, name) for name in INBOUND.by_name] == [0] * 6


def test_they_are_off_by_default() -> None:
    world = two()
    put(world, 0, "TPART", 1)
    assert (world.status, world.switch.endpoints[0].bar_size(0)) == (Status.UNKNOWN, 4096)
