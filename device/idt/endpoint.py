# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoint: one NT function. Its registers by configuration space and BAR0, its doorbells, messages and interrupts.

Every method answers whatever a guest can send, and leaves in `switch.target` and `switch.status` what it was about.
"""

from struct import Struct
from typing import TYPE_CHECKING

from device.host import IrqMode, Status
from device.idt.maps import NT, NT_MAP_ENTRY
from device.idt.nt_registers import MAP_ENTRIES, MSI_CAP, REGISTERS_BYTES, SIZE_CFG
from device.idt.space import Space
from device.idt.windows import Windows
from device.profile import REGISTERS_SIZE, PortProfile
from device.regmap import DWORD, lanes

if TYPE_CHECKING:
    from device.idt.switch import IdtSwitch

COMMAND = NT["PCICMDSTS"].offset >> 2
NTCTL = NT["NTCTL"].offset >> 2
NTINTSTS, NTINTMSK = NT["NTINTSTS"].offset >> 2, NT["NTINTMSK"].offset >> 2
INDBELLMSK = NT["INDBELLMSK"].offset >> 2
MSGSTS, MSGSTSMSK = NT["MSGSTS"].offset >> 2, NT["MSGSTSMSK"].offset >> 2
OUTMSG, INMSG, INMSGSRC = (NT[f"{name}0"].offset >> 2 for name in ("OUTMSG", "INMSG", "INMSGSRC"))
MSICAP, MSIADDR, MSIUADDR, MSIMDATA = (NT[n].offset >> 2 for n in ("MSICAP", "MSIADDR", "MSIUADDR", "MSIMDATA"))
ECFGADDR, ECFGDATA = NT["ECFGADDR"].offset >> 2, NT["ECFGDATA"].offset >> 2
GASAADDR, GASADATA = NT["GASAADDR"].offset >> 2, NT["GASADATA"].offset >> 2
MTBLADDR = NT["NTMTBLADDR"].offset >> 2
BAR0 = NT["BAR0"].offset >> 2

MAE = NT["PCICMDSTS"].register.field_mask("MAE")
BME = NT["PCICMDSTS"].register.field_mask("BME")
INTXD = NT["PCICMDSTS"].register.field_mask("INTXD")
INTS = NT["PCICMDSTS"].register.field_mask("INTS")
CPEN = NT["NTCTL"].register.field_mask("CPEN")
MSI_EN = NT["MSICAP"].register.field_mask("EN")
MSG, DBELL, SEVENT, TMPSENSOR = (
    NT["NTINTSTS"].register.field_mask(name) for name in ("MSG", "DBELL", "SEVENT", "TMPSENSOR")
)
EVENTS = MSG | DBELL | SEVENT | TMPSENSOR
INMSG_LSB = NT["MSGSTS"].register.field_mask("INMSG").bit_length() - 4
MAP_VALID = NT_MAP_ENTRY.field_mask("VALID")
INDIRECT = frozenset({ECFGDATA, GASADATA})  # never reached through one another: no access can recurse

_UNKNOWN, _OK = int(Status.UNKNOWN), int(Status.OK)
_SIZES = frozenset({1, 2, 4, 8})
_STATE = Struct("<5I")


class Endpoint(Space, Windows):
    """The NT function of one port. Built by the switch; `profile` gives partition and windows."""

    def __init__(self, switch: "IdtSwitch", profile: PortProfile, device_id: int) -> None:
        super().__init__(NT, 0, REGISTERS_BYTES // 4, profile.number)
        self.switch = switch
        self.port = profile.number
        self.partition = profile.partition
        self.sizes = {0: REGISTERS_SIZE, **profile.windows}
        self.attached = False
        self.cable = True
        self.mode = int(IrqMode.MSI)
        self.pending = 0  # causes whose interrupt was delivered and that have not fallen since
        self.level = 0
        self.ways: dict[int, tuple[int, int, int, int]] = {}
        for bar in range(6):
            size = self.sizes.get(bar, 0)
            self.rw[BAR0 + bar] = DWORD & ~(size - 1) if size else 0
        self._reset_from_profile(device_id)
        self.reset_registers()

    def _reset_from_profile(self, device_id: int) -> None:
        def put(name: str, field: str, value: int) -> None:
            mask = NT[name].register.field_mask(field)
            self.resets[self.index[name]] |= value * (mask & -mask)

        put("PCIID", "DEVICE", device_id)
        put("PCIELCAP", "PORTNUM", self.port)
        put("BARSETUP0", "EN", 1)
        put("BARSETUP0", "MODE", 1)
        put("BARSETUP0", "SIZE", SIZE_CFG)
        for bar, size in self.sizes.items():
            if bar:
                put(f"BARSETUP{bar}", "EN", 1)
                put(f"BARSETUP{bar}", "SIZE", size.bit_length() - 1)

    # Stimuli

    def cfg_read(self, offset: int, size: int) -> int:
        """Read 1, 2 or 4 bytes of configuration space; zeros, and UNKNOWN, for what it does not have."""
        return self._read(offset, size)

    def cfg_write(self, offset: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes of configuration space; dropped, and UNKNOWN, for what it does not have."""
        self._write(offset, size, value)

    def bar_read(self, bar: int, offset: int, size: int) -> int:
        """Read 1, 2, 4 or 8 bytes of a BAR: registers, or the peer's memory through a window."""
        if bar:
            return self.window_read(bar, offset, size)
        if not self.regs[COMMAND] & MAE:
            self.switch.target, self.switch.status = 0, int(Status.DISABLED)
            return ones(size)
        if size == 4 and not offset & 3 and 0 <= offset < REGISTERS_BYTES:
            return self.load(offset >> 2)
        return self._read(offset, size)

    def bar_write(self, bar: int, offset: int, size: int, value: int) -> None:
        """Write 1, 2, 4 or 8 bytes of a BAR."""
        if bar:
            self.window_write(bar, offset, size, value)
        elif not self.regs[COMMAND] & MAE:
            self.switch.target, self.switch.status = 0, int(Status.DISABLED)
        elif size == 4 and not offset & 3 and 0 <= offset < REGISTERS_BYTES:
            self.save(offset >> 2, value & DWORD, DWORD)
        else:
            self._write(offset, size, value)

    def load(self, number: int) -> int:
        """Read a whole register, with its side effects."""
        switch = self.switch
        switch.target = self.targets[number]
        switch.status = self.statuses[number]
        read = self.reads[number]
        return self.regs[number] if read is None else read(number)

    def save(self, number: int, value: int, lanes: int) -> None:
        """Write the lanes of a register, with its side effects."""
        switch = self.switch
        switch.target = self.targets[number]
        switch.status = self.statuses[number]
        write = self.writes[number]
        if write is None:
            self.store(number, value, lanes)
        else:
            write(number, value, lanes)

    def _read(self, offset: int, size: int) -> int:
        if not self._reaches(offset, size):
            return 0
        value, about = 0, None
        for at, shift, place, part in lanes(offset, size):
            mask = (1 << 8 * part) - 1
            value |= (self.load(at >> 2) >> shift & mask) << place
            about = about or (self.switch.target, self.switch.status)
        self.switch.target, self.switch.status = about or (0, _UNKNOWN)
        return value

    def _write(self, offset: int, size: int, value: int) -> None:
        if not self._reaches(offset, size):
            return
        about = None
        for at, shift, place, part in lanes(offset, size):
            mask = (1 << 8 * part) - 1
            self.save(at >> 2, (value >> place & mask) << shift, mask << shift)
            about = about or (self.switch.target, self.switch.status)
        self.switch.target, self.switch.status = about or (0, _UNKNOWN)

    def _reaches(self, offset: int, size: int) -> bool:
        self.switch.target, self.switch.status = 0, _UNKNOWN
        return size in _SIZES and 0 <= offset <= REGISTERS_BYTES - size

    def attach(self, mode: int) -> None:
        """A guest is plugged in: its function is reset, its link comes up. `mode`: IrqMode."""
        self.switch.target = self.switch.status = 0
        self.mode = int(IrqMode.INTX) if mode == IrqMode.INTX else int(IrqMode.MSI)
        self._reset_function()
        self.attached = True
        self.switch.update_link(self)

    def detach(self) -> None:
        """The guest is gone: link down, the function at its reset values."""
        self.switch.target = self.switch.status = 0
        self._reset_function()
        self.attached = False
        self.switch.update_link(self)

    def reset(self) -> None:
        """The guest's machine was reset: its link goes down, the function is reset, the link comes up again."""
        switch = self.switch
        switch.target = switch.status = 0
        attached, self.attached = self.attached, False
        switch.update_link(self)
        self._reset_function()
        self.attached = attached
        switch.update_link(self)

    def _reset_function(self) -> None:
        if self.level:
            self.level = 0
            self.switch.host.irq(self.port, 0)
        self.reset_registers()
        self.pending = 0
        msi = self.mode == IrqMode.MSI
        self.rw[MSICAP] = NT["MSICAP"].register.field_mask("EN") | NT["MSICAP"].register.field_mask("MME") if msi else 0
        self.regs[self.index["PMCAP"]] |= MSI_CAP << 8 if msi else 0
        if not msi:
            self.regs[MSICAP] = 0
        self.switch.mapping[self.partition] = 0
        self.switch.forget_ways()

    # What the transport asks

    def bar_address(self, bar: int) -> int | None:
        """The bus address that the guest gave the BAR; None if the function does not have it."""
        return self.regs[BAR0 + bar] & ~0xF if bar in self.sizes else None

    def bar_size(self, bar: int) -> int:
        """Bytes; 0 if the function does not have the BAR."""
        return self.sizes.get(bar, 0)

    def msi_message(self) -> tuple[int, int]:
        """(address, data) that an MSI writes."""
        regs = self.regs
        return regs[MSIUADDR] << 32 | regs[MSIADDR], regs[MSIMDATA]

    # Interrupts

    def update_interrupts(self) -> None:
        """Derive NTINTSTS anew and tell the guest what rose (MSI, one per bit) or whether the line changed (INTx)."""
        regs = self.regs
        causes = regs[NTINTSTS] & (SEVENT | TMPSENSOR)
        if regs[MSGSTS] & ~regs[MSGSTSMSK]:
            causes |= MSG
        if self.switch.doorbells & ~regs[INDBELLMSK]:
            causes |= DBELL
        regs[NTINTSTS] = causes
        now = causes & ~regs[NTINTMSK]
        if self.mode == IrqMode.INTX:
            self._update_line(now)
        elif now & ~self.pending and regs[MSICAP] & MSI_EN and regs[COMMAND] & BME and self.attached:
            rising = now & ~self.pending
            self.pending = now
            for _ in range(rising.bit_count()):
                self.switch.host.irq(self.port, 0)
        else:
            self.pending &= now  # what rose while MSI was off goes out when it is on

    def _update_line(self, now: int) -> None:
        level = int(bool(now) and self.attached and not self.regs[COMMAND] & INTXD)
        self.regs[COMMAND] = self.regs[COMMAND] & ~INTS | (INTS if now else 0)
        if level != self.level:
            self.level = level
            self.switch.host.irq(self.port, level)

    def raise_event(self, cause: int) -> None:
        """Latch SEVENT or TMPSENSOR."""
        self.regs[NTINTSTS] |= cause
        self.update_interrupts()

    # Side effects of registers; (number, value, lanes) as in Space.store

    def write_command(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.switch.forget_ways()
        self.update_interrupts()

    def write_bar(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.ways.clear()

    def write_window(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.ways.clear()

    def write_link(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.switch.forget_ways()

    def write_msi(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.update_interrupts()

    def write_interrupts(self, number: int, value: int, lanes: int) -> None:
        self.store(number, value, lanes)
        self.update_interrupts()

    def write_gsignal(self, number: int, value: int, lanes: int) -> None:
        if value & lanes & 1:
            self.switch.signal(self.partition)

    def write_outdbellset(self, number: int, value: int, lanes: int) -> None:
        self.switch.change_doorbells(self.switch.doorbells | value & lanes)

    def read_indbellsts(self, number: int) -> int:
        return self.switch.doorbells

    def write_indbellsts(self, number: int, value: int, lanes: int) -> None:
        self.switch.change_doorbells(self.switch.doorbells & ~(value & lanes))

    def write_outmsg(self, number: int, value: int, lanes: int) -> None:
        """Send; to a register that is full, or to nobody, the message is refused and the sender told."""
        self.store(number, value, lanes)
        index = number - OUTMSG
        partition, register = self.switch.message_route(self.partition, index)
        peer = self.switch.by_partition.get(partition)
        if peer is None or not peer.attached or peer.regs[MSGSTS] >> (INMSG_LSB + register) & 1:
            self.regs[MSGSTS] |= 1 << index
            self.switch.status = int(Status.REFUSED)
            self.update_interrupts()
            return
        peer.regs[INMSG + register] = self.regs[number]
        peer.regs[INMSGSRC + register] = self.partition
        peer.regs[MSGSTS] |= 1 << (INMSG_LSB + register)
        peer.update_interrupts()

    def read_mtbldata(self, number: int) -> int:
        entry = self.regs[MTBLADDR] % MAP_ENTRIES
        self.switch.target = self.switch.map_target(entry)
        return self.switch.mapping[entry]

    def write_mtbldata(self, number: int, value: int, lanes: int) -> None:
        entry = self.regs[MTBLADDR] % MAP_ENTRIES
        self.switch.target = self.switch.map_target(entry)
        mapping = self.switch.mapping
        mapping[entry] = mapping[entry] & ~lanes | value & lanes
        self.switch.forget_ways()

    def read_ecfgdata(self, number: int) -> int:
        return self.indirect_load(self.regs[ECFGADDR] >> 2)

    def write_ecfgdata(self, number: int, value: int, lanes: int) -> None:
        self.indirect_save(self.regs[ECFGADDR] >> 2, value, lanes)

    def read_gasadata(self, number: int) -> int:
        return self.switch.global_load(self.regs[GASAADDR])

    def write_gasadata(self, number: int, value: int, lanes: int) -> None:
        self.switch.global_save(self.regs[GASAADDR], value, lanes)

    def indirect_load(self, number: int) -> int:
        """`load` for who comes through an indirect pair."""
        if number in INDIRECT:
            self.switch.target, self.switch.status = self.targets[number], _UNKNOWN
            return 0
        return self.load(number)

    def indirect_save(self, number: int, value: int, lanes: int) -> None:
        """`save` for who comes through an indirect pair."""
        if number in INDIRECT:
            self.switch.target, self.switch.status = self.targets[number], _UNKNOWN
        else:
            self.save(number, value, lanes)

    # State

    @property
    def up(self) -> bool:
        """The link on this side: PCIe link, bus master, CPEN, a valid mapping entry (idt_ntb_local_link_is_up)."""
        return bool(
            self.attached
            and self.cable
            and self.regs[COMMAND] & BME
            and self.regs[NTCTL] & CPEN
            and self.switch.mapping[self.partition] & MAP_VALID
        )

    def snapshot(self) -> bytes:
        return _STATE.pack(self.attached, self.cable, self.mode, self.pending, self.level) + self.dump()

    def restore(self, data: bytes) -> None:
        attached, cable, self.mode, self.pending, self.level = _STATE.unpack_from(data)
        self.attached, self.cable = bool(attached), bool(cable)
        self.load_dump(data[_STATE.size :])
        msi = self.mode == IrqMode.MSI
        self.rw[MSICAP] = NT["MSICAP"].register.field_mask("EN") | NT["MSICAP"].register.field_mask("MME") if msi else 0
        self.ways.clear()


SNAPSHOT_SIZE = _STATE.size + REGISTERS_BYTES


def ones(size: int) -> int:
    """What a read gives where nobody answers."""
    return (1 << 8 * size) - 1 if size in _SIZES else 0
