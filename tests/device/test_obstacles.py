# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an access does not pass: something exactly when it does not, and what an engineer would look at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.host import Inject, Status
from device.idt.maps import NT, SWITCH_OWNER
from tests.device.making import BARS, RICH, World, two
from tests.device.test_random import PROFILES, busy, ops, perform
from tests.device.test_state import NAMES, target

OFFSETS = st.sampled_from((0, 1, 2, 0xFFC, 0xFFE, 0x1000, 0x400, 0x1014, 0xFFFF, 0x10000, 0xFFFFC, 0x100000)) | (
    st.integers(-8, 1 << 21)
)
SIZES = st.sampled_from((1, 2, 4, 4, 8)) | st.integers(-1, 9)


def check(world: World, port: int, bar: int, offset: int, size: int) -> bool:
    switch = world.switch
    switch.target, switch.status = 77, 3
    before = switch.digest()
    found = switch.obstacles(port, bar, offset, size)
    assert (switch.target, switch.status, switch.digest()) == (77, 3, before)
    switch.endpoints[port].bar_read(bar, offset, size)
    assert (switch.status == Status.OK) == (found == ()), found
    for one in found:
        assert one.text
        assert (one.target in switch.state_targets()) == bool(one.target)
        if one.target:
            assert f"{NAMES[one.target & 0xFFFFFF]}" in one.text
    return not found


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_none_exactly_when_the_access_passes(which: str, data: st.DataObject) -> None:
    profile = PROFILES[which]
    world = busy(data.draw(st.integers(0, 5)), profile)
    for op in data.draw(st.lists(ops(profile.port_numbers), max_size=10)):
        perform(world, op)
    for _ in range(20):
        port, bar = data.draw(st.sampled_from(profile.port_numbers)), data.draw(st.sampled_from((0, 1, 2, 2, 3, 4, 5)))
        check(world, port, bar, data.draw(OFFSETS), data.draw(SIZES))


@pytest.mark.parametrize("which", PROFILES)
def test_some_pass(which: str) -> None:
    world = busy(1, PROFILES[which])
    port = PROFILES[which].port_numbers[-1]
    world.open(port, 2, PROFILES[which].port_numbers[0], 0, 0x1000)
    world.put(port, "BARSETUP2", world.get(port, "BARSETUP2") & ~0x400)
    assert check(world, port, 2, 0xFFC, 4)
    assert not check(world, port, 2, 0xFFD, 4)


def opened() -> World:
    world = two()
    world.open(0, 2, 2, 0x4B0_0000, 0x1000)
    return world


def texts(world: World, bar: int = 2, offset: int = 0, size: int = 4) -> list[str]:
    return [one.text for one in world.switch.obstacles(0, bar, offset, size)]


def test_a_window_without_a_limit() -> None:
    world = opened()
    world.put(0, "BARLIMIT2", 0)
    (one,) = world.switch.obstacles(0, 2, 0, 4)
    assert one == (
        target(0, "BARLIMIT2"),
        "ADDRESS",
        "port 0's BARLIMIT2 is 0: the window has no limit, which closes it",
    )


def test_all_that_is_in_the_way_in_its_order() -> None:
    world = opened()
    world.switch.endpoints[0].cfg_write(NT["PCICMDSTS"].offset, 2, 4)
    world.switch.endpoints[2].bar_write(0, NT["NTCTL"].offset, 4, 0)
    world.switch.mapping[1] = 0
    world.switch.inject(2, Inject.CABLE, 0, 0)
    assert texts(world) == [
        "port 0's PCICMDSTS.MAE is 0: memory space is off",
        "SWPORT2STS.LINKUP is 0: the cable is pulled",
        "port 2's NTCTL.CPEN is 0: completions do not come through",
        "NTMTBL1.VALID is 0: port 2's requests are not let through, and its NTCTL.IDPROTDIS is 0",
    ]


def test_behind_the_limit_and_the_bar() -> None:
    world = opened()
    limit = f"port 0's BARLIMIT2 is {BARS[2] + 0x1000:#x}: only the first 0x1000 bytes of the BAR are open"
    assert texts(world, offset=0x1000) == [limit]
    assert texts(world, offset=1 << 20) == ["4 bytes at 0x100000 are not in the BAR of 0x100000 bytes"]
    assert texts(world, size=3) == ["no access is of 3 bytes"]
    world.put(0, "BARLIMIT2", 0x1000)
    assert texts(world) == ["port 0's BARLIMIT2 is 0x1000: nothing of the BAR is below it"]
    assert texts(world, bar=1) == ["port 0 has no BAR1"]
    assert texts(world, bar=0, offset=0x800) == ["there is no register for 4 bytes at 0x800 of port 0's BAR0"]


def test_a_bar_that_is_no_window() -> None:
    world = opened()
    world.put(0, "BARSETUP2", 1 << 13 | 0x400)
    assert texts(world) == [
        "port 0's BARSETUP2.EN is 0: the BAR is off",
        "port 0's BARSETUP2.MODE is 1: the BAR is the configuration space, not a window",
    ]
    world.put(0, "BARSETUP2", 0x8000_0000 | 3 << 11)
    assert texts(world) == ["port 0's BARSETUP2.ATRAN is 3: the BAR has no such lookup table"]
    world.put(0, "BARSETUP2", 0x8000_0000 | 5 << 13)
    assert texts(world) == ["port 0's BARSETUP2.TPART is 5: no port with a guest is in partition 5"]


def test_a_lookup_table() -> None:
    world = two(profile=RICH)
    part = (1 << 20) // 16
    assert texts(world) == ["port 0's LUT2UDATA0.VALID is 0: the window is closed"]
    world.entry(0, 2, 0, 2, 0)
    assert texts(world) == []
    assert texts(world, offset=part - 2) == [f"4 bytes at {part - 2:#x} are in two windows"]
    assert texts(world, offset=12 * part) == [
        f"0xc0000 is not in one of the 12 windows of {part:#x} bytes in port 0's BAR2"
    ]
    assert texts(world, size=5) == ["no access is of 5 bytes"]
    world.put(0, "LUTUDATA", 0x8000_0005)
    assert texts(world) == ["port 0's LUT2UDATA0.PART is 5: no port with a guest is in partition 5"]


@pytest.mark.parametrize(
    ("owner", "name", "field", "text"),
    [
        (SWITCH_OWNER, "SEMSK", "LINKUP", "SEMSK.LINKUP is 1"),
        (2, "BARLIMIT2", "ADDRESS", "port 2's BARLIMIT2 is 0"),
        (0, "PCIID", "VENDOR", "port 0's PCIID.VENDOR is 0x111d"),
    ],
)
def test_a_field_in_words(owner: int, name: str, field: str, text: str) -> None:
    assert World().switch.describe(target(owner, name), field) == text


def test_a_port_without_a_guest() -> None:
    with pytest.raises(KeyError):
        World().switch.obstacles(4, 2, 0, 4)


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_refusals_exactly_when_a_write_is_refused(which: str, data: st.DataObject) -> None:
    profile = PROFILES[which]
    world = busy(data.draw(st.integers(0, 5)), profile)
    for op in data.draw(st.lists(ops(profile.port_numbers), max_size=10)):
        perform(world, op)
    for _ in range(8):
        port = data.draw(st.sampled_from(profile.port_numbers))
        name = data.draw(st.sampled_from(["OUTMSG0", "OUTMSG1", "OUTMSG3", "OUTDBELLSET", "NTCTL"]))
        value = data.draw(st.sampled_from((0, 1, 0x10000, 0xFFFFFFFF)))
        world.switch.endpoints[port].cfg_write(NT["PCICMDSTS"].offset, 2, 0x6)
        found = world.switch.refusals(target(port, name), value)
        world.put(port, name, value)
        assert (world.switch.status == Status.REFUSED) == (found != ()), (name, found)
        assert all(one.text for one in found)


def test_a_full_message_register_is_named() -> None:
    world = two()
    world.sw_put(0, "SWP0MSGCTL0", 0x10)
    assert world.switch.refusals(target(0, "OUTMSG0"), 7) == ()
    world.put(0, "OUTMSG0", 7)
    (one,) = world.switch.refusals(target(0, "OUTMSG0"), 8)
    assert (one.target, one.field) == (target(2, "MSGSTS"), "INMSG")
    assert "port 2's MSGSTS.INMSG is 1: its message register 0 is full" in one.text


def test_messages_to_nobody() -> None:
    world = two()
    world.sw_put(0, "SWP0MSGCTL0", 0x70)
    (one,) = world.switch.refusals(target(0, "OUTMSG0"), 8)
    assert (one.target, one.field) == (target(SWITCH_OWNER, "SWP0MSGCTL0"), "PART")
    world.sw_put(0, "SWP0MSGCTL0", 0x10)
    world.switch.inject(2, Inject.CABLE, 0, 0)
    (one,) = world.switch.refusals(target(0, "OUTMSG0"), 8)
    assert "the cable is pulled" in one.text
    assert world.switch.refusals(target(SWITCH_OWNER, "SESTS"), 1) == ()
