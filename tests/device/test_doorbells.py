# SPDX-License-Identifier: GPL-2.0-or-later
"""Doorbells: one register for all, a mask each; who is told, and when again."""

import pytest

from device.host import IrqMode, Status
from tests.device.making import RICH, THREE, World, two

DBELL = 2


def bells(world: World) -> list[int]:
    return [world.get(port, "INDBELLSTS") for port in world.switch.endpoints]


def told(world: World) -> list[int]:
    return [port for port, _ in world.irqs()]


def test_set_adds_bells_and_keeps_those_that_ring() -> None:
    """A known fault of another model: OUTDBELLSET assigned."""
    world = two()
    world.put(0, "OUTDBELLSET", 0x11)
    world.put(2, "OUTDBELLSET", 0x8000_0002)
    world.put(2, "OUTDBELLSET", 0)
    assert bells(world) == [0x8000_0013] * 2
    assert world.sw_get(0, "GDBELLSTS") == 0x8000_0013


def test_a_bell_rings_at_every_port_its_own_too() -> None:
    world = two(profile=THREE)
    world.put(2, "OUTDBELLSET", 1)
    assert told(world) == [0, 2, 4]
    assert [world.get(port, "NTINTSTS") for port in (0, 2, 4)] == [DBELL] * 3


def test_a_masked_bell_tells_nobody_at_that_port() -> None:
    """A known fault of another model: INDBELLMSK was ignored."""
    world = two(profile=THREE)
    world.put(2, "INDBELLMSK", 0x4)
    world.put(0, "OUTDBELLSET", 0x4)
    assert told(world) == [0, 4]
    assert (world.get(2, "NTINTSTS"), world.get(2, "INDBELLSTS")) == (0, 4), "it rings, and does not interrupt"
    world.put(0, "OUTDBELLSET", 0x8)
    assert told(world) == [2], "the other two have one already"


def test_unmasking_a_bell_that_rings_tells_then() -> None:
    world = two()
    world.put(2, "INDBELLMSK", 0xFFFF_FFFF)
    world.put(0, "OUTDBELLSET", 0x30)
    assert told(world) == [0]
    world.put(2, "INDBELLMSK", 0xFFFF_FFDF)
    assert told(world) == [2]


def test_a_second_bell_while_one_rings_is_no_event() -> None:
    world = two()
    world.put(0, "OUTDBELLSET", 1)
    assert told(world) == [0, 2]
    world.put(0, "OUTDBELLSET", 2)
    world.put(0, "OUTDBELLSET", 1)
    world.put(2, "INDBELLSTS", 1)
    assert told(world) == []
    assert bells(world) == [2, 2]


def test_clearing_the_last_bell_makes_the_next_one_an_event() -> None:
    world = two()
    world.put(0, "OUTDBELLSET", 3)
    world.effects()
    world.put(2, "INDBELLSTS", 0xFFFF_FFFF)
    assert (bells(world), told(world)) == ([0, 0], [])
    assert [world.get(port, "NTINTSTS") for port in (0, 2)] == [0, 0]
    world.put(2, "OUTDBELLSET", 1)
    assert told(world) == [0, 2]


def test_masking_the_last_bell_lets_the_cause_fall() -> None:
    world = two()
    world.put(0, "OUTDBELLSET", 1)
    world.put(2, "INDBELLMSK", 1)
    assert world.get(2, "NTINTSTS") == 0


def test_only_ones_clear() -> None:
    world = two()
    world.put(0, "OUTDBELLSET", 0xF0F0)
    world.put(0, "INDBELLSTS", 0xFF0F_0F00)
    assert bells(world) == [0xF0F0] * 2
    world.put(0, "INDBELLSTS", 0x00F0)
    assert bells(world) == [0xF000] * 2


@pytest.mark.parametrize(("at", "size", "bell"), [(0, 1, 0x80), (1, 1, 0x8000), (2, 2, 0x8080_0000), (0, 2, 0x8080)])
def test_bells_by_byte_lanes(at: int, size: int, bell: int) -> None:
    world = two()
    endpoint = world.switch.endpoints[0]
    endpoint.bar_write(0, 0x420 + at, size, bell >> 8 * at)
    assert bells(world) == [bell] * 2
    assert endpoint.bar_read(0, 0x428 + at, size) == bell >> 8 * at
    endpoint.bar_write(0, 0x428 + at, size, bell >> 8 * at)
    assert bells(world) == [0] * 2


def test_bells_stay_when_a_guest_goes_and_ring_when_it_comes_back() -> None:
    """They belong to the switch; the function's masks are reset, so NTINTMSK keeps it quiet until it is ready."""
    world = two()
    world.put(0, "OUTDBELLSET", 1)
    world.effects()
    world.switch.endpoints[2].detach()
    world.switch.endpoints[2].attach(IrqMode.MSI)
    assert told(world) == []
    world.plug(2)
    assert world.get(2, "INDBELLSTS") == 1
    assert told(world)[-1:] == [2]


def test_an_unplugged_port_is_not_told() -> None:
    world = two()
    world.switch.endpoints[2].detach()
    world.effects()
    world.put(0, "OUTDBELLSET", 1)
    assert told(world) == [0]


def test_the_global_register_is_read_only() -> None:
    world = two()
    world.put(0, "OUTDBELLSET", 6)
    world.sw_put(0, "GDBELLSTS", 0xFFFF_FFFF)
    assert (world.sw_get(0, "GDBELLSTS"), world.status) == (6, Status.OK)


# Which bells a port may set and see at all: `bells` of the profile


def test_a_bell_that_may_not_be_set_is_refused_and_the_others_ring() -> None:
    world = two(profile=RICH)  # port 12 may set 0xFFFF and sees 0xF00F
    world.put(12, "OUTDBELLSET", 0x8000_0001)
    assert world.status == Status.REFUSED
    assert world.get(0, "INDBELLSTS") == 1
    world.put(12, "OUTDBELLSET", 0x10)
    assert world.status == Status.OK
    assert world.get(0, "INDBELLSTS") == 0x11


def test_a_bell_that_is_not_seen_neither_shows_nor_interrupts_nor_is_cleared() -> None:
    world = two(profile=RICH)
    world.put(0, "OUTDBELLSET", 0x10)
    assert [port for port, _ in world.irqs()] == [0, 2]
    assert world.get(12, "INDBELLSTS") == 0
    world.put(12, "INDBELLSTS", 0x10)
    assert world.get(0, "INDBELLSTS") == 0x10
    world.put(0, "OUTDBELLSET", 0x1000)
    assert [port for port, _ in world.irqs()] == [12]
    assert world.get(12, "INDBELLSTS") == 0x1000
