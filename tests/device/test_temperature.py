# SPDX-License-Identifier: GPL-2.0-or-later
"""The temperature sensor, as ntb_hw_idt reads it, and what a person injects."""

import pytest

from device.host import Inject, Status
from device.idt.maps import SWITCH
from tests.device.making import World, two

TMPSENSOR = 0x80
PDOWN = 0x8000_0000


@pytest.fixture
def world() -> World:
    ready = two()
    ready.sw_put(0, "TMPCTL", 0)  # idt_init_temp
    ready.effects()
    return ready


def warm(world: World, half_degrees: int) -> None:
    world.switch.inject(0, Inject.TEMPERATURE, 0, half_degrees)


def seen(world: World) -> tuple[int, int, int]:
    """(now, lowest, highest) as idt_read_temp takes them apart."""
    status = world.sw_get(2, "TMPSTS")
    return status & 0xFF, status >> 8 & 0xFF, status >> 16 & 0xFF


def test_it_keeps_the_lowest_and_the_highest(world):
    assert seen(world) == (50, 50, 50)
    for value in (90, 41, 60):
        warm(world, value)
        assert world.status == Status.OK
    assert seen(world) == (60, 41, 90)


def test_the_driver_resets_the_history(world):
    """idt_sysfs_reset_hist: the lowest is set to the most, the highest to the least."""
    warm(world, 90)
    warm(world, 60)
    for shift, value in ((8, 0xFF), (16, 0)):
        alarm = world.sw_get(0, "TMPALARM")
        world.sw_put(0, "TMPALARM", (alarm & ~(0xFF << shift) | value << shift) & ~0x3F00_0000)
    assert seen(world) == (60, 60, 60)


@pytest.mark.parametrize(("offset", "now"), [(10, 70), (0xF6, 50), (0x80, 0), (0x7F, 187)])
def test_the_offset_is_signed_and_added(world, offset, now):
    warm(world, 60)
    world.sw_put(0, "TMPADJ", offset)
    assert seen(world)[0] == now
    assert world.sw_get(0, "TMPADJ") == offset


def test_the_offset_does_not_leave_the_scale(world):
    world.sw_put(0, "TMPADJ", 0x7F)
    warm(world, 0xFF)
    assert seen(world)[0] == 0xFF


def test_powered_down_it_measures_nothing_until_it_is_on_again(world):
    world.sw_put(0, "TMPCTL", PDOWN)
    warm(world, 100)
    assert world.status == Status.DISABLED
    assert seen(world) == (50, 50, 50)
    later = World()
    later.switch.restore(world.switch.snapshot())
    for one in (world, later):
        one.sw_put(0, "TMPCTL", 0)
        assert seen(one) == (100, 50, 100)


def test_a_threshold_crossed_upwards_and_downwards_is_an_alarm(world):
    world.sw_put(0, "TMPCTL", 60 | 80 << 8 | 100 << 16)
    warm(world, 85)
    assert world.sw_get(0, "TMPALARM") >> 24 == 0b000_011
    assert world.irqs() == [(0, 0), (2, 0)]
    assert world.get(0, "NTINTSTS") & TMPSENSOR
    warm(world, 86)
    assert world.sw_get(0, "TMPALARM") >> 24 == 0b000_011
    world.sw_put(0, "TMPALARM", 0x3F00_0000)
    assert world.sw_get(0, "TMPALARM") >> 24 == 0
    world.put(0, "NTINTSTS", TMPSENSOR)
    warm(world, 79)
    assert world.sw_get(0, "TMPALARM") >> 24 == 0b010_000
    assert world.irqs() == [(0, 0)]  # port 2 has not cleared the first one


def test_a_threshold_is_crossed_when_it_is_reached_from_below_and_left_downwards(world):
    world.sw_put(0, "TMPCTL", 80)
    for value, alarms in ((80, 0b000_001), (90, 0), (80, 0), (79, 0b001_000)):
        world.sw_put(0, "TMPALARM", 0x3F00_0000)
        warm(world, value)
        assert world.sw_get(0, "TMPALARM") >> 24 == alarms


def test_the_interrupt_is_masked_per_function(world):
    world.put(2, "NTINTMSK", TMPSENSOR)
    world.sw_put(0, "TMPCTL", 60)
    warm(world, 61)
    assert world.irqs() == [(0, 0)]
    assert world.get(2, "NTINTSTS") & TMPSENSOR


@pytest.mark.parametrize("value", [-1, 256, 1 << 80])
def test_an_absurd_temperature_is_cut(world, value):
    warm(world, value)
    assert seen(world)[0] == value & 0xFF


def test_a_poke_is_a_write_to_the_global_space(world):
    world.switch.inject(0, Inject.POKE, SWITCH["SWP1MSGCTL2"].offset, 0x1_0000_0032)
    assert world.about() == (0xFF, "SWP1MSGCTL2")
    assert world.sw_get(0, "SWP1MSGCTL2") == 0x32
    world.switch.inject(0, Inject.POKE, 0x5000 + 0x40C, 7)
    assert world.about() == (2, "NTSDATA")
    assert world.get(2, "NTSDATA") == 7


@pytest.mark.parametrize(("port", "what", "offset"), [
    (0, 99, 0), (1, Inject.CABLE, 0), (-1, Inject.CABLE, 0), (0, Inject.POKE, 0x2000), (0, Inject.POKE, -4),
    (0, Inject.POKE, 1 << 70),
])  # fmt: skip
def test_what_cannot_be_injected_changes_nothing(world, port, what, offset):
    before = world.switch.snapshot()
    world.switch.inject(port, what, offset, 0xFFFF_FFFF)
    assert (world.status, world.switch.target) == (Status.UNKNOWN, 0)
    assert world.switch.snapshot() == before
    assert world.effects() == []
