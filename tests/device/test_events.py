# SPDX-License-Identifier: GPL-2.0-or-later
"""Switch events: links, global signals, their masks, and who is told."""

import pytest

from device.host import Inject, Status
from device.idt.maps import NT
from tests.device.making import DEFAULT, THREE, World, two

SEVENT = 8
NTINTSTS = NT["NTINTSTS"].offset
UP, DOWN, SIGNAL = 1, 2, 0x20
ONES = 0xFFFF_FFFF


def listening(profile=DEFAULT) -> World:
    """What idt_init_link writes, all ports and partitions unmasked."""
    world = two(profile=profile)
    for name in ("SELINKUPSTS", "SELINKDNSTS", "SEGSIGSTS"):
        world.sw_put(0, name, ONES)
    for name in ("SEPMSK", "SELINKUPMSK", "SELINKDNMSK", "SEGSIGMSK"):
        world.sw_put(0, name, 0)
    world.sw_put(0, "SEMSK", ~(UP | DOWN | SIGNAL) & ONES)
    world.effects()
    return world


def told(world: World) -> dict[int, int]:
    """Ports whose SEVENT is latched, and their interrupts since the last call."""
    irqs = [port for port, _ in world.irqs()]
    latched = [p for p, one in world.switch.endpoints.items() if one.cfg_read(NTINTSTS, 4) & SEVENT]
    return {p: irqs.count(p) for p in world.switch.endpoints if p in irqs or p in latched}


def handle(world: World, port: int) -> int:
    """idt_se_isr; the events it saw."""
    events = world.sw_get(port, "SESTS")
    for name in ("SELINKUPSTS", "SELINKDNSTS", "SEGSIGSTS"):
        world.sw_put(port, name, ONES)
    world.put(port, "NTINTSTS", SEVENT)
    return events


def test_all_is_masked_until_a_driver_comes():
    world = two()
    world.put(0, "NTGSIGNAL", 1)
    world.switch.endpoints[2].detach()
    assert told(world) == {}
    assert world.sw_get(0, "SEGSIGSTS") == 1
    assert world.sw_get(0, "SESTS") == 0


def test_a_zero_and_bits_without_a_field_signal_nothing():
    world = listening()
    world.put(2, "NTGSIGNAL", 0xFFFF_FFFE)
    assert (world.about(), world.status) == ((2, "NTGSIGNAL"), Status.OK)
    assert (world.sw_get(0, "SEGSIGSTS"), told(world)) == (0, {})


def test_a_global_signal_tells_every_partition_once():
    world = listening()
    world.put(2, "NTGSIGNAL", 1)
    assert world.about() == (2, "NTGSIGNAL")
    assert world.get(2, "NTGSIGNAL") == 0
    assert world.sw_get(0, "SEGSIGSTS") == 2  # the partition of port 2
    assert world.sw_get(0, "SESTS") == SIGNAL
    assert told(world) == {0: 1, 2: 1}


def test_the_sender_clears_the_signal_and_the_others_still_hear_it():
    """idt_ntb_local_link_enable sets and clears at once."""
    world = listening()
    world.put(2, "NTGSIGNAL", 1)
    world.sw_put(2, "SEGSIGSTS", 2)
    assert world.sw_get(0, "SESTS") == 0
    assert told(world) == {0: 1, 2: 1}
    handle(world, 2)
    assert world.get(0, "NTINTSTS") & SEVENT
    assert not world.get(2, "NTINTSTS") & SEVENT


def test_the_next_signal_interrupts_again_once_the_last_was_handled():
    world = listening()
    for _ in range(2):
        world.put(2, "NTGSIGNAL", 1)
        world.sw_put(2, "SEGSIGSTS", 2)
    assert told(world) == {0: 1, 2: 1}
    handle(world, 0)
    world.put(2, "NTGSIGNAL", 1)
    assert told(world) == {0: 1, 2: 0}


@pytest.mark.parametrize("how", ["detach", "cable"])
def test_a_link_that_goes_and_comes_is_told(how):
    world = listening(THREE)
    if how == "cable":
        world.switch.inject(2, Inject.CABLE, 0, 0)
    else:
        world.switch.endpoints[2].detach()
    assert world.sw_get(0, "SELINKDNSTS") == 1 << 2
    assert set(told(world)) >= {0, 4}
    assert handle(world, 0) == DOWN
    handle(world, 4)
    world.effects()
    if how == "cable":
        world.switch.inject(2, Inject.CABLE, 0, 1)
    else:
        world.switch.endpoints[2].attach(1)
    assert world.sw_get(0, "SELINKUPSTS") == 1 << 2
    assert {0: 1, 4: 1}.items() <= told(world).items()
    assert handle(world, 0) == UP


def test_a_reboot_is_a_link_that_goes_down_and_up():
    world = listening()
    world.switch.endpoints[2].reset()
    assert world.sw_get(0, "SELINKDNSTS") == world.sw_get(0, "SELINKUPSTS") == 1 << 2
    assert world.sw_get(0, "SESTS") == UP | DOWN
    assert told(world)[0] == 1  # one bit of NTINTSTS, which stayed up


def test_a_cable_pulled_twice_is_one_event():
    world = listening()
    world.switch.inject(2, Inject.CABLE, 0, 0)
    handle(world, 0)
    world.effects()
    world.switch.inject(2, Inject.CABLE, 0, 0)
    assert told(world).get(0) is None


@pytest.mark.parametrize(("name", "mask"), [("SEPMSK", 1), ("SEGSIGMSK", 2), ("SEMSK", ONES)])
def test_each_mask_keeps_it_from_the_first_port(name, mask):
    world = listening()
    world.sw_put(0, name, mask)
    world.put(2, "NTGSIGNAL", 1)
    assert 0 not in told(world)
    world.sw_put(2, name, 0)  # what was hidden shows
    assert told(world)[0] == 1


def test_a_port_that_masks_sevent_is_not_interrupted_and_another_is():
    """A known fault of others: one interrupt mask for both sides."""
    world = listening()
    world.put(0, "NTINTMSK", SEVENT)
    world.put(2, "NTGSIGNAL", 1)
    assert told(world) == {0: 0, 2: 1}
    world.put(0, "NTINTMSK", 0)
    assert told(world)[0] == 1


def test_masks_of_single_ports():
    world = listening(THREE)
    world.sw_put(0, "SELINKDNMSK", 1 << 2)
    world.switch.endpoints[2].detach()
    assert told(world) == {}
    world.switch.endpoints[4].detach()
    assert told(world)[0] == 1
    assert world.sw_get(0, "SELINKDNSTS") == 1 << 2 | 1 << 4


def test_the_status_of_events_that_the_model_does_not_raise_is_storage():
    world = listening()
    world.sw_put(0, "SEFRSTMSK", 5)
    assert world.sw_get(0, "SEFRSTMSK") == 5
    assert world.sw_get(0, "SEHRSTSTS") == 0
    assert told(world) == {}


# Resets and failovers of partitions


PARTITION_EVENTS = [(4, "SEFRSTSTS", "SEFRSTMSK"), (8, "SEHRSTSTS", "SEHRSTMSK")]


def reset(world: World, event: int, port: int) -> None:
    if event == 4:
        world.switch.endpoints[port].reset()
    else:
        world.switch.inject(port, Inject.HOT_RESET, 0, 0)


@pytest.mark.parametrize(("event", "status", "mask"), PARTITION_EVENTS)
def test_a_reset_of_a_partition_is_an_event_of_its_kind(event, status, mask):
    world = listening(THREE)
    world.sw_put(0, mask, 0)
    world.sw_put(0, "SEMSK", ~event & ONES)
    reset(world, event, 4)
    assert told(world) == {0: 1, 2: 1, 4: 0}  # its own interrupts are off after the reset
    assert world.sw_get(0, status) == 1 << 5
    assert world.sw_get(0, "SESTS") & event
    other = next(name for bit, name, _ in PARTITION_EVENTS if bit != event)
    assert world.sw_get(0, other) == 0
    world.sw_put(0, status, 1 << 5)
    assert not world.sw_get(0, "SESTS") & event


@pytest.mark.parametrize(("event", "status", "mask"), PARTITION_EVENTS)
def test_a_masked_reset_is_kept_and_told_when_it_is_unmasked(event, status, mask):
    world = listening()
    world.sw_put(0, "SEMSK", ~event & ONES)
    reset(world, event, 2)
    assert told(world) == {}
    assert world.sw_get(0, status) == 2
    world.sw_put(0, mask, 0)
    assert told(world)[0] == 1


@pytest.mark.parametrize("event", [4, 8])
def test_both_resets_do_the_same_to_the_function(event):
    world = listening()
    world.open(2, 2, 0, 0x1000, 0x1000)
    reset(world, event, 2)
    assert world.switch.endpoints[2].cfg_read(NT["PCICMDSTS"].offset, 2) == 0
    assert world.switch.endpoints[2].cfg_read(NT["BARLTBASE2"].offset, 4) == 0
    assert world.sw_get(0, "SELINKDNSTS") == world.sw_get(0, "SELINKUPSTS") == 1 << 2


def test_a_failover_is_an_event_and_nothing_else():
    world = listening()
    world.sw_put(0, "SEMSK", ~0x10 & ONES)
    world.switch.inject(2, Inject.FAILOVER, 0, 0)
    assert told(world) == {}
    assert world.sw_get(0, "SESTS") == 0
    world.sw_put(0, "SEFOVRMSK", ~2 & ONES)
    assert told(world) == {0: 1, 2: 1}
    assert world.sw_get(0, "SESTS") == 0x10
    world.sw_put(0, "SESTS", ONES & ~0x10)
    assert world.sw_get(0, "SESTS") == 0x10
    world.sw_put(0, "SESTS", 0x10)
    assert world.sw_get(0, "SESTS") == 0


@pytest.mark.parametrize("what", [Inject.HOT_RESET, Inject.FAILOVER])
def test_a_port_without_a_guest_has_none_of_them(what):
    world = listening()
    before = world.switch.snapshot()
    world.switch.inject(6, what, 0, 0)
    assert world.switch.status == Status.UNKNOWN
    assert world.switch.snapshot() == before
