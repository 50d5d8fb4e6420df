# SPDX-License-Identifier: GPL-2.0-or-later
"""Accesses of every width and place: byte lanes, what is not there, memory space off."""

import pytest

from device.host import Status
from device.idt.maps import NT
from tests.device.making import World, two

SCRATCH = NT["BARLTBASE2"].offset  # plain storage


@pytest.fixture
def world() -> World:
    return two()


def read(world: World, offset: int, size: int) -> int:
    return world.switch.endpoints[0].bar_read(0, offset, size)


def write(world: World, offset: int, size: int, value: int) -> None:
    world.switch.endpoints[0].bar_write(0, offset, size, value)


def test_bytes_are_lanes_of_a_register(world: World) -> None:
    write(world, SCRATCH, 4, 0x4433_2211)
    assert [read(world, SCRATCH + i, 1) for i in range(4)] == [0x11, 0x22, 0x33, 0x44]
    write(world, SCRATCH + 2, 1, 0xAA)
    assert read(world, SCRATCH, 4) == 0x44AA_2211
    write(world, SCRATCH, 2, 0xBEEF)
    assert read(world, SCRATCH, 4) == 0x44AA_BEEF
    assert read(world, SCRATCH + 1, 2) == 0xAABE


def test_eight_bytes_are_two_registers_low_one_first(world: World) -> None:
    write(world, SCRATCH, 8, 0x0000_0001_8000_0000)
    assert (world.get(0, "BARLTBASE2"), world.get(0, "BARUTBASE2")) == (0x8000_0000, 1)
    assert read(world, SCRATCH, 8) == 0x0000_0001_8000_0000


@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_an_access_across_registers_is_split(world: World, size: int, shift: int) -> None:
    write(world, SCRATCH, 8, 0x8877_6655_4433_2211)
    whole = 0x8877_6655_4433_2211 | world.get(0, "BARSETUP3") << 64
    assert read(world, SCRATCH + shift, size) == whole >> 8 * shift & (1 << 8 * size) - 1
    if shift + size <= 8:
        write(world, SCRATCH + shift, size, 0)
        mask = (1 << 8 * size) - 1 << 8 * shift
        assert read(world, SCRATCH, 8) == 0x8877_6655_4433_2211 & ~mask


def test_a_write_is_cut_to_its_size(world: World) -> None:
    write(world, SCRATCH, 4, 0x7_0000_0001)
    assert (world.get(0, "BARLTBASE2"), world.get(0, "BARUTBASE2")) == (1, 0)
    write(world, SCRATCH + 1, 1, 0xF12)
    assert world.get(0, "BARLTBASE2") == 0x1201
    write(world, SCRATCH, 4, -1)
    assert world.get(0, "BARLTBASE2") == 0xFFFF_FFFF


def test_bar0_is_the_configuration_space(world: World) -> None:
    endpoint = world.switch.endpoints[0]
    endpoint.cfg_write(SCRATCH, 4, 0x1234_5678)
    assert read(world, SCRATCH, 4) == 0x1234_5678
    assert all(endpoint.cfg_read(offset, 4) == read(world, offset, 4) for offset in range(0, 0x100, 4))


def test_a_register_that_is_not_there_is_zero_and_unknown(world: World) -> None:
    for offset in (0x800, 0x424, 0xFF4):
        write(world, offset, 4, 0xFFFF_FFFF)
        assert (world.status, world.switch.target) == (Status.UNKNOWN, 0)
        assert read(world, offset, 4) == 0
        assert (world.status, world.switch.target) == (Status.UNKNOWN, 0)


@pytest.mark.parametrize(("offset", "size"), [(4096, 4), (4095, 2), (-4, 4), (0, 0), (0, 3), (0, 16), (0, 2**70)])
def test_an_access_that_no_register_can_answer(world: World, offset: int, size: int) -> None:
    before = world.switch.snapshot()
    assert read(world, offset, size) == 0
    assert world.status == Status.UNKNOWN
    write(world, offset, size, -1)
    assert world.status == Status.UNKNOWN
    assert world.switch.snapshot() == before


@pytest.mark.parametrize("bar", [1, 4, 5, 6, -1, 2**65])
def test_a_bar_that_is_not_there_reads_ones(world: World, bar: int) -> None:
    endpoint = world.switch.endpoints[0]
    assert endpoint.bar_read(bar, 0, 4) == 0xFFFF_FFFF
    assert world.status == Status.UNKNOWN
    endpoint.bar_write(bar, 0, 4, 1)
    assert world.status == Status.UNKNOWN
    assert world.effects() == []
    assert (endpoint.bar_address(bar), endpoint.bar_size(bar)) == (None, 0)


@pytest.mark.parametrize("bar", [0, 2])
def test_without_memory_space_nothing_is_decoded(world: World, bar: int) -> None:
    world.open(0, 2, 2, 0x1000, 0x1000)
    before = world.get(0, "BARLTBASE2")
    world.switch.endpoints[0].cfg_write(4, 2, 4)
    assert world.switch.endpoints[0].bar_read(bar, 8, 4) == 0xFFFF_FFFF
    assert world.switch.endpoints[0].bar_read(bar, 8, 1) == 0xFF
    assert world.status == Status.DISABLED
    world.switch.endpoints[0].bar_write(bar, SCRATCH, 4, 5)
    assert world.status == Status.DISABLED
    assert world.effects() == []
    assert world.switch.endpoints[0].cfg_read(SCRATCH, 4) == before


def test_read_only_fields_stay_and_reserved_bits_are_zero(world: World) -> None:
    for name in ("PCIID", "CLASSREV", "CAPPTR", "REQIDCAP", "INMSG0", "INMSGSRC3", "NTMTBLSTS", "PCIELCAP"):
        before = world.get(0, name)
        world.put(0, name, ~before)
        assert world.get(0, name) == before
    world.put(0, "MSGSTSMSK", 0xFFFF_FFFF)
    assert world.get(0, "MSGSTSMSK") == 0x000F_000F


def test_what_is_written_only_reads_as_zero(world: World) -> None:
    world.put(0, "OUTDBELLSET", 0xFF)
    world.put(0, "NTGSIGNAL", 1)
    assert (world.get(0, "OUTDBELLSET"), world.get(0, "NTGSIGNAL")) == (0, 0)


def test_the_target_names_the_first_register_of_an_access_and_its_port(world: World) -> None:
    world.switch.endpoints[2].bar_read(0, SCRATCH + 3, 2)
    assert world.switch.target == 2 << 24 | NT["BARLTBASE2"].id


def test_every_register_of_the_table_answers() -> None:
    world = two()
    for place in NT.places:
        world.switch.endpoints[0].bar_read(0, place.offset, 4)
        if place.name not in ("GASADATA", "ECFGDATA", "NTMTBLDATA", "LUTLDATA", "LUTMDATA", "LUTUDATA"):
            assert (world.switch.target, world.status) == (place.id, Status.OK), place.name


def test_reset_values_are_those_of_the_rows_and_the_profile() -> None:
    world = two()
    world.switch.endpoints[0].reset()
    differing = {
        place.name for place in NT.places if world.switch.endpoints[0].cfg_read(place.offset, 4) != place.register.reset
    }
    bars = {f"BARSETUP{bar}" for bar in (0, 2, 3)}
    assert differing - {"ECFGDATA", "GASADATA"} == bars | {"PCIID", "PMCAP"}, "which show other registers: left out"
