# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts in words: what is enabled, masked, told; and which bits hold a cause up."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.host import Inject, IrqMode
from device.idt.interrupts import NTINTMSK, NTINTSTS
from device.idt.maps import NT, SWITCH_OWNER
from device.plx.registers import PLX
from device.views import Cause, InterruptView
from tests.device.dma import Dma
from tests.device.making import World, two
from tests.device.test_random import PROFILES, _listen, busy, ops, perform
from tests.device.test_state import target

RING_ERROR = 0x0008  # START in another mode than OFF_CHIP


def view(world: World, port: int, function: int = 0) -> InterruptView:
    return next(one for one in world.switch.interrupts() if one[:2] == (port, function))


def unmet(world: World, port: int, function: int = 0) -> list[tuple[str, int, str]]:
    one = view(world, port, function)
    assert one.enabled == all(condition.met for condition in one.conditions)
    return [(each.name, each.target, each.field) for each in one.conditions if not each.met]


def up(world: World, port: int, function: int = 0) -> list[Cause]:
    return [one for one in view(world, port, function).causes if one.status]


def test_what_is_not_enabled() -> None:
    world = World()
    assert unmet(world, 0) == [
        ("attached", target(SWITCH_OWNER, "SWPORT0STS"), "LINKUP"),
        ("MSI", target(0, "MSICAP"), "EN"),
        ("bus master", target(0, "PCICMDSTS"), "BME"),
    ]
    assert unmet(two(), 0) == []
    world = two(IrqMode.INTX)
    assert (view(world, 0).mode, unmet(world, 0)) == (IrqMode.INTX, [])
    world.switch.endpoints[0].cfg_write(NT["PCICMDSTS"].offset, 2, 0x406)
    assert unmet(world, 0) == [("INTx", target(0, "PCICMDSTS"), "INTXD")]


@pytest.mark.parametrize("mode", IrqMode)
def test_a_bell_masked_and_told(mode: IrqMode) -> None:
    world = two(mode)
    world.put(2, "NTINTMSK", 2)
    world.put(0, "INDBELLMSK", 0xFFFF_FFFF)
    world.put(0, "OUTDBELLSET", 6)
    assert up(world, 2) == [Cause("DBELL", True, True, False)]
    assert up(world, 0) == []
    assert world.switch.sources(2) == ()
    world.put(2, "NTINTMSK", 0)
    assert up(world, 2) == [Cause("DBELL", True, False, True)]
    bells = target(SWITCH_OWNER, "GDBELLSTS")
    assert world.switch.sources(2) == (("DBELL", bells, 6),)
    world.put(2, "INDBELLMSK", 2)
    assert world.switch.sources(2) == (("DBELL", bells, 4),)


def test_an_msi_that_could_not_go_out_is_not_told() -> None:
    world = two()
    world.switch.endpoints[2].cfg_write(NT["MSICAP"].offset + 2, 2, 0)
    world.put(0, "OUTDBELLSET", 1)
    assert up(world, 2) == [Cause("DBELL", True, False, False)]


def test_a_message() -> None:
    world = two()
    world.sw_put(0, "SWP0MSGCTL1", 1 << 4 | 3)
    world.put(0, "OUTMSG1", 5)
    assert world.switch.sources(2) == (("MSG", target(2, "MSGSTS"), 1 << 19),)


def test_switch_events() -> None:
    world = two()
    _listen(world, 2)
    world.sw_put(2, "SEFOVRMSK", 0)
    for port in (0, 2):
        world.put(port, "NTINTSTS", 8)
    world.put(0, "NTGSIGNAL", 1)
    world.switch.inject(2, Inject.FAILOVER, 0, 0)
    signals, failovers = target(SWITCH_OWNER, "SEGSIGSTS"), target(SWITCH_OWNER, "SESTS")
    ups = ("SEVENT", target(SWITCH_OWNER, "SELINKUPSTS"), 5)
    assert world.switch.sources(2) == (ups, ("SEVENT", failovers, 1 << 4), ("SEVENT", signals, 1))
    latch = (("SEVENT", target(2, "NTINTSTS"), 8),)
    world.sw_put(2, "SEPMSK", 2)
    assert world.switch.sources(2) == latch
    world.sw_put(2, "SEPMSK", 0)
    for name, value in (("SELINKUPSTS", 5), ("SESTS", 1 << 4), ("SEGSIGSTS", 1)):
        world.sw_put(2, name, value)
    assert world.switch.sources(2) == latch


def test_a_temperature_alarm() -> None:
    world = two()
    world.sw_put(0, "TMPCTL", 60)
    world.switch.inject(0, Inject.TEMPERATURE, 0, 70)
    assert world.switch.sources(0) == (("TMPSENSOR", target(SWITCH_OWNER, "TMPALARM"), 1 << 24),)
    world.sw_put(0, "TMPALARM", 1 << 24)
    assert world.switch.sources(0) == (("TMPSENSOR", target(0, "NTINTSTS"), 1 << 7),)


def test_an_engine() -> None:
    dma = Dma()
    assert dma.switch.sources(0, 1) == ()
    assert [one[:2] for one in dma.switch.interrupts()] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert unmet(dma, 0, 1) == []
    dma.engine.bar_write(0, PLX["PLX_INTR"].offset, 4, 0)
    dma.engine.bar_write(0, PLX["PLX_CTRL"].offset, 4, RING_ERROR)
    assert up(dma, 0, 1) == [Cause("ERROR", True, True, False)]
    assert dma.switch.sources(0, 1) == ()
    dma.engine.bar_write(0, PLX["PLX_INTR"].offset, 2, 1)
    assert up(dma, 0, 1) == [Cause("ERROR", True, False, True)]
    assert dma.switch.sources(0, 1) == (("ERROR", target(0, "PLX_INTR"), 1 << 16),)
    assert dma.switch.brief() == "link 0+2 up | irq 0.1"


def test_a_function_that_there_is_not() -> None:
    world = two()
    assert world.switch.sources(0, 1) == world.switch.sources(4) == ()


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_sources_are_there_exactly_for_unmasked_causes(which: str, data: st.DataObject) -> None:
    profile = PROFILES[which]
    world = busy(data.draw(st.integers(0, 5)), profile)
    switch: Any = world.switch
    for op in data.draw(st.lists(ops(profile.port_numbers), max_size=15)):
        perform(world, op)
    before = switch.digest()
    for port, one in switch.endpoints.items():
        names = {source.cause for source in switch.sources(port)}
        wanted = one.regs[NTINTSTS] & ~one.regs[NTINTMSK]
        assert names == {field.name for field in NT["NTINTSTS"].register.fields if wanted & field.mask}
        for source in switch.sources(port):
            assert source.mask
            assert switch.peek(source.target) & source.mask == source.mask
        causes = view(world, port).causes
        assert {cause.name for cause in causes if cause.status and not cause.masked} == names
        assert {cause.name for cause in causes if cause.pending} <= names
    assert switch.digest() == before
