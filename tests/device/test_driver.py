# SPDX-License-Identifier: GPL-2.0-or-later
"""The register sequence of ntb_hw_idt, ntb_pingpong and ntb_perf as plain calls, from power-on to the peer's memory.

Functions bear the names of those of the driver; numbers are the driver's, not the tables', so that a wrong table shows.
"""

import pytest

from device.host import IrqMode, Status
from tests.device.making import BARS, THREE, World

GASAADDR, GASADATA = 0xFF8, 0xFFC
BARSETUP, BARLIMIT, BARLTBASE, BARUTBASE = 0x470, 0x474, 0x478, 0x47C
PORTS = (0, 2, 4, 6, 8, 12)


class Driver:
    def __init__(self, world: World, port: int) -> None:
        self.one = world.switch.endpoints[port]
        self.port = self.part = -1
        self.peers: list[tuple[int, int]] = []

    def nt_read(self, reg: int) -> int:
        return self.one.bar_read(0, reg, 4)

    def nt_write(self, reg: int, value: int) -> None:
        self.one.bar_write(0, reg, 4, value)

    def sw_read(self, reg: int) -> int:
        self.nt_write(GASAADDR, reg)
        return self.nt_read(GASADATA)

    def sw_write(self, reg: int, value: int) -> None:
        self.nt_write(GASAADDR, reg)
        self.nt_write(GASADATA, value)

    def probe(self) -> None:
        one = self.one
        assert (one.cfg_read(0, 4), one.cfg_read(8, 4) >> 8) == (0x8091_111D, 0x06_8000)
        for bar in range(6):
            at = 0x10 + 4 * bar
            one.cfg_write(at, 4, 0xFFFF_FFFF)
            assert one.cfg_read(at, 4) == {0: 0xFFFF_F000, 2: 0xFFF0_0000, 3: 0xFFF0_0000}.get(bar, 0)
            one.cfg_write(at, 4, BARS.get(bar, 0))
        one.cfg_write(0xF8, 4, BARSETUP)
        assert one.cfg_read(0xFC, 4) == 0x8000_0400 | 12 << 4  # idt_check_setup, by the ECFG pair
        one.cfg_write(4, 2, one.cfg_read(4, 2) | 6)
        self.scan_ports()
        self.init_link()
        self.init_mws()
        self.sw_write(0x3F1D4, 0)  # idt_init_temp
        if one.mode == IrqMode.MSI:
            one.cfg_write(0xD4, 4, 0xFEE0_0000)
            one.cfg_write(0xDC, 2, 0x4021)
            one.cfg_write(0xD2, 2, one.cfg_read(0xD2, 2) | 1)
        self.nt_write(0x408, self.nt_read(0x408) & ~0xB)  # idt_init_isr

    def scan_ports(self) -> None:
        self.port = self.nt_read(0x4C) >> 24
        self.part = self.sw_read(0x3E204 + 0x20 * self.port) >> 10 & 7
        for port in PORTS:
            status = self.sw_read(0x3E204 + 0x20 * port)
            part = status >> 10 & 7
            active = self.sw_read(0x3E104 + 0x20 * part) & 0x60 == 0x20
            if port != self.port and active and status & 0x3C0 in (0xC0, 0x100, 0x1C0, 0x200):
                self.peers.append((port, part))

    def init_link(self) -> None:
        ports = ~sum(1 << port for port, _ in [*self.peers, (self.port, 0)])
        parts = ~sum(1 << part for _, part in [*self.peers, (0, self.part)])
        for reg in (0x3EC0C, 0x3EC14, 0x3EC30):
            self.sw_write(reg, 0xFFFF_FFFF)
        self.sw_write(0x3EC08, parts)
        self.sw_write(0x3EC10, ports)
        self.sw_write(0x3EC18, ports)
        self.sw_write(0x3EC34, parts)
        self.sw_write(0x3EC04, ~0x23)

    def init_mws(self) -> None:
        for port, _ in [(self.port, self.part), *self.peers]:
            setups = [self.sw_read(0x1000 + 0x2000 * port + BARSETUP + 0x10 * bar) for bar in range(6)]
            windows = [
                (bar, setup >> 4 & 0x3F) for bar, setup in enumerate(setups) if setup >> 31 and not setup & 0x1C00
            ]
            assert windows == [(2, 20), (3, 20)]

    def link_enable(self) -> None:
        self.nt_write(0x400, 2)
        entry = 1 | (self.nt_read(0x4DC) & 0xFFFF) << 1 | self.part << 17
        self.nt_write(0x4D0, self.part)
        self.nt_write(0x4D8, entry)
        self.nt_write(0x410, 1)
        self.sw_write(0x3EC30, 1 << self.part)

    def link_is_up(self) -> int:
        self.nt_write(0x4D0, self.part)
        if not (self.nt_read(4) & 4 and self.nt_read(0x400) & 2 and self.nt_read(0x4D8) & 1):
            return 0
        status = 0
        for i, (port, part) in enumerate(self.peers):
            space = 0x1000 + 0x2000 * port
            self.nt_write(0x4D0, part)
            up = self.sw_read(0x3E204 + 0x20 * port) & 0x10 and self.sw_read(space + 4) & 4
            status |= bool(up and self.sw_read(space + 0x400) & 2 and self.nt_read(0x4D8) & 1) << i
        return status

    def peer_msg_write(self, peer: int, index: int, message: int) -> None:
        self.sw_write(0x3EE00 + 4 * self.part + 0x20 * index, index | self.peers[peer][1] << 4)
        self.nt_write(0x430 + 4 * index, message)

    def peer_mw_set_trans(self, peer: int, bar: int, address: int, size: int) -> None:
        at = 0x10 * bar
        self.nt_write(BARSETUP + at, self.nt_read(BARSETUP + at) & ~0xE000 | self.peers[peer][1] << 13)
        self.nt_write(BARLTBASE + at, address & 0xFFFF_FFFF)
        self.nt_write(BARUTBASE + at, address >> 32)
        self.nt_write(BARLIMIT + at, BARS[bar] + size)

    def peer_mw_clear_trans(self, bar: int) -> None:
        self.nt_write(BARLIMIT + 0x10 * bar, 0)

    def se_isr(self) -> int:
        events = self.sw_read(0x3EC00)
        for reg in (0x3EC0C, 0x3EC14, 0x3EC30):
            self.sw_write(reg, 0xFFFF_FFFF)
        self.nt_write(0x404, 8)
        return events


@pytest.fixture(params=[IrqMode.MSI, IrqMode.INTX], ids=["msi", "intx"])
def mode(request) -> IrqMode:
    return request.param


def probed(world: World, mode: IrqMode) -> list[Driver]:
    drivers = []
    for port, one in world.switch.endpoints.items():
        one.attach(mode)
        driver = Driver(world, port)
        driver.probe()
        drivers.append(driver)
    for driver in drivers:
        if driver.nt_read(0x404) & 8:  # that the others' links came up
            driver.se_isr()
    world.effects()
    return drivers


def interrupted(world: World) -> set[int]:
    """Ports that were interrupted since the last call."""
    return {port for port, value in world.irqs() if world.switch.endpoints[port].mode == IrqMode.MSI or value}


def test_two_guests(mode):
    world = World()
    a, b = probed(world, mode)
    assert (a.port, a.part, a.peers) == (0, 0, [(2, 1)])
    assert (b.port, b.part, b.peers) == (2, 1, [(0, 0)])

    a.link_enable()
    assert interrupted(world) == {0, 2}
    assert (a.link_is_up(), b.link_is_up()) == (0, 0)
    for driver in (a, b):
        driver.se_isr()
    world.effects()
    b.link_enable()
    assert interrupted(world) == {0, 2}
    assert (a.link_is_up(), b.link_is_up()) == (1, 1)
    for driver in (a, b):
        assert driver.nt_read(0x404) & 8
        driver.se_isr()
        assert driver.nt_read(0x404) == 0
    world.effects()

    # ntb_pingpong: each sends its own bit, masks it, and waits for the other's
    a.nt_write(0x42C, a.nt_read(0x42C) | 1)
    b.nt_write(0x42C, b.nt_read(0x42C) | 2)
    a.nt_write(0x420, 1)
    assert interrupted(world) == {2}
    assert (b.nt_read(0x404), b.nt_read(0x428)) == (2, 1)
    b.nt_write(0x428, 1)
    assert b.nt_read(0x404) == 0
    world.effects()
    b.nt_write(0x420, 2)
    assert interrupted(world) == {0}
    a.nt_write(0x428, 2)

    # ntb_perf: a message says where the buffer is, a window is opened, bytes arrive
    world.effects()
    b.peer_msg_write(0, 1, 0x1_0000)
    assert interrupted(world) == {0}
    assert a.nt_read(0x404) & 1
    assert (a.nt_read(0x444), a.nt_read(0x454)) == (0x1_0000, b.part)
    a.nt_write(0x460, 2 << 16)
    world.effects()
    a.peer_mw_set_trans(0, 3, 0x1_0000, 0x2000)
    a.one.bar_write(3, 0x1FFC, 4, 0xDEAD_BEEF)
    assert world.effects() == [("mem_write", 2, 0x1_1FFC, bytes.fromhex("efbeadde"))]
    a.one.bar_write(3, 0x2000, 4, 0)
    assert world.status == Status.LIMIT
    a.one.bar_write(2, 0, 4, 0)  # stock ntb_perf's window (FACTS 1.6)
    assert world.status == Status.CLOSED
    a.peer_mw_clear_trans(3)
    a.one.bar_write(3, 0, 4, 0)
    assert world.status == Status.CLOSED
    assert world.effects() == []

    # the peer's machine goes away and comes back
    b.one.detach()
    assert interrupted(world) == {0}
    assert (a.se_isr(), a.link_is_up()) == (2, 0)
    b.one.attach(mode)
    again = Driver(world, 2)
    again.probe()
    again.link_enable()
    assert (a.link_is_up(), again.link_is_up()) == (1, 1)
    assert not world.status


def test_three_guests_and_a_message_between_any_two(mode):
    world = World(THREE)
    drivers = probed(world, mode)
    for driver in drivers:
        driver.link_enable()
    for driver in drivers:
        assert driver.link_is_up() == 0b11
        for peer, (port, _) in enumerate(driver.peers):
            receiver = next(one for one in drivers if one.port == port)
            driver.peer_msg_write(peer, 3, 0x100 + driver.port)
            assert (receiver.nt_read(0x44C), receiver.nt_read(0x45C)) == (0x100 + driver.port, driver.part)
            receiver.nt_write(0x460, 8 << 16)
    assert [driver.nt_read(0x460) for driver in drivers] == [0, 0, 0]
