# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and windows in words: the same as what passes, whatever the state."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.host import Inject, Status
from device.idt.maps import SWITCH_OWNER
from tests.device.making import BARS, DEFAULT, RICH, World, two
from tests.device.test_random import PROFILES, busy, ops, perform
from tests.device.test_state import target


def unmet(world: World, port: int) -> list[tuple[str, int, str]]:
    link = next(one for one in world.switch.links() if one.port == port)
    assert link.up == (not [one for one in link.conditions if not one.met])
    return [(one.name, one.target, one.field) for one in link.conditions if not one.met]


def test_links_name_what_is_missing() -> None:
    world = World()
    there = target(SWITCH_OWNER, "SWPORT0STS")
    assert unmet(world, 0) == [
        ("attached", there, "LINKUP"),
        ("bus master", target(0, "PCICMDSTS"), "BME"),
        ("completions", target(0, "NTCTL"), "CPEN"),
        ("mapping entry", target(SWITCH_OWNER, "NTMTBL0"), "VALID"),
    ]
    world = two()
    assert unmet(world, 0) == unmet(world, 2) == []
    world.switch.inject(0, Inject.CABLE, 0, 0)
    assert unmet(world, 0) == [("cable", there, "LINKUP")]
    world.switch.mapping[1] = 0
    assert unmet(world, 2) == [("mapping entry", target(SWITCH_OWNER, "NTMTBL1"), "VALID")]
    world.put(2, "NTCTL", 3)
    assert unmet(world, 2) == []
    link = world.switch.links()[1]
    assert (link.partition, link.conditions[-1][2:4]) == (1, (target(2, "NTCTL"), "IDPROTDIS"))


def test_a_direct_window() -> None:
    world = two()
    world.open(0, 2, 2, 0x1_04B0_0000, 0x1000)
    views = world.switch.windows()
    assert [(one.port, one.bar, one.size, one.type, one.width, one.address) for one in views] == [
        (port, bar, 1 << 20, "direct", 32, BARS[bar]) for port in (0, 2) for bar in (2, 3)
    ]
    assert views[0].apertures == ((None, 0, 0x1000, BARS[2] + 0x1000, 0x1_04B0_0000, 1, 2, True),)
    assert views[1].apertures == ((None, 0, 0, 0, 0, 0, 0, False),)
    world.put(0, "BARSETUP2", 0x8000_0000 | 7 << 13)
    assert world.switch.windows()[0].apertures[0][5:] == (7, None, False)
    world.put(0, "BARSETUP2", 0)
    assert world.switch.windows()[0][3:] == ("", 32, BARS[2], ())


def test_lookup_tables() -> None:
    world = two(profile=RICH)
    world.entry(0, 2, 11, 12, 0x5_0000)
    view = world.switch.windows()[0]
    assert (view.type, view.width, len(view.apertures)) == ("lut12", 64, 12)
    part = (1 << 20) // 16
    assert view.apertures[11] == (11, 11 * part, part, None, 0x5_0000, 1, 12, True)
    assert [one.open for one in view.apertures] == [False] * 11 + [True]
    assert len(world.switch.windows()[1].apertures) == 24
    world.put(2, "BARSETUP3", 0x8000_0000 | 1 << 11)
    assert next(one for one in world.switch.windows() if (one.port, one.bar) == (2, 3)).type == ""
    world.switch.endpoints[0].cfg_write(4, 2, 4)
    assert not any(one.open for one in world.switch.windows()[0].apertures)


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_open_is_what_passes(which: str, data: st.DataObject) -> None:
    profile = PROFILES[which]
    world = busy(data.draw(st.integers(0, 5)), profile)
    for op in data.draw(st.lists(ops(profile.port_numbers), max_size=10)):
        perform(world, op)
    before = world.switch.digest()
    views = world.switch.windows()
    assert before == world.switch.digest()
    assert [(one.port, one.bar) for one in views] == [(p.number, bar) for p in profile.ports for bar in p.windows]
    for view in views:
        for one in view.apertures:
            world.effects()
            world.switch.endpoints[view.port].bar_read(view.bar, one.start, 1)
            assert one.open == (world.switch.status == Status.OK)
            if one.open:
                assert world.effects() == [("mem_read", one.peer, one.address, 1)]
                world.switch.endpoints[view.port].bar_read(view.bar, one.start + one.size - 1, 1)
                assert world.switch.status == Status.OK
                world.switch.endpoints[view.port].bar_read(view.bar, one.start + one.size, 1)
                assert world.switch.status != Status.OK or len(view.apertures) > 1
    for link in world.switch.links():
        assert link.up == all(one.met for one in link.conditions) == world.switch.endpoints[link.port].up
        for condition in link.conditions:
            value = world.switch.field(condition.target, condition.field)
            assert value in (0, 1)
            if condition.name not in ("attached", "cable"):
                assert bool(value) == condition.met


def test_brief() -> None:
    world = World()
    assert world.switch.brief() == "link down"
    world = two(profile=DEFAULT)
    assert world.switch.brief() == "link 0+2 up"
    world.put(0, "INDBELLMSK", 0xFFFF_FFFF)
    world.put(0, "OUTDBELLSET", 4)
    assert world.switch.brief() == "link 0+2 up | bells 0x4 | irq 2"
    world.put(0, "INDBELLMSK", 0)
    world.put(2, "NTCTL", 0)
    assert world.switch.brief() == "link 0 up | bells 0x4 | irq 0 2"
