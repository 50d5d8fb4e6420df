# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the device stand on: a Host that notes every effect, and a switch whose registers have names."""

from dataclasses import dataclass, field, replace

import device
from device.host import IrqMode, Status
from device.idt.maps import BEHIND, INBOUND, NT, SWITCH
from device.plx.registers import PLX
from device.profile import Profile, Window

BARS = {0: 0xFE00_0000, 2: 0xFD00_0000, 3: 0xFC00_0000}
MEMORY, MASTER, NO_INTX = 0x2, 0x4, 0x400
WINDOW = 1 << 20
THREE = Profile.from_mapping(
    {"port": [{"number": n, "partition": p} for n, p in ((0, 0), (2, 1), (4, 5))]},
)
RICH = Profile.from_mapping({
    "inbound_windows": True,
    "port": [
        {"number": 0, "partition": 0, "bars": {
            "BAR0": "registers", "BAR2": {"size": "1M", "type": "lut12", "width": 64},
            "BAR4": {"size": "64M", "type": "lut24"}}},
        {"number": 2, "partition": 6, "bars": {
            "BAR0": "registers", "BAR1": "4K", "BAR2": {"size": "2M", "type": "lut24"}, "BAR3": "64K",
            "BAR4": {"size": "64K", "type": "lut12"}, "BAR5": "128M"}},
        {"number": 12, "partition": 1, "bells": {"set": 0xFFFF, "see": 0xF00F}, "bars": {
            "BAR0": "registers", "BAR2": {"size": "4G", "width": 64}, "BAR4": {"size": 1 << 34, "width": 64}}},
    ],
})  # fmt: skip
DEFAULT = device.DEFAULT
ENGINES = Profile.from_mapping({
    "port": [{"number": n, "partition": p, "dma": True} for n, p in ((0, 0), (2, 1))],
})  # fmt: skip
ALL_ROWS = replace(RICH, ports=tuple(replace(port, dma=True) for port in RICH.ports))


def place_of(bar: int, window: Window) -> int:
    """Where `plug` puts a window."""
    if window == Window(WINDOW):
        return BARS[bar]
    return (0x40_0000_0000 if window.width == 64 else 0) + (bar << 36 if window.width == 64 else bar << 28)


@dataclass
class NotingHost:
    """Guest memory reads as a function of where it is, so that it needs no state."""

    effects: list[tuple[object, ...]] = field(default_factory=list)

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        self.effects.append(("mem_read", port, address, length))
        return bytes((port + address + i) & 0xFF for i in range(length))

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        self.effects.append(("mem_write", port, address, data))

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        return self.mem_read(port, address, length)

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        self.mem_write(port, address, data)
        return True

    def irq(self, port: int, value: int, function: int = 0) -> None:
        self.effects.append(("irq", port, value, function) if function else ("irq", port, value))


class World:
    """A switch, its host, and access by register name: `get(0, "NTCTL")`, `put(0, "NTCTL", 2)`, `sw_get`, `sw_put`."""

    def __init__(self, profile: Profile = DEFAULT) -> None:
        self.host = NotingHost()
        self.switch = device.create(profile, self.host)

    def get(self, port: int, name: str) -> int:
        return self.switch.endpoints[port].bar_read(0, NT[name].offset, 4)

    def put(self, port: int, name: str, value: int) -> None:
        self.switch.endpoints[port].bar_write(0, NT[name].offset, 4, value)

    def global_get(self, port: int, address: int) -> int:
        self.put(port, "GASAADDR", address)
        return self.get(port, "GASADATA")

    def global_put(self, port: int, address: int, value: int) -> None:
        self.put(port, "GASAADDR", address)
        self.put(port, "GASADATA", value)

    def sw_get(self, port: int, name: str) -> int:
        return self.global_get(port, SWITCH[name].offset)

    def sw_put(self, port: int, name: str, value: int) -> None:
        self.global_put(port, SWITCH[name].offset, value)

    def effects(self) -> list[tuple[object, ...]]:
        """Those since the last call."""
        taken, self.host.effects = self.host.effects, []
        return taken

    def irqs(self) -> list[tuple[int, int]]:
        """(port, value) of the interrupts since the last call."""
        return [(e[1], e[2]) for e in self.effects() if e[0] == "irq"]  # type: ignore[misc]

    @property
    def status(self) -> Status:
        return Status(self.switch.status)

    def about(self) -> tuple[int, str]:
        """(owner, register name) of the last stimulus; (0, "") for none."""
        owner, number = self.switch.target >> 24, self.switch.target & 0xFF_FFFF
        names = {place.id: place.name for one in (NT, SWITCH, BEHIND, INBOUND, PLX) for place in one.places}
        return owner, names[number] if number else ""

    def plug(self, port: int, mode: int = IrqMode.MSI) -> None:
        """Attach, place the BARs, enable memory, bus master and MSI, unmask every interrupt."""
        one = self.switch.endpoints[port]
        one.attach(mode)
        one.cfg_write(NT["BAR0"].offset, 4, BARS[0])
        for bar, window in one.windows.items():
            one.cfg_write(NT[f"BAR{bar}"].offset, 4, place_of(bar, window) & 0xFFFF_FFFF)
            if window.width == 64:
                one.cfg_write(NT[f"BAR{bar + 1}"].offset, 4, place_of(bar, window) >> 32)
        one.cfg_write(NT["MSIADDR"].offset, 4, 0xFEE0_0000)
        one.cfg_write(NT["MSIMDATA"].offset, 2, 0x4020 + port)
        one.cfg_write(NT["MSICAP"].offset + 2, 2, 1)
        one.cfg_write(NT["PCICMDSTS"].offset, 2, MEMORY | MASTER)
        self.put(port, "NTINTMSK", 0)

    def link(self, port: int) -> None:
        """What idt_ntb_local_link_enable writes."""
        partition = self.switch.endpoints[port].partition
        self.put(port, "NTCTL", 2)
        self.put(port, "NTMTBLADDR", partition)
        self.put(port, "NTMTBLDATA", 1 | partition << 17)

    def open(self, port: int, bar: int, peer: int, address: int, size: int) -> None:
        """What idt_ntb_peer_mw_set_trans writes for a direct window."""
        window = self.switch.endpoints[port].windows[bar]
        setup = self.get(port, f"BARSETUP{bar}") & ~0xE000
        self.put(port, f"BARSETUP{bar}", setup | self.switch.endpoints[peer].partition << 13)
        self.put(port, f"BARLTBASE{bar}", address & 0xFFFF_FFFF)
        self.put(port, f"BARUTBASE{bar}", address >> 32)
        limit = place_of(bar, window) + size
        self.put(port, f"BARLIMIT{bar}", limit & 0xFFFF_FFFF)
        if window.width == 64:
            self.put(port, f"BARLIMIT{bar + 1}", limit >> 32)

    def entry(self, port: int, bar: int, index: int, peer: int, address: int) -> None:
        """What idt_ntb_peer_mw_set_trans writes for an entry of a lookup table."""
        self.put(port, "LUTOFFSET", bar << 8 | index)
        self.put(port, "LUTLDATA", address & 0xFFFF_FFFF)
        self.put(port, "LUTMDATA", address >> 32)
        self.put(port, "LUTUDATA", 0x8000_0000 | self.switch.endpoints[peer].partition)


def two(mode: int = IrqMode.MSI, profile: Profile = DEFAULT) -> World:
    """All guests attached, their links up, no effect noted yet."""
    world = World(profile)
    for port in world.switch.endpoints:
        world.plug(port, mode)
    for port in world.switch.endpoints:
        world.link(port)
    world.effects()
    return world
