# SPDX-License-Identifier: GPL-2.0-or-later
"""The device's promises under any stimuli: it answers and never raises, the same ones give the same effects, and a
snapshot holds all that decides what comes next.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import device
from device.host import Inject, IrqMode, Status
from device.idt.maps import BEHIND, INBOUND, NT, SWITCH
from device.profile import Profile
from tests.device.making import DEFAULT, MASTER, MEMORY, RICH, THREE, WINDOW, NotingHost, World

PROFILES = {"two": DEFAULT, "three": THREE, "rich": RICH}
IDS = {place.id for one in (NT, SWITCH, BEHIND, INBOUND) for place in one.places}
GARBAGE = (-1, -(2**70), 0, 3, 2**31, 2**32 - 1, 2**32, 2**64, 2**70)

Op = tuple[Any, ...]
Seen = tuple[int | None, int, int, list[tuple[object, ...]]]

# What a stimulus can be: a name, then whole numbers. Most are near what matters; some are anything.

_any = st.sampled_from(GARBAGE) | st.integers()
_sizes = st.sampled_from((1, 2, 4, 4, 4, 8)) | _any
_values = st.sampled_from((0, 1, 2, 3, 0xF, 0x1_0000, 0x8000_0000, 0xFFFF_FFFF)) | st.integers(0, 2**32 - 1) | _any
_registers = st.sampled_from([p.offset for p in (*NT.places, *INBOUND.places) if p.offset >= 0x400])
_config = st.sampled_from([place.offset for place in NT.places if place.offset < 0x100])
_global = st.sampled_from(
    [0x1000 + 0x2000 * port + place.offset for port in (0, 2, 4, 6, 12) for place in NT.places]
) | (st.sampled_from([place.offset for place in SWITCH.places]))
_nudge = st.sampled_from((0, 0, 0, 0, 1, 2, 3))
_in_window = st.sampled_from((0, 4, 0xFF8, 0xFFC, 0x1000, WINDOW - 4, WINDOW)) | st.integers(0, WINDOW) | _any


def ops(ports: tuple[int, ...]) -> st.SearchStrategy[Op]:
    port = st.sampled_from(ports)
    return st.one_of(
        st.tuples(st.just("bar_read"), port, st.just(0), st.builds(int.__add__, _registers, _nudge) | _any, _sizes),
        st.tuples(
            st.just("bar_write"), port, st.just(0), st.builds(int.__add__, _registers, _nudge) | _any, _sizes, _values
        ),
        st.tuples(st.just("bar_read"), port, st.sampled_from((2, 3, 4, 5)) | _any, _in_window, _sizes),
        st.tuples(st.just("bar_write"), port, st.sampled_from((2, 3, 4, 5)) | _any, _in_window, _sizes, _values),
        st.tuples(st.just("cfg_read"), port, st.builds(int.__add__, _config, _nudge) | _any, _sizes),
        st.tuples(st.just("cfg_write"), port, st.builds(int.__add__, _config, _nudge) | _any, _sizes, _values),
        st.tuples(st.just("attach"), port, st.sampled_from(IrqMode) | _any),
        st.tuples(st.sampled_from(("reset", "detach")), port),
        st.tuples(st.just("inject"), port | _any, st.sampled_from(Inject) | _any, _global | _any, _values),
        st.tuples(st.just("global_read"), port, _global, _sizes),
        st.tuples(st.just("global_write"), port, _global, _values),
        st.tuples(st.just("plug"), port, st.sampled_from(IrqMode)),
        st.tuples(st.just("link"), port),
        st.tuples(st.just("listen"), port),
        st.tuples(st.just("open"), port, st.sampled_from((2, 3)), port, _values),
        st.tuples(st.just("entry"), port, st.sampled_from((2, 4)), st.integers(0, 31), port, _values),
    )


def _plug(world: World, port: int, mode: int) -> None:
    world.plug(port, mode)


def _listen(world: World, port: int) -> None:
    for name in ("SEMSK", "SEPMSK", "SELINKUPMSK", "SELINKDNMSK", "SEGSIGMSK"):
        world.sw_put(port, name, 0)


def _open(world: World, port: int, bar: int, peer: int, address: int) -> None:
    if bar in world.switch.endpoints[port].windows:
        world.open(port, bar, peer, address & 2**64 - 1, 0x1000)
    else:
        world.switch.endpoints[port].bar_read(bar, 0, 4)


def _entry(world: World, port: int, bar: int, index: int, peer: int, address: int) -> None:
    world.entry(port, bar, index, peer, address & 2**64 - 1)


def _global_read(world: World, port: int, address: int, size: int) -> int:
    world.put(port, "GASAADDR", address)
    return world.switch.endpoints[port].bar_read(0, NT["GASADATA"].offset, size)


def _inject(world: World, *numbers: int) -> None:
    world.switch.inject(*numbers)


MANY: dict[str, Callable[..., int | None]] = {
    "plug": _plug,
    "link": World.link,
    "listen": _listen,
    "open": _open,
    "entry": _entry,
    "global_read": _global_read,
    "global_write": World.global_put,
    "inject": _inject,
}


def perform(world: World, op: Op) -> Seen:
    """One stimulus (or a guest's usual few), and all that can be seen of it."""
    name, *numbers = op
    if name in MANY:
        value = MANY[name](world, *numbers)
    else:
        value = getattr(world.switch.endpoints[numbers[0]], name)(*numbers[1:])
    return value, world.switch.target, world.switch.status, world.effects()


def check(op: Op, seen: Seen, ports: tuple[int, ...]) -> None:
    """What holds for every stimulus."""
    value, target, status, effects = seen
    Status(status)
    assert target == 0 or (target >> 24 in (*ports, 0xFF) and target & 0xFF_FFFF in IDS)
    if op[0] in ("bar_read", "cfg_read"):
        size = op[-1]
        assert value is not None
        assert 0 <= value < (1 << 8 * size if size in (1, 2, 4, 8) else 1)
    else:
        assert value is None or op[0] == "global_read"
    window = op[0] in ("bar_read", "bar_write") and op[2] != 0
    for kind, port, *rest in effects:
        assert port in ports
        if kind == "irq":
            assert rest[0] in (0, 1)
            assert not window
        else:
            assert window
            assert len(effects) == 1, "one access for one"
            address, data = rest
            assert 0 <= address < 2**64  # type: ignore[operator]
            assert status == Status.OK
            size = op[4]
            assert (kind, data if kind == "mem_read" else len(data)) == (op[0].replace("bar", "mem"), size)  # type: ignore[arg-type]
            if kind == "mem_write":
                assert int.from_bytes(data, "little") == op[5] % (1 << 8 * size)  # type: ignore[arg-type]


@pytest.mark.parametrize("which", PROFILES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_stimuli(which: str, data: st.DataObject) -> None:
    """Never raises; a second switch and one that is restored on the way see the same."""
    profile = PROFILES[which]
    ports = profile.port_numbers
    stimuli = data.draw(st.lists(ops(ports), min_size=5, max_size=40))
    at = data.draw(st.integers(0, len(stimuli) - 1))
    first, second, late = World(profile), World(profile), World(profile)
    for port in ports[:2]:
        for world in (first, second):
            world.plug(port)
            world.link(port)
            world.effects()
    for i, op in enumerate(stimuli):
        if i == at:
            late.switch.restore(first.switch.snapshot())
            assert late.switch.snapshot() == first.switch.snapshot()
        seen = perform(first, op)
        check(op, seen, ports)
        assert perform(second, op) == seen
        if i >= at:
            assert perform(late, op) == seen
    assert first.switch.snapshot() == second.switch.snapshot() == late.switch.snapshot()
    assert first.switch.digest() == second.switch.digest() == late.switch.digest()


# what a guest can write without cutting itself off for good
LIVELY = [place.offset for place in NT.places if place.offset >= 0x400 and not place.name.startswith(("BAR", "NTCTL"))]


def stir(world: World, random: Random, times: int, bars: tuple[int, ...] = (0,)) -> list[tuple[Op, Seen]]:
    """Random reads and writes of the registers that matter, and of windows; what was seen."""
    done = []
    for _ in range(times):
        port, bar = random.choice(world.switch.profile.port_numbers), random.choice(bars)
        offset = random.choice(LIVELY) if bar == 0 else random.randrange(0x1000) & ~7
        value = random.choice((1, 2, 7, 0xF_0000, random.getrandbits(32)))
        op: Op = random.choice((("bar_read", port, bar, offset, 4), ("bar_write", port, bar, offset, 4, value)))
        done.append((op, perform(world, op)))
    return done


def busy(seed: int, profile: Profile) -> World:
    """A switch in some deep state, its windows open."""
    random = Random(seed)
    world = World(profile)
    ports = profile.port_numbers
    for port in ports:
        world.plug(port, random.choice(list(IrqMode)))
        _listen(world, port)
    stir(world, random, 1000)
    for port in ports:
        world.switch.endpoints[port].cfg_write(NT["PCICMDSTS"].offset, 2, MEMORY | MASTER)
        world.link(port)
        world.open(port, 2, random.choice(ports), random.getrandbits(64), random.choice((16, 0x1000, WINDOW)))
        world.entry(port, 2, 0, random.choice(ports), random.getrandbits(64))
    world.effects()
    return world


@pytest.mark.parametrize("which", PROFILES)
@pytest.mark.parametrize("seed", range(5))
def test_a_snapshot_of_a_deep_state_goes_on_alike(seed: int, which: str) -> None:
    original, copy = busy(seed, PROFILES[which]), World(PROFILES[which])
    copy.switch.restore(original.switch.snapshot())
    done = stir(original, Random(seed), 3000, (0, 0, 2, 2))
    assert {effect[0] for _, seen in done for effect in seen[3]} == {"irq", "mem_read", "mem_write"}
    for op, seen in done:
        assert perform(copy, op) == seen
    assert original.switch.digest() == copy.switch.digest()


def test_restore_forgets_what_was_there_before() -> None:
    """Not only into a fresh switch: a player seeks within one."""
    one, other = busy(1, DEFAULT), busy(2, DEFAULT)
    for port in (0, 2):
        for bar in (2, 3):
            other.switch.endpoints[port].bar_read(bar, 0, 4)
    other.switch.restore(one.switch.snapshot())
    assert other.switch.digest() == one.switch.digest()
    one.effects()
    other.effects()
    for op in (("bar_read", port, bar, 8, 4) for port in (0, 2) for bar in (2, 3)):
        assert perform(other, op) == perform(one, op)


def test_the_digest_follows_the_state() -> None:
    world = busy(1, DEFAULT)
    digests = {world.switch.digest()}
    for port, name in ((0, "BARLTBASE2"), (2, "BARLTBASE2"), (0, "GASAADDR"), (2, "NTMTBLADDR")):
        world.put(port, name, world.get(port, name) ^ 0x10)
        digests.add(world.switch.digest())
    world.switch.inject(0, Inject.CABLE, 0, 0)
    digests.add(world.switch.digest())
    assert len(digests) == 6
    assert all(len(digest) == 16 for digest in digests)


def test_reading_a_plain_register_changes_no_state() -> None:
    world = busy(3, DEFAULT)
    before = world.switch.digest()
    for place in NT.places:
        world.switch.endpoints[2].bar_read(0, place.offset, 4)
    for place in SWITCH.places:
        world.switch.global_load(place.offset)
    assert world.switch.digest() == before


def foreign() -> st.SearchStrategy[bytes]:
    whole = World(DEFAULT).switch.snapshot()
    return st.one_of(
        st.binary(max_size=64),
        st.integers(0, len(whole) - 1).map(lambda end: whole[:end]),
        st.binary(min_size=1, max_size=9).map(lambda more: whole + more),
        st.integers(0, 11).flatmap(lambda at: st.integers(1, 255).map(lambda x: flipped(whole, at, x))),
    )


def flipped(data: bytes, at: int, bits: int) -> bytes:
    return data[:at] + bytes((data[at] ^ bits,)) + data[at + 1 :]


@settings(deadline=None)
@given(data=foreign())
@example(data=b"")
@example(data=World(THREE).switch.snapshot())
def test_foreign_bytes_are_refused_and_change_nothing(data: bytes) -> None:
    switch = device.create(DEFAULT, NotingHost())
    before = switch.snapshot()
    with pytest.raises(ValueError, match="a snapshot of this switch must be"):
        switch.restore(data)
    assert switch.snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        {"chip": "89HPES32NT8AG2"},
        {"partition": 3},
        {"number": 4},
        {"bars": {"BAR0": "registers", "BAR2": "2M", "BAR3": "1M"}},
    ],
)
def test_a_snapshot_of_another_profile_is_refused(change: dict[str, Any]) -> None:
    changed = DEFAULT.to_mapping()
    (changed if "chip" in change else changed["port"][1]).update(change)
    other = Profile.from_mapping(changed)
    data = World(other).switch.snapshot()
    assert len(data) == len(World(DEFAULT).switch.snapshot())
    with pytest.raises(ValueError, match="a snapshot of this switch must be"):
        World(DEFAULT).switch.restore(data)


@settings(max_examples=40, deadline=None)
@given(state=st.integers(0, 2**32), stimuli=st.lists(ops((0, 2)), min_size=5, max_size=25))
def test_a_state_that_no_guest_can_make_is_survived(state: int, stimuli: list[Op]) -> None:
    """A damaged file that passes its checksum: all that the snapshot says beyond its head is random."""
    whole = World(DEFAULT).switch.snapshot()
    world = World(DEFAULT)
    world.switch.restore(whole[:12] + Random(state).randbytes(len(whole) - 12))
    for op in stimuli:
        perform(world, op)
    copy = World(DEFAULT)
    copy.switch.restore(world.switch.snapshot())
    assert copy.switch.snapshot() == world.switch.snapshot()
