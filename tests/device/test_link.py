# SPDX-License-Identifier: GPL-2.0-or-later
"""The mapping table of requester ids, and what a port sees of its peer's link."""

from device.host import Inject, IrqMode, Status
from device.idt.nt_registers import MAP_ENTRIES
from tests.device.making import THREE, World, two

LINKUP = 0x10


def test_the_mapping_table_is_one_for_all_ports():
    world = two()
    world.put(0, "NTMTBLADDR", 9)
    world.put(0, "NTMTBLDATA", 0xFFFF_FFFF)
    assert world.about() == (0xFF, "NTMTBL9")
    world.put(2, "NTMTBLADDR", 9)
    assert world.get(2, "NTMTBLDATA") == 0xE00F_FFFF  # reserved bits stay zero
    assert world.about() == (0xFF, "NTMTBL9")


def test_each_port_has_its_own_place_in_the_table():
    world = two()
    for entry in range(MAP_ENTRIES):
        world.put(0, "NTMTBLADDR", entry)
        world.put(0, "NTMTBLDATA", entry << 1)
    world.put(2, "NTMTBLADDR", 3)
    for entry in range(MAP_ENTRIES):
        world.put(0, "NTMTBLADDR", entry | 0xFFFF_FFC0)
        assert world.get(0, "NTMTBLDATA") == entry << 1
    assert world.get(2, "NTMTBLDATA") == 3 << 1


def test_a_byte_of_an_entry():
    world = two()
    world.put(0, "NTMTBLADDR", 1)
    world.put(0, "NTMTBLDATA", 0)
    world.switch.endpoints[0].bar_write(0, 0x4D9, 1, 0xAB)
    assert world.get(0, "NTMTBLDATA") == 0xAB00


def test_port_and_partition_status_are_the_profiles():
    """A known fault of others: one partition for both ports. As idt_scan_ports reads it."""
    world = two(profile=THREE)
    for port, partition in ((0, 0), (2, 1), (4, 5)):
        status = world.sw_get(0, f"SWPORT{port}STS")
        assert (status >> 6 & 0xF, status >> 10 & 7, status & LINKUP) == (3, partition, LINKUP)
        assert world.sw_get(0, f"SWPART{partition}STS") == 0x20 | 1 << 14
        assert world.get(port, "PCIELCAP") >> 24 == port
    assert world.sw_get(0, "SWPORT6STS") == world.sw_get(0, "SWPART2STS") == 0


def test_a_guest_cannot_write_port_status():
    world = two()
    before = world.sw_get(0, "SWPORT2STS")
    world.sw_put(0, "SWPORT2STS", 0)
    assert world.sw_get(0, "SWPORT2STS") == before


def linkup(world: World) -> int:
    return world.sw_get(0, "SWPORT2STS") & LINKUP


def test_linkup_follows_guest_and_cable():
    world = two()
    assert linkup(world)
    world.switch.inject(2, Inject.CABLE, 0, 0)
    assert not linkup(world)
    world.switch.endpoints[2].reset()
    assert not linkup(world)
    world.switch.inject(2, Inject.CABLE, 0, 1)
    assert linkup(world)
    world.switch.endpoints[2].detach()
    assert not linkup(world)
    world.switch.inject(2, Inject.CABLE, 0, 0)
    world.switch.endpoints[2].attach(1)
    assert not linkup(world)


def test_the_peers_enables_are_seen_through_the_global_space():
    """idt_ntb_peer_link_is_up."""
    world = two()
    assert world.global_get(0, 0x5004) & 4
    assert world.about() == (2, "PCICMDSTS")
    assert world.global_get(0, 0x5400) & 2
    world.put(2, "NTCTL", 0)
    world.switch.endpoints[2].cfg_write(4, 2, 2)
    assert world.global_get(0, 0x5004) & 4 == 0
    assert world.global_get(0, 0x5400) & 2 == 0


def test_a_reset_takes_the_ports_own_entry_and_no_other():
    world = two()
    world.switch.endpoints[2].reset()
    entries = []
    for entry in (0, 1):
        world.put(0, "NTMTBLADDR", entry)
        entries.append(world.get(0, "NTMTBLDATA"))
    assert entries == [1, 0]


def test_a_message_to_a_port_whose_cable_is_pulled_is_refused():
    world = two()
    world.sw_put(0, "SWP0MSGCTL0", 1 << 4)
    world.switch.inject(2, Inject.CABLE, 0, 0)
    world.put(0, "OUTMSG0", 5)
    assert world.status == Status.REFUSED
    assert world.get(0, "MSGSTS") == 1
    assert world.get(2, "MSGSTS") == 0


def test_the_state_after_attach_does_not_depend_on_the_guest_before():
    used, fresh = two(), World()
    used.put(0, "NTGSIGNAL", 1)
    used.put(2, "OUTDBELLSET", 1)
    used.put(2, "INDBELLSTS", 1)
    states = []
    for world in (used, fresh):
        world.switch.endpoints[0].attach(IrqMode.INTX)
        states.append(world.switch.endpoints[0].snapshot())
    assert states[0] == states[1]
