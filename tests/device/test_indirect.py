# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers behind registers: GASA, ECFG, NTMTBL pairs, and the register that is really meant."""

import pytest

from device.host import Status
from device.idt.maps import NT, SWITCH
from tests.device.making import THREE, World, two

SWITCH_WIDE = 0xFF


def place(port: int, name: str) -> int:
    """Global address of a port's own register (ntb_hw_idt.h: IDT_SW_NTPx_*)."""
    return 0x1000 + 0x2000 * port + NT[name].offset


@pytest.fixture
def world() -> World:
    return two()


def test_the_switchs_registers(world: World) -> None:
    world.sw_put(0, "SMBUSCTL", 0x1234_5678)
    assert world.about() == (SWITCH_WIDE, "SMBUSCTL")
    assert world.sw_get(2, "SMBUSCTL") == 0x1234_5678
    assert (world.about(), world.status) == ((SWITCH_WIDE, "SMBUSCTL"), Status.OK)


def test_byte_lanes_pass_through(world: World) -> None:
    endpoint = world.switch.endpoints[0]
    world.sw_put(0, "SMBUSCTL", 0x1122_3344)
    endpoint.bar_write(0, NT["GASADATA"].offset + 1, 2, 0xABCD)
    assert world.get(0, "GASADATA") == 0x11AB_CD44
    assert endpoint.bar_read(0, NT["GASADATA"].offset + 3, 1) == 0x11


def test_every_register_of_the_switch_answers_if_the_chip_has_its_port(world: World) -> None:
    for one in SWITCH.places:
        world.global_get(0, one.offset)
        absent = one.register.name.startswith("SWPORT") and one.number in (16, 20)
        assert world.about() == ((0, "") if absent else (SWITCH_WIDE, one.name))
        assert world.status == (Status.UNKNOWN if absent else Status.OK)
        world.global_put(0, one.offset, 0xFFFF_FFFF)
        assert world.status == (Status.UNKNOWN if absent else Status.OK)


def test_a_ports_own_registers_are_there_again_and_belong_to_that_port(world: World) -> None:
    for port in (0, 2):
        world.put(port, "BARLTBASE3", 0x100 + port)
    for port in (0, 2):
        for other in (0, 2):
            assert world.global_get(port, place(other, "BARLTBASE3")) == 0x100 + other
            assert (world.about(), world.status) == ((other, "BARLTBASE3"), Status.OK)
    world.global_put(0, place(2, "BARUTBASE3"), 7)
    assert world.about() == (2, "BARUTBASE3")
    assert world.get(2, "BARUTBASE3") == 7


def test_side_effects_are_those_of_the_port_that_is_meant(world: World) -> None:
    world.sw_put(2, "SWP1MSGCTL0", 0 << 4 | 3)
    world.global_put(0, place(2, "OUTMSG0"), 77)
    assert (world.get(0, "INMSG3"), world.get(0, "INMSGSRC3")) == (77, 1), "sent as by port 2's own guest"
    assert (2, 0) not in world.irqs()
    world.put(2, "NTINTMSK", 0xFF)
    world.put(0, "OUTDBELLSET", 1)
    world.effects()
    world.global_put(0, place(2, "NTINTMSK"), 0)
    assert world.irqs() == [(2, 0)]


def test_a_port_without_a_guest_and_a_hole_are_unknown(world: World) -> None:
    for address in (place(4, "NTCTL"), place(20, "PCIID"), 0x0, 0x3000, 0x3E00C, 0x3FFFC, 0x3DFFC):
        assert world.global_get(0, address) == 0
        assert (world.about(), world.status) == ((0, ""), Status.UNKNOWN), hex(address)
        world.put(0, "GASADATA", 0xFFFF_FFFF)
        assert (world.about(), world.status) == ((0, ""), Status.UNKNOWN), hex(address)
        assert world.get(0, "GASADATA") == 0


def test_the_address_keeps_18_bits(world: World) -> None:
    world.put(0, "GASAADDR", 0xFFFF_FFFF)
    assert world.get(0, "GASAADDR") == 0x3_FFFF
    assert world.global_get(0, 0xF00_0000 + SWITCH["SESTS"].offset) == 0
    assert world.about() == (SWITCH_WIDE, "SESTS")


def test_an_unaligned_address_is_that_of_its_register(world: World) -> None:
    world.global_put(0, SWITCH["SMBUSCTL"].offset + 3, 5)
    assert world.sw_get(0, "SMBUSCTL") == 5
    world.global_put(0, place(2, "BARLTBASE2") + 2, 6)
    assert world.get(2, "BARLTBASE2") == 6


def test_extended_configuration_through_the_first_256_bytes(world: World) -> None:
    endpoint = world.switch.endpoints[2]
    endpoint.cfg_write(0xF8, 4, 0x470)
    assert endpoint.cfg_read(0xFC, 4) == 0x8000_04C0
    assert world.about() == (2, "BARSETUP0")
    endpoint.cfg_write(0xF8, 4, NT["BARLTBASE2"].offset)
    endpoint.cfg_write(0xFC, 4, 0x55)
    assert (world.about(), world.get(2, "BARLTBASE2")) == ((2, "BARLTBASE2"), 0x55)
    endpoint.cfg_write(0xF8, 4, 0xFFFF_FFFF)
    assert endpoint.cfg_read(0xF8, 4) == 0xFFF


def test_through_both_pairs_the_last_one_is_meant(world: World) -> None:
    """ECFGDATA at GASADATA, which is at NTMTBLDATA's port ... ends: pairs are not entered through one another."""
    world.put(0, "NTMTBLADDR", 1)
    world.put(2, "NTMTBLADDR", 0)
    world.put(0, "NTMTBLDATA", 0x2_0001)
    assert world.global_get(2, place(0, "NTMTBLDATA")) == 0x2_0001, "port 0's table address counts"
    assert world.about() == (SWITCH_WIDE, "NTMTBL1")


@pytest.mark.parametrize("data", ["GASADATA", "ECFGDATA"])
@pytest.mark.parametrize("port", [0, 2])
def test_a_pair_behind_a_pair_is_refused_and_ends(world: World, data: str, port: int) -> None:
    world.put(2, "GASAADDR", place(0, "GASADATA"))
    world.put(2, "ECFGADDR", NT["GASADATA"].offset)
    assert world.global_get(0, place(port, data)) == 0
    assert (world.about(), world.status) == ((port, data), Status.UNKNOWN)
    before = world.switch.snapshot()
    world.put(0, "GASADATA", 0xFFFF_FFFF)
    assert (world.about(), world.status) == ((port, data), Status.UNKNOWN)
    assert world.switch.snapshot() == before
    world.put(0, "ECFGADDR", NT[data].offset)
    assert (world.get(0, "ECFGDATA"), world.status) == (0, Status.UNKNOWN)


def test_the_mapping_table_is_one_for_all_and_named_by_its_entry() -> None:
    world = two(profile=THREE)
    for entry in (0, 1, 5, 63):
        world.put(4, "NTMTBLADDR", entry)
        world.put(4, "NTMTBLDATA", 0xE00F_0000 | entry)
        assert world.about() == (SWITCH_WIDE, f"NTMTBL{entry}")
        world.put(0, "NTMTBLADDR", entry)
        assert world.get(0, "NTMTBLDATA") == 0xE00F_0000 | entry
        assert (world.about(), world.status) == ((SWITCH_WIDE, f"NTMTBL{entry}"), Status.OK)


def test_the_mapping_tables_address_wraps_at_64(world: World) -> None:
    world.put(0, "NTMTBLADDR", 0xFFFF_FFC2)
    assert world.get(0, "NTMTBLADDR") == 2
    world.put(0, "NTMTBLDATA", 1)
    assert world.about() == (SWITCH_WIDE, "NTMTBL2")


def test_reserved_bits_of_an_entry_are_zero(world: World) -> None:
    world.put(0, "NTMTBLADDR", 9)
    world.put(0, "NTMTBLDATA", 0xFFFF_FFFF)
    assert world.get(0, "NTMTBLDATA") == 0xE00F_FFFF
    world.switch.endpoints[0].bar_write(0, NT["NTMTBLDATA"].offset, 1, 0)
    assert world.get(0, "NTMTBLDATA") == 0xE00F_FF00
