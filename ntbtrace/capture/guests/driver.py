# SPDX-License-Identifier: GPL-2.0-or-later
"""IdtDriver: what Linux 6.1's PCI core and drivers/ntb/hw/idt/ntb_hw_idt.c do to the device, access by access.

Method names are those of the driver, without `idt_` and `idt_ntb_`; each says which function it follows.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

from ntbtrace.capture.guests.simulated import SimulatedGuest, Steps, StepsInt
from ntbtrace.event import IrqMode

# PCI Local Bus Specification 3.0, 6.1 (header) and 6.7 (capability list)
PCI_COMMAND, PCI_BAR0, PCI_CAPABILITIES = 0x04, 0x10, 0x34
COMMAND_MEMORY, COMMAND_MASTER, COMMAND_INTX_OFF = 0x2, 0x4, 0x400
CAP_MSI = 0x05
MSI_ADDRESS = 0xFEE0_0000
BAR_TYPE, BAR_TYPE_64 = 0x7, 0x4
BARS_AT, WIDE_BARS_AT = 0x8000_0000, 0x40_0000_0000

GASA_PORT = 0x1000  # a port's own configuration space in the global space: GASA_PORT + GASA_STRIDE * port
GASA_STRIDE = 0x2000  # (ntb_hw_idt.h, IDT_SW_NTPx_*)
BARSETUP_TYPE_64 = 2  # ntb_hw_idt.h
MWS = {0: (1, 1), 1: (12, 16), 2: (24, 32)}  # by BARSETUP.ATRAN: windows, and parts of the BAR (idt_scan_mws)
NT_MODES = (3, 4, 7, 8)  # IDT_SWPORTxSTS_MODE_NT, USNT, USNTDMA, NTDMA


class Mw(NamedTuple):
    """One memory window, struct idt_mw_cfg: `size` in bytes, `wide` when its BAR has 64 bits."""

    bar: int
    entry: int
    size: int
    wide: bool
    lut: bool


class IdtDriver:
    """The driver in one guest. Clients set the callbacks, as ntb_set_ctx does."""

    def __init__(self, guest: SimulatedGuest, ports: list[int]) -> None:
        self.guest = guest
        self.names = guest.names
        self._chip_ports = ports
        self.port = self.part = -1
        self.peers: list[tuple[int, int]] = []  # (port, partition)
        self.bar_address: dict[int, int] = {}
        self.mws: list[Mw] = []
        self.db_event: Callable[[], Steps] | None = None
        self.msg_event: Callable[[], Steps] | None = None
        self.link_event: Callable[[], Steps] | None = None

    # idt_nt_read, idt_nt_write, idt_sw_read, idt_sw_write

    def nt_read(self, name: str) -> StepsInt:
        return self.guest.read(self.names.offset(name))

    def nt_write(self, name: str, value: int) -> Steps:
        return self.guest.write(self.names.offset(name), value)

    def sw_read_at(self, offset: int) -> StepsInt:
        yield from self.nt_write("GASAADDR", offset)
        return (yield from self.nt_read("GASADATA"))

    def sw_read(self, name: str) -> StepsInt:
        return self.sw_read_at(self.names.switch_offset(name))

    def sw_write(self, name: str, value: int) -> Steps:
        yield from self.nt_write("GASAADDR", self.names.switch_offset(name))
        yield from self.nt_write("GASADATA", value)

    def peer_read(self, port: int, name: str) -> StepsInt:
        return self.sw_read_at(GASA_PORT + GASA_STRIDE * port + self.names.offset(name))

    # The PCI core

    def enumerate(self) -> Steps:
        """pci_setup_device, pci_read_bases, pci_assign_resource."""
        guest = self.guest
        for offset in (0x00, 0x08, 0x2C):
            yield from guest.cfg_read(offset)
        yield from guest.cfg_read(0x0E, 1)
        free = {32: BARS_AT, 64: WIDE_BARS_AT}
        bar = 0
        while bar < 6:
            at = PCI_BAR0 + 4 * bar
            before = yield from guest.cfg_read(at)
            width = 64 if before & BAR_TYPE == BAR_TYPE_64 else 32
            yield from self._write_bar(at, width, -1)
            sizing = (yield from guest.cfg_read(at)) & ~0xF
            if width == 64:
                sizing |= (yield from guest.cfg_read(at + 4)) << 32
            yield from self._write_bar(at, width, before)
            if sizing:
                size = (1 << width) - sizing
                address = (free[width] + size - 1) & ~(size - 1)
                yield from self._write_bar(at, width, address)
                self.bar_address[bar] = address
                free[width] = address + size
            bar += width // 32

    def _write_bar(self, at: int, width: int, address: int) -> Steps:
        for half in range(width // 32):
            yield from self.guest.cfg_write(at + 4 * half, address >> 32 * half & 0xFFFF_FFFF)

    def enable_device(self) -> Steps:
        """pcim_enable_device and pci_set_master."""
        command = yield from self.guest.cfg_read(PCI_COMMAND, 2)
        yield from self.guest.cfg_write(PCI_COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER, 2)

    def enable_msi(self) -> Steps:
        """pci_find_capability and __pci_enable_msi: one 64-bit vector."""
        guest = self.guest
        at = yield from guest.cfg_read(PCI_CAPABILITIES, 1)
        while at and (yield from guest.cfg_read(at, 1)) != CAP_MSI:
            at = yield from guest.cfg_read(at + 1, 1)
        control = yield from guest.cfg_read(at + 2, 2)
        yield from guest.cfg_write(at + 4, MSI_ADDRESS)
        yield from guest.cfg_write(at + 8, 0)
        yield from guest.cfg_write(at + 12, 0x4000 | self.port, 2)
        yield from guest.cfg_write(at + 2, control | 1, 2)

    # ntb_hw_idt

    def probe(self) -> Steps:
        """idt_pci_probe."""
        yield from self.enumerate()
        yield from self.check_setup()
        yield from self.enable_device()
        yield from self.scan_ports()
        yield from self.init_link()
        self.mws = yield from self.scan_mws(self.port)
        for port, _ in self.peers:
            yield from self.scan_mws(port)
        yield from self.sw_write("TMPCTL", 0)
        yield from self.init_isr()

    def check_setup(self) -> Steps:
        """idt_check_setup, its read of BARSETUP0 by way of ECFGADDR (FACTS 1.3)."""
        names = self.names
        yield from self.guest.cfg_write(names.offset("ECFGADDR"), names.offset("BARSETUP0"))
        setup = yield from self.guest.cfg_read(names.offset("ECFGDATA"))
        if not (setup & names.mask("BARSETUP0.EN") and setup & names.mask("BARSETUP0.MODE")):
            self.guest.say("fail", f"ntb_hw_idt: BAR0 doesn't map config space ({setup:#x})")

    def scan_ports(self) -> Steps:
        """idt_scan_ports."""
        names = self.names
        self.port = names.get("PCIELCAP.PORTNUM", (yield from self.nt_read("PCIELCAP")))
        status = yield from self.sw_read(f"SWPORT{self.port}STS")
        self.part = names.get(f"SWPORT{self.port}STS.SWPART", status)
        for port in self._chip_ports:
            if port == self.port:
                continue
            status = yield from self.sw_read(f"SWPORT{port}STS")
            part = names.get(f"SWPORT{port}STS.SWPART", status)
            part_status = yield from self.sw_read(f"SWPART{part}STS")
            active = names.get(f"SWPART{part}STS.STATE", part_status) == 1
            if active and names.get(f"SWPORT{port}STS.MODE", status) in NT_MODES:
                self.peers.append((port, part))

    def init_link(self) -> Steps:
        """idt_init_link."""
        names = self.names
        ports = sum(1 << port for port, _ in self.peers) | 1 << self.port
        parts = sum(1 << part for _, part in self.peers) | 1 << self.part
        yield from self._clear_switch_events()
        yield from self.sw_write("SEPMSK", ~parts & 0xFFFF_FFFF)
        yield from self.sw_write("SELINKUPMSK", ~ports & 0xFFFF_FFFF)
        yield from self.sw_write("SELINKDNMSK", ~ports & 0xFFFF_FFFF)
        yield from self.sw_write("SEGSIGMSK", ~parts & 0xFFFF_FFFF)
        events = names.mask("SEMSK.LINKUP") | names.mask("SEMSK.LINKDN") | names.mask("SEMSK.GSIGNAL")
        yield from self.sw_write("SEMSK", ~events & 0xFFFF_FFFF)

    def _clear_switch_events(self) -> Steps:
        for name in ("SELINKUPSTS", "SELINKDNSTS", "SEGSIGSTS"):
            yield from self.sw_write(name, 0xFFFF_FFFF)

    def scan_mws(self, port: int) -> Generator[None, None, list[Mw]]:
        """idt_scan_mws: the windows of a port, of each BAR one, or as many as its lookup table has entries."""
        names = self.names
        found = []
        bar = 0
        while bar < 6:
            name = f"BARSETUP{bar}"
            setup = yield from self.peer_read(port, name)
            enabled = setup & names.mask(f"{name}.EN")
            wide = bool(enabled) and names.get(f"{name}.TYPE", setup) == BARSETUP_TYPE_64
            if enabled and not setup & names.mask(f"{name}.MODE"):
                count, parts = MWS[names.get(f"{name}.ATRAN", setup)]
                size = (1 << names.get(f"{name}.SIZE", setup)) // parts
                found += [Mw(bar, index, size, wide, parts > 1) for index in range(count)]
            bar += 1 + wide
        return found

    def init_isr(self) -> Steps:
        """idt_init_isr."""
        if self.guest.mode == IrqMode.MSI:
            yield from self.enable_msi()
        self.guest.isr = self.thread_isr
        names = self.names
        mask = yield from self.nt_read("NTINTMSK")
        for name in ("MSG", "DBELL", "SEVENT"):
            mask &= ~names.mask(f"NTINTMSK.{name}")
        yield from self.nt_write("NTINTMSK", mask)

    def thread_isr(self) -> Steps:
        """idt_thread_isr with idt_msg_isr, idt_db_isr and idt_se_isr."""
        names = self.names
        status = yield from self.nt_read("NTINTSTS")
        if status & names.mask("NTINTSTS.MSG") and self.msg_event:
            yield from self.msg_event()
        if status & names.mask("NTINTSTS.DBELL") and self.db_event:
            yield from self.db_event()
        if status & names.mask("NTINTSTS.SEVENT"):
            yield from self.sw_read("SESTS")
            yield from self._clear_switch_events()
            yield from self.nt_write("NTINTSTS", names.mask("NTINTSTS.SEVENT"))
            if self.link_event:
                yield from self.link_event()

    # ntb_dev_ops

    def _map_entry(self, part: int) -> StepsInt:
        yield from self.nt_write("NTMTBLADDR", part)
        return (yield from self.nt_read("NTMTBLDATA"))

    def _signal(self) -> Steps:
        yield from self.nt_write("NTGSIGNAL", self.names.mask("NTGSIGNAL.SET"))
        yield from self.sw_write("SEGSIGSTS", 1 << self.part)

    def link_enable(self) -> Steps:
        """idt_ntb_local_link_enable."""
        names = self.names
        yield from self.nt_write("NTCTL", names.mask("NTCTL.CPEN"))
        reqid = names.get("REQIDCAP.REQID", (yield from self.nt_read("REQIDCAP")))
        yield from self.nt_write("NTMTBLADDR", self.part)
        entry = names.put("NTMTBL0.REQID", reqid) | names.put("NTMTBL0.PART", self.part)
        yield from self.nt_write("NTMTBLDATA", entry | names.mask("NTMTBL0.VALID"))
        yield from self._signal()

    def link_disable(self) -> Steps:
        """idt_ntb_local_link_disable."""
        yield from self.nt_write("NTCTL", 0)
        yield from self.nt_write("NTMTBLADDR", self.part)
        yield from self.nt_write("NTMTBLDATA", 0)
        yield from self._signal()

    def link_is_up(self) -> StepsInt:
        """idt_ntb_link_is_up: a bit for each peer."""
        names = self.names
        up = 0
        if not (yield from self.nt_read("PCICMDSTS")) & names.mask("PCICMDSTS.BME"):
            return up
        if not (yield from self.nt_read("NTCTL")) & names.mask("NTCTL.CPEN"):
            return up
        if not (yield from self._map_entry(self.part)) & names.mask("NTMTBL0.VALID"):
            return up
        for index, (port, part) in enumerate(self.peers):
            if not (yield from self.sw_read(f"SWPORT{port}STS")) & names.mask(f"SWPORT{port}STS.LINKUP"):
                continue
            if not (yield from self.peer_read(port, "PCICMDSTS")) & names.mask("PCICMDSTS.BME"):
                continue
            if not (yield from self.peer_read(port, "NTCTL")) & names.mask("NTCTL.CPEN"):
                continue
            if (yield from self._map_entry(part)) & names.mask("NTMTBL0.VALID"):
                up |= 1 << index
        return up

    def db_change_mask(self, *, set_bits: int = 0, clear_bits: int = 0) -> Steps:
        """idt_ntb_db_set_mask, idt_ntb_db_clear_mask."""
        mask = yield from self.nt_read("INDBELLMSK")
        yield from self.nt_write("INDBELLMSK", (mask | set_bits) & ~clear_bits)

    def peer_db_set(self, bits: int) -> Steps:
        """idt_ntb_peer_db_set."""
        return self.nt_write("OUTDBELLSET", bits)

    def db_clear(self, bits: int) -> Steps:
        """idt_ntb_db_clear."""
        return self.nt_write("INDBELLSTS", bits)

    def msg_clear_sts(self, bits: int) -> Steps:
        """idt_ntb_msg_clear_sts."""
        return self.nt_write("MSGSTS", bits)

    def msg_read(self, index: int) -> StepsInt:
        """idt_ntb_msg_read."""
        yield from self.nt_read(f"INMSGSRC{index}")
        return (yield from self.nt_read(f"INMSG{index}"))

    def peer_msg_write(self, peer: int, index: int, message: int) -> Steps:
        """idt_ntb_peer_msg_write: route the register to the peer's partition, then write it."""
        name = f"SWP{self.part}MSGCTL{index}"
        control = self.names.put(f"{name}.REG", index) | self.names.put(f"{name}.PART", self.peers[peer][1])
        yield from self.sw_write(name, control)
        yield from self.nt_write(f"OUTMSG{index}", message)

    def peer_mw_set_trans(self, peer: int, mw: Mw, address: int, size: int) -> Steps:
        """idt_ntb_peer_mw_set_trans; address and size in bytes."""
        partition = self.peers[peer][1]
        if mw.lut:
            yield from self.nt_write("LUTOFFSET", mw.bar << 8 | mw.entry)
            yield from self.nt_write("LUTLDATA", address & 0xFFFF_FFFF)
            yield from self.nt_write("LUTMDATA", address >> 32)
            upper = self.names.put("LUTUDATA.PART", partition) | self.names.mask("LUTUDATA.VALID")
            yield from self.nt_write("LUTUDATA", upper)
            return
        bar = mw.bar
        setup = yield from self.nt_read(f"BARSETUP{bar}")
        setup &= ~self.names.mask(f"BARSETUP{bar}.TPART")
        setup |= self.names.put(f"BARSETUP{bar}.TPART", partition)
        yield from self.nt_write(f"BARSETUP{bar}", setup)
        yield from self.nt_write(f"BARLTBASE{bar}", address & 0xFFFF_FFFF)
        yield from self.nt_write(f"BARUTBASE{bar}", address >> 32)
        limit = self.bar_address[bar] + size
        yield from self.nt_write(f"BARLIMIT{bar}", limit & 0xFFFF_FFFF)
        if mw.wide:
            yield from self.nt_write(f"BARLIMIT{bar + 1}", limit >> 32)
