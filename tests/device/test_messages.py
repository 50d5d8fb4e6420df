# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages: where they go, when they are refused, who is told."""

import pytest

from device.host import IrqMode, Status
from tests.device.making import THREE, World, two

MSG = 1


def route(world: World, port: int, index: int, partition: int, register: int) -> None:
    world.sw_put(port, f"SWP{world.switch.endpoints[port].partition}MSGCTL{index}", partition << 4 | register)


@pytest.fixture
def world() -> World:
    """Port 0 sends register n to port 2's register n, as the driver does."""
    world = two()
    for index in range(4):
        route(world, 0, index, 1, index)
    return world


def test_a_message_arrives_with_its_sender_and_tells_the_receiver(world: World) -> None:
    for index in range(4):
        world.put(0, f"OUTMSG{index}", 0x100 + index)
        assert world.status == Status.OK
    assert world.irqs() == [(2, 0)], "the other three come while the first is pending"
    assert [world.get(2, f"INMSG{i}") for i in range(4)] == [0x100, 0x101, 0x102, 0x103]
    assert [world.get(2, f"INMSGSRC{i}") for i in range(4)] == [0] * 4
    assert (world.get(2, "MSGSTS"), world.get(2, "NTINTSTS")) == (0xF_0000, MSG)
    assert (world.get(0, "MSGSTS"), world.get(0, "NTINTSTS")) == (0, 0)


def test_routes_cross_registers_and_partitions() -> None:
    world = two(profile=THREE)
    for sender, index, receiver, register in ((0, 3, 4, 0), (0, 1, 2, 2), (4, 0, 2, 1), (2, 2, 2, 3)):
        route(world, sender, index, world.switch.endpoints[receiver].partition, register)
        world.put(sender, f"OUTMSG{index}", sender << 8 | index)
        assert world.irqs() == ([(receiver, 0)] if (sender, index) in ((0, 3), (0, 1)) else [])
        assert world.get(receiver, f"INMSG{register}") == sender << 8 | index
        assert world.get(receiver, f"INMSGSRC{register}") == world.switch.endpoints[sender].partition
        assert world.get(receiver, "MSGSTS") >> 16 + register & 1
    assert world.get(0, "MSGSTS") == 0


def test_each_partition_and_each_register_has_a_route_of_its_own() -> None:
    world = two(profile=THREE)
    names = [f"SWP{p}MSGCTL{y}" for p in range(8) for y in range(4)]
    for i, name in enumerate(names):
        world.sw_put(0, name, i)
    assert [world.sw_get(4, name) for name in names] == [i & 0x73 for i in range(32)]
    assert {world.switch.message_route(p, y) for p in range(8) for y in range(4)} == {
        (i >> 4, i & 3) for i in range(32)
    }


def test_a_full_register_keeps_what_it_has_and_the_sender_is_told(world: World) -> None:
    world.put(0, "OUTMSG2", 0xAAAA)
    world.effects()
    world.put(0, "OUTMSG2", 0xBBBB)
    assert (world.status, world.about()) == (Status.REFUSED, (0, "OUTMSG2"))
    assert world.irqs() == [(0, 0)]
    assert (world.get(2, "INMSG2"), world.get(2, "MSGSTS")) == (0xAAAA, 0x4_0000)
    assert (world.get(0, "MSGSTS"), world.get(0, "NTINTSTS")) == (0x4, MSG)


def test_reading_frees_nothing_the_receivers_own_one_does(world: World) -> None:
    world.put(0, "OUTMSG1", 1)
    assert world.get(2, "INMSG1") == 1
    world.put(0, "OUTMSG1", 2)
    assert world.status == Status.REFUSED
    world.put(0, "MSGSTS", 0xFFFF_FFFF)
    world.put(0, "OUTMSG1", 3)
    assert world.status == Status.REFUSED, "clearing the sender's own status frees nothing at the receiver"
    world.put(2, "MSGSTS", 0x2_0000)
    world.put(0, "OUTMSG1", 4)
    assert (world.status, world.get(2, "INMSG1")) == (Status.OK, 4)


def test_only_ones_clear_the_status(world: World) -> None:
    world.put(0, "OUTMSG0", 1)
    world.put(0, "OUTMSG3", 1)
    world.put(2, "MSGSTS", 0x8_0000)
    assert (world.get(2, "MSGSTS"), world.get(2, "NTINTSTS")) == (0x1_0000, MSG)
    world.put(2, "MSGSTS", 0xFFFE_FFFF)
    assert world.get(2, "MSGSTS") == 0x1_0000
    world.put(2, "NTINTSTS", MSG)
    assert world.get(2, "NTINTSTS") == MSG, "the cause follows the status"
    world.put(2, "MSGSTS", 0x1_0000)
    assert world.get(2, "NTINTSTS") == 0


def test_after_all_are_cleared_the_next_message_tells_again(world: World) -> None:
    world.put(0, "OUTMSG0", 1)
    world.put(2, "MSGSTS", 0x1_0000)
    world.effects()
    world.put(0, "OUTMSG0", 2)
    assert world.irqs() == [(2, 0)]


def test_a_masked_message_arrives_and_tells_when_unmasked(world: World) -> None:
    world.put(2, "MSGSTSMSK", 0x1_0000)
    world.put(0, "OUTMSG0", 7)
    assert world.irqs() == []
    assert (world.get(2, "NTINTSTS"), world.get(2, "INMSG0"), world.get(2, "MSGSTS")) == (0, 7, 0x1_0000)
    world.put(0, "OUTMSG0", 8)
    assert world.irqs() == [(0, 0)], "it is full all the same"
    world.put(2, "MSGSTSMSK", 0)
    assert world.irqs() == [(2, 0)]


def test_a_masked_refusal_is_quiet(world: World) -> None:
    world.put(0, "MSGSTSMSK", 0xF)
    world.put(0, "OUTMSG0", 1)
    world.effects()
    world.put(0, "OUTMSG0", 2)
    assert (world.irqs(), world.get(0, "MSGSTS")) == ([], 1)


def test_a_message_to_a_partition_without_a_port_is_refused(world: World) -> None:
    route(world, 0, 0, 6, 0)
    world.put(0, "OUTMSG0", 1)
    assert (world.status, world.get(0, "MSGSTS"), world.irqs()) == (Status.REFUSED, 1, [(0, 0)])


def test_a_message_to_a_guest_that_is_gone_is_refused_and_waits_for_nobody(world: World) -> None:
    world.switch.endpoints[2].detach()
    world.effects()
    world.put(0, "OUTMSG0", 5)
    assert (world.status, world.irqs()) == (Status.REFUSED, [(0, 0)])
    world.plug(2, IrqMode.MSI)
    assert (world.get(2, "MSGSTS"), world.get(2, "INMSG0")) == (0, 0)


def test_a_guests_reset_frees_its_registers(world: World) -> None:
    world.put(0, "OUTMSG0", 5)
    world.switch.endpoints[2].reset()
    world.put(0, "OUTMSG0", 6)
    assert world.status == Status.OK
    assert world.switch.endpoints[2].cfg_read(0x440, 4) == 6


def test_messages_need_no_ntb_link(world: World) -> None:
    """The driver's clients exchange addresses before windows work; only the guest must be there."""
    world.put(2, "NTCTL", 0)
    world.put(0, "NTCTL", 0)
    world.put(0, "OUTMSG0", 9)
    assert (world.status, world.get(2, "INMSG0")) == (Status.OK, 9)


def test_a_byte_write_sends_the_register_as_it_then_is(world: World) -> None:
    world.put(0, "OUTMSG0", 0x1122_3344)
    world.put(2, "MSGSTS", 0x1_0000)
    world.switch.endpoints[0].bar_write(0, 0x431, 1, 0xEE)
    assert world.get(2, "INMSG0") == 0x1122_EE44


def test_inbound_registers_are_read_only(world: World) -> None:
    world.put(0, "OUTMSG0", 9)
    world.put(2, "INMSG0", 1)
    world.put(2, "INMSGSRC0", 1)
    assert (world.get(2, "INMSG0"), world.get(2, "INMSGSRC0")) == (9, 0)
