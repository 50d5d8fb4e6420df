# SPDX-License-Identifier: GPL-2.0-or-later
"""When a guest is interrupted: an MSI for each cause that rises unmasked, or the level of the INTx line."""

from collections.abc import Callable

import pytest

from device.host import Inject, IrqMode, Status
from tests.device.making import MASTER, MEMORY, NO_INTX, World, two

MSG, DBELL, SEVENT, TMPSENSOR = 1, 2, 8, 0x80
EVENT_MASKS = ("SELINKUPMSK", "SELINKDNMSK", "SEGSIGMSK", "SEMSK", "SEPMSK")


def bell(world: World) -> None:
    """A cause at port 2 alone."""
    world.put(0, "INDBELLMSK", 0xFFFF_FFFF)
    world.put(0, "OUTDBELLSET", 1)


def message(world: World) -> None:
    world.sw_put(0, "SWP0MSGCTL0", 1 << 4)
    world.put(0, "OUTMSG0", 1)


def event(world: World) -> None:
    """A switch event, told to partition 1 (port 2) alone."""
    for name in EVENT_MASKS:
        world.sw_put(0, name, 0xFFFF_FFFD if name == "SEPMSK" else 0)
    world.put(0, "NTGSIGNAL", 1)


CAUSES = {MSG: message, DBELL: bell, SEVENT: event}


@pytest.fixture(params=CAUSES, ids=("MSG", "DBELL", "SEVENT"))
def cause(request: pytest.FixtureRequest) -> int:
    return request.param


def quiet(mode: IrqMode = IrqMode.MSI) -> World:
    """All attached; the link's switch events are cleared."""
    world = two(mode)
    for name in ("SELINKUPSTS", "SELINKDNSTS", "SEGSIGSTS"):
        world.sw_put(0, name, 0xFFFF_FFFF)
    world.effects()
    return world


def test_each_cause_is_one_msi_vector_0(cause: int) -> None:
    world = quiet()
    CAUSES[cause](world)
    assert world.irqs() == [(2, 0)]
    assert world.get(2, "NTINTSTS") == cause


@pytest.mark.parametrize("later", CAUSES, ids=("MSG", "DBELL", "SEVENT"))
def test_a_pending_cause_swallows_no_other(cause: int, later: int) -> None:
    """FACTS 1.6: with one MSI for the OR, an unread message holds back the switch event that follows."""
    if later == cause:
        return
    world = quiet()
    CAUSES[cause](world)
    world.effects()
    CAUSES[later](world)
    assert world.irqs() == [(2, 0)]
    assert world.get(2, "NTINTSTS") == cause | later


def test_two_causes_unmasked_at_once_are_two_msis() -> None:
    world = quiet()
    world.put(2, "NTINTMSK", 0xFF)
    bell(world)
    message(world)
    assert world.irqs() == []
    world.put(2, "NTINTMSK", 0)
    assert world.irqs() == [(2, 0), (2, 0)]


def test_a_mask_delays_and_loses_nothing(cause: int) -> None:
    world = quiet()
    world.put(2, "NTINTMSK", cause)
    CAUSES[cause](world)
    assert world.irqs() == []
    assert world.get(2, "NTINTSTS") == cause, "the status does not know the mask"
    world.put(2, "NTINTMSK", 0xFF & ~cause)
    assert world.irqs() == [(2, 0)]


def test_a_cause_masked_by_the_write_that_unmasks_another_comes_when_it_is_unmasked() -> None:
    world = quiet()
    world.put(2, "NTINTMSK", DBELL)
    message(world)
    bell(world)
    world.effects()
    world.put(2, "NTINTMSK", MSG)
    assert world.irqs() == [(2, 0)], "the bell"
    world.put(2, "NTINTMSK", 0)
    assert world.irqs() == [(2, 0)], "the message, unmasked anew"


def test_masks_are_each_functions_own(cause: int) -> None:
    """A known fault of another model: one interrupt mask for both sides."""
    world = quiet()
    world.put(0, "NTINTMSK", 0xFF)
    assert world.get(2, "NTINTMSK") == 0
    CAUSES[cause](world)
    assert world.irqs() == [(2, 0)]


def test_interrupts_are_masked_after_a_reset(cause: int) -> None:
    world = quiet()
    world.switch.endpoints[2].reset()
    world.switch.endpoints[2].cfg_write(4, 2, MEMORY | MASTER)
    world.switch.endpoints[2].cfg_write(0xD2, 2, 1)
    CAUSES[cause](world)
    assert world.irqs() == []
    world.put(2, "NTINTMSK", 0)
    assert (2, 0) in world.irqs()


@pytest.mark.parametrize(("offset", "off", "on"), [(0x04, MEMORY, MEMORY | MASTER), (0xD2, 0, 1)], ids=("BME", "MSI"))
def test_an_msi_waits_for_bus_master_and_msi_enable(cause: int, offset: int, off: int, on: int) -> None:
    world = quiet()
    endpoint = world.switch.endpoints[2]
    endpoint.cfg_write(offset, 2, off)
    CAUSES[cause](world)
    assert world.irqs() == []
    endpoint.cfg_write(offset, 2, on)
    assert world.irqs() == [(2, 0)]
    endpoint.cfg_write(offset, 2, off)
    endpoint.cfg_write(offset, 2, on)
    assert world.irqs() == [], "and comes once"


@pytest.mark.parametrize("mode", IrqMode)
@pytest.mark.parametrize("raise_cause", [bell, event])
def test_nothing_passes_a_pulled_cable(mode: IrqMode, raise_cause: Callable[[World], None]) -> None:
    world = quiet(mode)
    up = (2, 0 if mode == IrqMode.MSI else 1)
    world.switch.inject(2, Inject.CABLE, 0, 0)
    raise_cause(world)
    assert world.irqs() == []
    world.switch.inject(2, Inject.CABLE, 0, 1)
    assert world.irqs() == [up]
    world.switch.inject(2, Inject.CABLE, 0, 0)
    assert world.irqs() == ([] if mode == IrqMode.MSI else [(2, 0)]), "the line falls with the link"
    world.switch.inject(2, Inject.CABLE, 0, 1)
    assert world.irqs() == ([] if mode == IrqMode.MSI else [(2, 1)]), "an MSI comes once"


def test_what_has_fallen_before_msi_was_on_does_not_come() -> None:
    world = quiet()
    endpoint = world.switch.endpoints[2]
    endpoint.cfg_write(0xD2, 2, 0)
    bell(world)
    world.put(2, "INDBELLSTS", 1)
    endpoint.cfg_write(0xD2, 2, 1)
    assert world.irqs() == []


def test_a_cause_that_fell_while_msi_was_off_rises_anew() -> None:
    world = quiet()
    bell(world)
    world.effects()
    world.switch.endpoints[2].cfg_write(0xD2, 2, 0)
    world.put(2, "INDBELLSTS", 1)
    world.put(0, "OUTDBELLSET", 1)
    world.switch.endpoints[2].cfg_write(0xD2, 2, 1)
    assert world.irqs() == [(2, 0)]


def test_latched_causes_fall_by_a_one_and_the_others_do_not() -> None:
    world = quiet()
    for raise_cause in CAUSES.values():
        raise_cause(world)
    world.switch.inject(0, 1, 0, 0)
    world.put(2, "NTINTSTS", MSG | DBELL)
    assert world.get(2, "NTINTSTS") == MSG | DBELL | SEVENT
    world.put(2, "NTINTSTS", SEVENT)
    assert world.get(2, "NTINTSTS") == MSG | DBELL


def test_interrupts_to_two_ports_go_in_the_profiles_order() -> None:
    world = quiet()
    world.put(2, "OUTDBELLSET", 1)
    assert world.effects() == [("irq", 0, 0), ("irq", 2, 0)]


# INTx


def test_intx_is_the_level_of_all_causes() -> None:
    world = quiet(IrqMode.INTX)
    bell(world)
    assert world.irqs() == [(2, 1)]
    message(world)
    assert world.irqs() == []
    world.put(2, "INDBELLSTS", 1)
    assert world.irqs() == []
    world.put(2, "MSGSTS", 0x1_0000)
    assert world.irqs() == [(2, 0)]


def test_intx_follows_the_mask_and_shows_in_the_status_register(cause: int) -> None:
    world = quiet(IrqMode.INTX)
    CAUSES[cause](world)
    assert world.irqs() == [(2, 1)]
    assert world.get(2, "PCICMDSTS") >> 19 & 1
    world.put(2, "NTINTMSK", 0xFF)
    assert world.irqs() == [(2, 0)]
    assert not world.get(2, "PCICMDSTS") >> 19 & 1
    world.put(2, "NTINTMSK", 0)
    assert world.irqs() == [(2, 1)]


def test_intx_needs_no_bus_master_but_not_to_be_disabled() -> None:
    world = quiet(IrqMode.INTX)
    endpoint = world.switch.endpoints[2]
    endpoint.cfg_write(4, 2, MEMORY)
    bell(world)
    assert world.irqs() == [(2, 1)]
    endpoint.cfg_write(4, 2, MEMORY | NO_INTX)
    assert world.irqs() == [(2, 0)]
    assert endpoint.cfg_read(6, 2) & 8, "the interrupt status does not know INTx disable (PCI 3.0, 6.2.3)"
    endpoint.cfg_write(4, 2, MEMORY)
    assert world.irqs() == [(2, 1)]


@pytest.mark.parametrize("end", ["reset", "detach"])
def test_the_line_falls_when_its_function_is_reset(end: str) -> None:
    world = quiet(IrqMode.INTX)
    bell(world)
    world.effects()
    getattr(world.switch.endpoints[2], end)()
    assert [irq for irq in world.irqs() if irq[0] == 2] == [(2, 0)]


@pytest.mark.parametrize("mode", IrqMode)
def test_a_guest_that_takes_anothers_place_begins_with_a_line_that_is_low(mode: IrqMode) -> None:
    """Its falling would be vector 0 in MSI mode, and another guest's line in INTx mode."""
    world = quiet(IrqMode.INTX)
    bell(world)
    message(world)
    world.effects()
    world.switch.endpoints[2].attach(mode)
    assert world.irqs() == []
    assert world.switch.endpoints[2].cfg_read(0x404, 4) == DBELL, "the bells are the switch's, the rest was the guest's"
    world.plug(2, mode)
    assert world.irqs() == [(2, 0 if mode == IrqMode.MSI else 1)]


def test_an_unknown_mode_is_msi() -> None:
    world = two()
    world.switch.endpoints[2].attach(99)
    assert world.switch.endpoints[2].mode == IrqMode.MSI
    assert world.status == Status.OK
