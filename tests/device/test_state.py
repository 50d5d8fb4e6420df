# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking at the state: what a read would give, without one; and which writes can have changed it."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import device
from device.idt.maps import BEHIND, INBOUND, NT, SWITCH, SWITCH_OWNER
from device.plx.registers import PLX
from device.regmap import several
from tests.device.making import ALL_ROWS, ENGINES, MASTER, MEMORY, RICH, NotingHost, World, two
from tests.device.test_dma_random import accesses, descriptors, filled
from tests.device.test_dma_random import perform as perform_dma
from tests.device.test_random import PROFILES, Op, busy, ops, perform, stir

MAPS = (NT, SWITCH, BEHIND, INBOUND, PLX)
NAMES = {place.id: place.name for one in MAPS for place in one.places}
IDS = {name: number for number, name in NAMES.items()}


def target(owner: int, name: str) -> int:
    return owner << 24 | IDS[name]


@pytest.mark.parametrize("which", PROFILES)
@pytest.mark.parametrize("seed", range(3))
def test_peek_gives_what_a_read_gives_and_leaves_no_trace(which: str, seed: int) -> None:
    switch = busy(seed, PROFILES[which]).switch
    switch.target, switch.status = 77, 3
    before = switch.digest()
    peeked = {one: switch.peek(one) for one in switch.state_targets()}
    assert (switch.target, switch.status, switch.digest()) == (77, 3, before)
    for port, nt in switch.endpoints.items():
        nt.cfg_write(NT["PCICMDSTS"].offset, 2, MEMORY | MASTER)
        for place in NT.places[2:]:
            assert peeked[port << 24 | place.id] == nt.bar_read(0, place.offset, 4), place.name
        for place in INBOUND.places if switch.profile.inbound_windows else ():
            assert peeked[port << 24 | place.id] == nt.bar_read(0, place.offset, 4), place.name
    for place in SWITCH.places:
        if switch.peek(SWITCH_OWNER << 24 | place.id) is not None:
            assert peeked[SWITCH_OWNER << 24 | place.id] == switch.global_load(place.offset), place.name


def test_peek_behind_indirect_pairs() -> None:
    world = two()
    world.entry(0, 4, 23, 2, 0x1_2345_6000)
    assert [world.switch.peek(target(0, f"LUT4{half}DATA23")) for half in "LMU"] == [0x2345_6000, 1, 0x8000_0001]
    assert world.switch.peek(target(2, "LUT4LDATA23")) == 0
    assert world.switch.peek(target(SWITCH_OWNER, "NTMTBL1")) == 1 | 1 << 17


def test_peek_of_an_engine() -> None:
    switch = device.create(ENGINES, NotingHost())
    engine = switch.functions[2, 1]
    for place in PLX.places:
        assert switch.peek(2 << 24 | place.id) == engine.cfg_read(place.offset, 4) or place.offset >= 0x100
    engine.regs[PLX["PLX_DESC_RING_COUNT"].offset >> 2] = 9
    assert switch.peek(target(2, "PLX_DESC_RING_COUNT")) == 9


def test_peek_follows_resets_and_restores() -> None:
    world = two()
    before = world.switch.snapshot()
    assert world.switch.peek(target(0, "NTCTL")) == 2
    world.switch.endpoints[0].reset()
    assert world.switch.peek(target(0, "NTCTL")) == 0
    world.switch.restore(before)
    assert world.switch.peek(target(0, "NTCTL")) == 2


def test_what_the_switch_does_not_have() -> None:
    switch = device.create(device.DEFAULT, NotingHost())
    absent = (0, target(4, "NTCTL"), target(SWITCH_OWNER, "SWPORT20STS"), target(0, "TPART"), target(0, "PLX_CTRL"),
              target(0, "GDBELLSTS"), 0xFF_FFFF)  # fmt: skip
    for one in absent:
        assert switch.peek(one) is None
        assert switch.movers(one) == frozenset()
    assert not set(absent) & set(switch.state_targets())


def test_targets_are_in_order_and_all_answered() -> None:
    switch = device.create(ALL_ROWS, NotingHost())
    targets = switch.state_targets()
    assert list(targets) == sorted(set(targets))
    assert all(switch.peek(one) is not None for one in targets)
    assert {one & 0xFF_FFFF for one in targets} | {IDS[n] for n in NAMES.values() if n.startswith("SWPORT")} == set(
        NAMES
    )


def watch(switch: Any) -> None:
    """From now on whatever an access changes must be explained by its target."""
    targets = switch.state_targets()
    seen = {one: switch.peek(one) for one in targets}
    state = switch.snapshot()

    def watched(method: Callable[..., Any], access: bool) -> Callable[..., Any]:
        def call(*numbers: int) -> Any:
            nonlocal state
            result = method(*numbers)
            about = switch.target
            before, state = state, switch.snapshot()
            for one in targets if state != before else ():
                value = switch.peek(one)
                if value == seen[one]:
                    continue
                seen[one] = value
                movers = switch.movers(one)
                offset, size = numbers[-3:-1] if access else (0, 0)
                assert not access or movers is None or about in movers or several(offset, size), (
                    f"{NAMES[one & 0xFFFFFF]} of {one >> 24} was moved by {about:#x} {NAMES.get(about & 0xFFFFFF)}"
                )
            return result

        return call

    for function in switch.functions.values():
        for name in ("bar_write", "cfg_write"):
            setattr(function, name, watched(getattr(function, name), True))
        for name in ("attach", "reset", "detach", *(("work",) if hasattr(function, "work") else ())):
            setattr(function, name, watched(getattr(function, name), False))
    switch.inject = watched(switch.inject, False)


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_moves_in_a_busy_switch_was_moved_by_a_mover(which: str, seed: int) -> None:
    world = busy(seed, PROFILES[which])
    watch(world.switch)
    stir(world, Random(seed), 1500)


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_moves_was_moved_by_a_mover(which: str, data: st.DataObject) -> None:
    profile = PROFILES[which]
    world = World(profile)
    watch(world.switch)
    for port in profile.port_numbers[:2]:
        world.plug(port)
        world.link(port)
    op: Op
    for op in data.draw(st.lists(ops(profile.port_numbers), min_size=5, max_size=25)):
        perform(world, op)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_inbound_windows_move_the_peers_registers(data: st.DataObject) -> None:
    world = two(profile=RICH)
    watch(world.switch)
    ports = st.sampled_from(RICH.port_numbers)
    for _ in range(data.draw(st.integers(5, 20))):
        port, name = data.draw(ports), data.draw(st.sampled_from([place.name for place in INBOUND.places]))
        value = data.draw(st.sampled_from((0, 1, 6, 0x200, 0x203, 0x400, 0x1000)))
        world.switch.endpoints[port].bar_write(0, INBOUND[name].offset, 4, value)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_an_engine_moves_its_own(data: st.DataObject) -> None:
    dma = filled(data.draw(st.lists(descriptors, min_size=1, max_size=4)))
    watch(dma.switch)
    for op in data.draw(st.lists(accesses, min_size=5, max_size=20)):
        perform_dma(dma, op)


def movers(owner: int, name: str) -> set[tuple[int, str]]:
    found = device.create(ALL_ROWS, NotingHost()).movers(target(owner, name))
    assert found is not None
    return {(one >> 24, NAMES[one & 0xFF_FFFF]) for one in found}


def test_movers_are_no_wider_than_they_must_be() -> None:
    ports = ALL_ROWS.port_numbers
    assert movers(0, "NTCTL") == {(0, "NTCTL")}
    assert movers(0, "OUTDBELLSET") == movers(0, "PCIID") == set()
    assert movers(SWITCH_OWNER, "SWPORT0STS") == set()
    bells = {(port, name) for port in ports for name in ("OUTDBELLSET", "INDBELLSTS")}
    assert movers(0, "INDBELLSTS") == movers(SWITCH_OWNER, "GDBELLSTS") == bells
    messages = {(port, f"OUTMSG{i}") for port in ports for i in range(4)}
    assert movers(2, "INMSG0") == messages
    assert movers(2, "MSGSTS") == messages | {(2, "MSGSTS")}
    assert movers(12, "NTMTBLDATA") >= {(12, "NTMTBLADDR"), (SWITCH_OWNER, "NTMTBL63")}
    assert (0, "NTMTBLADDR") not in movers(12, "NTMTBLDATA")
    assert {(2, "PLX_CTRL"), (2, "PLX_INTR")} == movers(2, "PLX_INTR")
    assert not {name for _, name in movers(2, "PLX_PCICMDSTS") if not name.startswith("PLX")}
    assert {port for port, name in movers(2, "NTINTSTS") if name == "MSGSTS"} == {2}
    assert movers(2, "BARSETUP2") - {(2, "BARSETUP2")} == {
        (port, name) for port in ports for name in ("LDATA", "HDATA", "LLIMIT", "HLIMIT")
    }


def test_what_shows_any_register_can_be_moved_by_any() -> None:
    switch = device.create(device.DEFAULT, NotingHost())
    free = [one for one in switch.state_targets() if switch.movers(one) is None]
    assert free == [target(port, name) for port in (0, 2) for name in ("ECFGDATA", "GASADATA")]


def test_every_mover_that_a_row_names_exists() -> None:
    rows = [row for one in MAPS for row in one.rows]
    known = {name for row in rows for name in row.known_as} | {""}
    assert [name for row in rows for name in row.moved_by if name.lstrip("*") not in known] == []


@given(st.integers(0, 100), st.sampled_from((1, 2, 4, 8)))
def test_several(offset: int, size: int) -> None:
    assert several(offset, size) == (len({byte // 4 for byte in range(offset, offset + size)}) > 1)
