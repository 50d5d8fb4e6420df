# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration space as a BIOS and the PCI core see it: ids, BAR sizing, capability list, what the driver checks."""

import pytest

from device.host import IrqMode
from device.idt.chips import CHIPS, Chip
from device.profile import Profile
from tests.device.making import BARS, World, two


def capabilities(world: World, port: int) -> list[int]:
    """Ids along the list, as pci_find_capability walks it."""
    endpoint = world.switch.endpoints[port]
    assert endpoint.cfg_read(6, 2) & 0x10, "PCI_STATUS_CAP_LIST"
    found, at = [], endpoint.cfg_read(0x34, 1)
    while at:
        assert at & 3 == 0
        found.append(endpoint.cfg_read(at, 1))
        at = endpoint.cfg_read(at + 1, 1)
        assert len(found) < 10
    return found


def sized(world: World, port: int, offset: int) -> int:
    """The standard's sizing: ones, read, restore."""
    endpoint = world.switch.endpoints[port]
    before = endpoint.cfg_read(offset, 4)
    endpoint.cfg_write(offset, 4, 0xFFFF_FFFF)
    mask = endpoint.cfg_read(offset, 4)
    endpoint.cfg_write(offset, 4, before)
    assert mask & 0xF == 0, "a 32-bit memory BAR that is not prefetchable"
    return -mask & 0xFFFF_FFFF


@pytest.mark.parametrize(("name", "chip"), CHIPS.items())
def test_ids(name: str, chip: Chip) -> None:
    port = chip.ports[-1]
    world = two(profile=Profile.from_mapping({"chip": name, "port": [{"number": port, "partition": 3}]}))
    endpoint = world.switch.endpoints[port]
    assert endpoint.cfg_read(0, 4) == chip.device_id << 16 | 0x111D
    assert endpoint.cfg_read(0x0A, 2) == 0x0680, "PCI_CLASS_BRIDGE_OTHER"
    assert endpoint.cfg_read(0x0E, 1) == 0, "a type 0 header"
    assert world.get(port, "PCIELCAP") >> 24 == port
    status = world.sw_get(port, f"SWPORT{port}STS")
    assert (status >> 6 & 0xF, status >> 10 & 7) == (3, 3), "NT function, partition"
    assert world.sw_get(port, "SWPART3STS") == 1 << 14 | 1 << 5, "active, with an NT function"


@pytest.mark.parametrize("mode", IrqMode)
def test_bar_sizing(mode: IrqMode) -> None:
    bars = {"BAR0": "registers", "BAR1": 16, "BAR2": "1M", "BAR5": "2G"}
    world = two(mode, Profile.from_mapping({"port": [{"number": 4, "partition": 0, "bars": bars}]}))
    sizes = [4096, 16, 1 << 20, 0, 0, 1 << 31]
    assert [sized(world, 4, offset) for offset in range(0x10, 0x34, 4)] == [*sizes, 0, 0, 0]
    assert [world.switch.endpoints[4].bar_size(bar) for bar in range(6)] == sizes


def test_bar_addresses_follow_the_guest() -> None:
    world = two()
    assert [world.switch.endpoints[0].bar_address(bar) for bar in range(4)] == [BARS[0], None, BARS[2], BARS[3]]
    world.switch.endpoints[0].cfg_write(0x18, 4, 0x8012_3456)
    assert world.switch.endpoints[0].bar_address(2) == 0x8010_0000


def test_capability_list_has_msi_in_msi_mode_only() -> None:
    world = two()
    world.switch.endpoints[2].detach()
    world.plug(2, IrqMode.INTX)
    assert capabilities(world, 0) == [0x10, 0x01, 0x05]
    assert capabilities(world, 2) == [0x10, 0x01]
    assert world.switch.endpoints[2].cfg_read(0xD0, 4) == 0, "and nothing is left where it stood"
    assert [world.switch.endpoints[port].cfg_read(0x3D, 1) for port in (0, 2)] == [1, 1], "INTA"
    world.switch.endpoints[2].detach()
    world.switch.endpoints[2].attach(IrqMode.MSI)
    assert capabilities(world, 2) == [0x10, 0x01, 0x05]


@pytest.mark.parametrize("mode", IrqMode)
def test_a_reset_keeps_the_interrupt_mode(mode: IrqMode) -> None:
    world = two(mode)
    before = capabilities(world, 0)
    world.switch.endpoints[0].reset()
    assert capabilities(world, 0) == before


def test_msi_is_one_vector_with_a_64_bit_address() -> None:
    world = two()
    endpoint = world.switch.endpoints[0]
    flags = endpoint.cfg_read(0xD2, 2)
    assert flags & 0x80, "64-bit address"
    assert flags >> 1 & 7 == 0, "one vector"
    assert flags & 1, "enabled"
    assert endpoint.msi_message() == (0xFEE0_0000, 0x4020)
    endpoint.cfg_write(0xD8, 4, 0x12)
    assert endpoint.msi_message() == (0x12_FEE0_0000, 0x4020)
    endpoint.cfg_write(0xDC, 4, 0xFFFF_FFFF)
    assert endpoint.msi_message()[1] == 0xFFFF


def test_intx_mode_has_no_msi_enable() -> None:
    world = two(IrqMode.INTX)
    world.switch.endpoints[0].cfg_write(0xD2, 2, 0xFFFF)
    assert world.switch.endpoints[0].cfg_read(0xD0, 4) == 0


def test_barsetup0_is_what_the_driver_asks_for() -> None:
    """idt_check_setup: enabled, configuration space, 4 KiB; the windows by their size (idt_scan_mws)."""
    world = two()
    assert world.switch.endpoints[0].cfg_read(0x470, 4) == 0x8000_0400 | 12 << 4
    assert [world.get(0, f"BARSETUP{bar}") for bar in range(1, 6)] == [0, *[0x8000_0000 | 20 << 4] * 2, 0, 0]


def test_command_register_keeps_what_it_has_and_status_clears_nothing() -> None:
    world = two()
    endpoint = world.switch.endpoints[0]
    endpoint.cfg_write(4, 4, 0xFFFF_FFFF)
    assert endpoint.cfg_read(4, 4) == 0x0010_0547
    endpoint.cfg_write(4, 2, 0)
    assert endpoint.cfg_read(4, 4) == 0x0010_0000


def test_the_link_reads_as_generation_2_by_8() -> None:
    status = two().get(0, "PCIELCTLSTS")
    assert (status >> 16 & 0xF, status >> 20 & 0x3F, status >> 28 & 1) == (2, 8, 1)


def test_configuration_that_is_not_there() -> None:
    endpoint = two().switch.endpoints[0]
    assert [endpoint.cfg_read(offset, 4) for offset in (0x100, 0x3FC, 0xFFD, 5000, -1)] == [0] * 5
