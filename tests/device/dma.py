# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the DMA engine stand on: guests with memory, and a driver's view of one engine."""

from struct import pack, unpack_from

import device
from device.host import IrqMode
from device.plx.engine import PIECE_BYTES, Engine
from device.plx.registers import PLX
from device.profile import Profile
from tests.device.making import BARS, ENGINES, MASTER, MEMORY, NotingHost, World

RING, COUNT = 0x1000, 8
FROM, TO = 0x1_0000, 0x8_0000
RAM = 1 << 20  # bytes of each guest's memory, from address 0
BAR = 0xFB00_0000
VALID, INT, SIZE = 1 << 31, 1 << 30, 0x7FF_FFFF
SUCCESS, READ_FAILED, WRITE_FAILED = 1 << 30, 1 << 29, 1 << 28
RESET_VAL, PAUSE, ABORT, WRITE_BACK, START, STOP_AT_END, OFF_CHIP = 0x1700, 1, 2, 4, 8, 16, 0x40
START_VAL = RESET_VAL | WRITE_BACK | START | OFF_CHIP
INVALID, PAUSE_DONE, ABORT_DONE, IN_PROGRESS = 1 << 8, 1 << 9, 1 << 10, 1 << 30
ERROR_STATUS, INVALID_STATUS, DONE_STATUS, ABORT_STATUS, PAUSE_STATUS = 1, 2, 4, 8, 16


class MemoryHost(NotingHost):
    """Guests with RAM, all of it writable but what `sealed` names; nothing above it."""

    def __init__(self, ports: tuple[int, ...] = (0, 2)) -> None:
        super().__init__()
        self.ram = {port: bytearray(RAM) for port in ports}
        self.sealed = range(0)

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        self.effects.append(("dma_read", port, address, length, control))
        return bytes(self.ram[port][address : address + length]) if address + length <= RAM else None

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        self.effects.append(("dma_write", port, address, data, control))
        if address + len(data) > RAM or address in self.sealed:
            return False
        self.ram[port][address : address + len(data)] = data
        return True


class Dma(World):
    """Two linked guests; `engine` is that of port 0, whose ring stands at RING and holds COUNT descriptors."""

    def __init__(self, mode: int = IrqMode.MSI, profile: Profile = ENGINES) -> None:
        self.host = self.guests = MemoryHost()
        self.switch = device.create(profile, self.host)
        for port in self.switch.endpoints:
            self.plug(port)
        for port in self.switch.endpoints:
            self.link(port)
        engine = self.switch.functions[0, 1]
        assert isinstance(engine, Engine)
        self.engine = engine
        self.next = 0
        self.plug_engine(mode)
        self.effects()

    def plug_engine(self, mode: int = IrqMode.MSI) -> None:
        """What firmware, the PCI core and plx_dma_alloc_chan_resources do."""
        engine = self.engine
        engine.attach(mode)
        engine.cfg_write(PLX["PLX_BAR0"].offset, 4, BAR)
        engine.cfg_write(PLX["PLX_MSIADDR"].offset, 4, 0xFEE0_1000)
        engine.cfg_write(PLX["PLX_MSIMDATA"].offset, 2, 0x4031)
        engine.cfg_write(PLX["PLX_MSICAP"].offset + 2, 2, 1)
        engine.cfg_write(PLX["PLX_PCICMDSTS"].offset, 2, MEMORY | MASTER)
        self.set("CTRL", RESET_VAL)
        self.set("DESC_RING_ADDR", RING)
        self.set("DESC_RING_ADDR_HI", 0)
        self.set("DESC_RING_NEXT_ADDR", RING)
        self.set("DESC_RING_COUNT", COUNT)
        self.set("PREF_LIMIT", 8)

    def set(self, name: str, value: int) -> None:
        self.engine.bar_write(0, PLX[f"PLX_{name}"].offset, 4, value)

    def read(self, name: str) -> int:
        return self.engine.bar_read(0, PLX[f"PLX_{name}"].offset, 4)

    @property
    def intr_status(self) -> int:
        return self.engine.bar_read(0, 0x23E, 2)

    def acknowledge(self, status: int = 0xFFFF) -> None:
        self.engine.bar_write(0, 0x23E, 2, status)

    def descriptor(self, size: int, source: int = FROM, destination: int = TO, flags: int = VALID | INT) -> int:
        """Put one into the ring, at the next place; returns its number."""
        number, self.next = self.next, (self.next + 1) % COUNT
        self.put_descriptor(number, size, source, destination, flags)
        return number

    def put_descriptor(self, number: int, size: int, source: int, destination: int, flags: int) -> None:
        data = pack(
            "<IHHII", flags | size, destination >> 32 & 0xFFFF, source >> 32 & 0xFFFF,
            destination & 0xFFFF_FFFF, source & 0xFFFF_FFFF,
        )  # fmt: skip
        self.guests.ram[0][RING + 16 * number : RING + 16 * number + 16] = data

    def written_back(self, number: int) -> int:
        """Flags and size, as the driver finds them."""
        return int(unpack_from("<I", self.guests.ram[0], RING + 16 * number)[0])

    def start(self, value: int = START_VAL) -> None:
        """What plx_dma_issue_pending writes: 16 bits."""
        self.engine.bar_write(0, PLX["PLX_CTRL"].offset, 2, value)

    def run(self, most: int = 10_000) -> int:
        """Work until the engine is idle; returns the pieces that took."""
        pieces = 0
        while self.engine.active:
            self.engine.work(PIECE_BYTES)
            pieces += 1
            assert pieces <= most
        return pieces

    def fill(self, size: int, at: int = FROM) -> bytes:
        """Something to copy."""
        data = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(size))
        self.guests.ram[0][at : at + size] = data
        return data

    def open_window(self, size: int = 0x1_0000, address: int = TO) -> int:
        """Port 0's BAR2 leads to `address` in port 2's memory; returns where it stands."""
        self.open(0, 2, 2, address, size)
        return BARS[2]


def config_read(engine: Engine, name: str) -> int:
    return engine.cfg_read(PLX[name].offset, 4)
