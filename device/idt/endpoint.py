# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoint: one NT function as its guest meets it: configuration space, BARs, attach, detach, reset.

What the registers do stands beside: interrupts.py, doorbells.py, messages.py, link.py, windows.py. Every method
answers whatever a guest can send, and leaves in `switch.target` and `switch.status` what it was about.
"""

from array import array
from struct import Struct
from typing import TYPE_CHECKING

from device.host import IrqMode, Status
from device.idt.doorbells import Doorbells
from device.idt.events import FUNDAMENTAL_RESETS, HOT_RESETS
from device.idt.inbound import BYTES as INBOUND_BYTES
from device.idt.inbound import Inbound
from device.idt.interrupts import COMMAND, MSICAP
from device.idt.lut import LUT_WORDS
from device.idt.maps import NT
from device.idt.messages import Messages
from device.idt.nt_registers import INBOUND_BASE, MSI_CAP, REGISTERS_BYTES, SIZE_CFG
from device.idt.windows import BAR0, MAE, Windows, ones
from device.profile import BAR_COUNT, WINDOW_TYPES, PortProfile
from device.regmap import DWORD
from device.space import Space, from_bytes, to_bytes

if TYPE_CHECKING:
    from device.idt.switch import IdtSwitch

PMCAP = NT["PMCAP"].offset >> 2
PMCAP_NEXT = NT["PMCAP"].register.field_mask("NEXT")
ECFGADDR, ECFGDATA = NT["ECFGADDR"].offset >> 2, NT["ECFGDATA"].offset >> 2
GASAADDR, GASADATA = NT["GASAADDR"].offset >> 2, NT["GASADATA"].offset >> 2
INDIRECT = frozenset({ECFGDATA, GASADATA})  # never reached through one another: no access can recurse

_UNKNOWN, _DISABLED = int(Status.UNKNOWN), int(Status.DISABLED)
_STATE = Struct("<5I")
_TABLES = _STATE.size + REGISTERS_BYTES
_INBOUND = _TABLES + 4 * LUT_WORDS
TYPE_64 = next(value for value, name in NT["BARSETUP0"].register.fields[0].values.items() if name == "64")
BAR_TYPE_64 = 4  # PCI Local Bus Specification 3.0, 6.2.5.1: the address is 64 bits wide


class Endpoint(Doorbells, Messages, Windows):
    """The NT function of one port. Built by the switch; `profile` gives partition and windows."""

    def __init__(self, switch: "IdtSwitch", profile: PortProfile, device_id: int) -> None:
        super().__init__(switch, profile)
        self.windows = dict(profile.windows)
        self.sizes = {0: switch.profile.registers_size, **{bar: one.size for bar, one in self.windows.items()}}
        self.ways = {}
        self.lut = array("I", bytes(4 * LUT_WORDS))
        self.inbound = Inbound(self) if switch.profile.inbound_windows else None
        self.snapshot_size = _INBOUND + (INBOUND_BYTES if self.inbound else 0)
        self._set_up_bars()
        self.set_reset("PCIID", "DEVICE", device_id, NT)
        self.set_reset("PCIELCAP", "PORTNUM", self.port, NT)
        self.reset_registers()

    def _set_up_bars(self) -> None:
        """What the profile decides: as the EEPROM does on the chip, before the guest looks."""
        for bar in range(BAR_COUNT):
            self.rw[BAR0 + bar] = 0
        self.rw[BAR0] = DWORD & ~(self.sizes[0] - 1)
        self.set_reset("BARSETUP0", "EN", 1, NT)
        self.set_reset("BARSETUP0", "MODE", 1, NT)
        self.set_reset("BARSETUP0", "SIZE", SIZE_CFG, NT)
        for bar, window in self.windows.items():
            writable = -window.size
            self.rw[BAR0 + bar] = writable & DWORD
            self.set_reset(f"BARSETUP{bar}", "EN", 1, NT)
            self.set_reset(f"BARSETUP{bar}", "SIZE", window.size.bit_length() - 1, NT)
            self.set_reset(f"BARSETUP{bar}", "ATRAN", WINDOW_TYPES[window.type].atran, NT)
            if window.width == 64:
                self.rw[BAR0 + bar + 1] = writable >> 32 & DWORD
                self.set_reset(f"BARSETUP{bar}", "TYPE", TYPE_64, NT)
                self.set_reset(f"BAR{bar}", "ADDRESS", BAR_TYPE_64, NT)

    # Accesses

    def cfg_read(self, offset: int, size: int) -> int:
        """Read 1, 2 or 4 bytes of configuration space; zeros, and UNKNOWN, for what it does not have."""
        return self.read(offset, size, REGISTERS_BYTES)

    def cfg_write(self, offset: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes of configuration space; dropped, and UNKNOWN, for what it does not have."""
        self.write(offset, size, value, REGISTERS_BYTES)

    def bar_read(self, bar: int, offset: int, size: int) -> int:
        """Read 1, 2, 4 or 8 bytes of a BAR: registers (BAR0), or the peer's memory through a window.

        An access to several registers is about the first one of them.
        """
        if bar:
            return self.window_read(bar, offset, size)
        if not self.regs[COMMAND] & MAE:
            self.switch.target, self.switch.status = 0, _DISABLED
            return ones(size)
        if size == 4 and not offset & 3 and 0 <= offset < REGISTERS_BYTES:
            return self.load(offset >> 2)
        return self.read(offset, size, self.sizes[0])

    def bar_write(self, bar: int, offset: int, size: int, value: int) -> None:
        """Write 1, 2, 4 or 8 bytes of a BAR."""
        if bar:
            self.window_write(bar, offset, size, value)
        elif not self.regs[COMMAND] & MAE:
            self.switch.target, self.switch.status = 0, _DISABLED
        elif size == 4 and not offset & 3 and 0 <= offset < REGISTERS_BYTES:
            self.save(offset >> 2, value & DWORD, DWORD)
        else:
            self.write(offset, size, value, self.sizes[0])

    def space_at(self, offset: int) -> tuple[Space, int]:
        """Who has the register at an offset of BAR0, and its number there."""
        if self.inbound is None or offset < INBOUND_BASE:
            return self, offset >> 2
        return self.inbound, (offset - INBOUND_BASE) >> 2

    def attach(self, mode: int) -> None:
        """A guest is plugged in: its function is reset, its link comes up. `mode`: IrqMode."""
        self.switch.target = self.switch.status = 0
        self.level = 0  # of a guest that was there before and took its line with it
        self.set_mode(mode)
        self._reset_function()
        self.attached = True
        self.switch.update_link(self)

    def detach(self) -> None:
        """The guest is gone: the function at its reset values, its link down."""
        self.switch.target = self.switch.status = 0
        self._reset_function()
        self.attached = False
        self.switch.update_link(self)

    def reset(self) -> None:
        """The guest's machine was reset: a fundamental reset of its partition.

        The transports do not tell it from a secondary bus reset, which is a hot reset on the chip (hot_reset).
        """
        self._reset_partition(FUNDAMENTAL_RESETS)

    def hot_reset(self) -> None:
        """A secondary bus reset above this port: as `reset`, but it is another switch event."""
        self._reset_partition(HOT_RESETS)

    def _reset_partition(self, event: int) -> None:
        """The link goes down, the function is reset, the link comes up again."""
        switch = self.switch
        switch.target = switch.status = 0
        attached, self.attached = self.attached, False
        switch.update_link(self)
        self._reset_function()
        switch.happen(event, self.partition)
        self.attached = attached
        switch.update_link(self)

    def _reset_function(self) -> None:
        """Function and mapping entry as after power-on; what belongs to the switch (bells, routes) stays."""
        self.reset_interrupts()
        self.reset_registers()
        self.lut = array("I", bytes(4 * LUT_WORDS))
        if self.inbound is not None:
            self.inbound.reset_registers()
        if self.mode == IrqMode.MSI:
            self.regs[PMCAP] |= MSI_CAP * (PMCAP_NEXT & -PMCAP_NEXT)
        else:
            self.regs[MSICAP] = 0
        self.switch.mapping[self.partition] = 0
        self.switch.forget_ways()
        self.update_interrupts()

    # Registers behind ECFGADDR and GASAADDR

    def read_ecfgdata(self, number: int) -> int:
        return self.indirect_load(self.regs[ECFGADDR])

    def write_ecfgdata(self, number: int, value: int, lanes: int) -> None:
        self.indirect_save(self.regs[ECFGADDR], value, lanes)

    def read_gasadata(self, number: int) -> int:
        return self.switch.global_load(self.regs[GASAADDR])

    def write_gasadata(self, number: int, value: int, lanes: int) -> None:
        self.switch.global_save(self.regs[GASAADDR], value, lanes)

    def indirect_load(self, address: int) -> int:
        """`load` for who comes through an indirect pair; address bits that the space does not have are ignored."""
        number = address % REGISTERS_BYTES >> 2
        if number in INDIRECT:
            self.switch.target, self.switch.status = self.targets[number], _UNKNOWN
            return 0
        return self.load(number)

    def indirect_save(self, address: int, value: int, lanes: int) -> None:
        """`save` for who comes through an indirect pair."""
        number = address % REGISTERS_BYTES >> 2
        if number in INDIRECT:
            self.switch.target, self.switch.status = self.targets[number], _UNKNOWN
        else:
            self.save(number, value, lanes)

    def write_command(self, number: int, value: int, lanes: int) -> None:
        """PCICMDSTS decides over the link, the windows and the interrupts."""
        self.write_link(number, value, lanes)
        self.update_interrupts()

    # State

    def snapshot(self) -> bytes:
        """All but what the profile decides; `snapshot_size` bytes."""
        state = _STATE.pack(self.attached, self.cable, self.mode, self.pending, self.level)
        inbound = b"" if self.inbound is None else to_bytes(self.inbound.regs)
        return b"".join((state, to_bytes(self.regs), to_bytes(self.lut), inbound))

    def restore(self, data: bytes) -> None:
        attached, cable, mode, self.pending, self.level = _STATE.unpack_from(data)
        self.attached, self.cable = bool(attached), bool(cable)
        self.set_mode(mode)
        self.regs = from_bytes(data[_STATE.size : _TABLES])
        self.lut = from_bytes(data[_TABLES:_INBOUND])
        if self.inbound is not None:
            self.inbound.regs = from_bytes(data[_INBOUND:])
        self.ways.clear()
