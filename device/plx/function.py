# SPDX-License-Identifier: GPL-2.0-or-later
"""The DMA function as a PCI device: configuration space, BAR0 and its one interrupt.

BAR0 shows the configuration space as well (inferred), below the engine's registers. An MSI goes out for each enabled
bit of INTR_STATUS that rises; one that could not go out does when MSI and bus master are on. INTx is the level.
"""

from collections.abc import Callable
from typing import Protocol

from device.host import Host, IrqMode, Status
from device.plx.registers import (
    ALWAYS,
    BAR_BYTES,
    CONFIG_BYTES,
    EVENTS,
    MSI_CAP,
    MSI_CAP_ID,
    PLX,
    REGISTERS_BYTES,
    STATUS_SHIFT,
)
from device.space import SIZES, Space, Told

FUNCTION = 1  # of the port; the NT function is 0

COMMAND, BAR0, CTRL, INTR = (PLX[f"PLX_{name}"].offset >> 2 for name in ("PCICMDSTS", "BAR0", "CTRL", "INTR"))
CAPPTR, INTRLINE, MSICAP = (PLX[f"PLX_{name}"].offset >> 2 for name in ("CAPPTR", "INTRLINE", "MSICAP"))
MSIADDR, MSIUADDR, MSIMDATA = (PLX[f"PLX_{name}"].offset >> 2 for name in ("MSIADDR", "MSIUADDR", "MSIMDATA"))
_COMMAND, _MSICAP = PLX["PLX_PCICMDSTS"].register, PLX["PLX_MSICAP"].register
MAE, BME, INTXD, INTS, CAPL = (_COMMAND.field_mask(name) for name in ("MAE", "BME", "INTXD", "INTS", "CAPL"))
MSI_EN, MSI_MME, MSI_A64 = (_MSICAP.field_mask(name) for name in ("EN", "MME", "A64"))
PIN_A = 1 << 8  # of INTRLINE
EVENT_MASK = sum(1 << bit for _, bit in EVENTS)
NEEDS_NO_ENABLE = sum(1 << bit for name, bit in EVENTS if name == ALWAYS)

_DISABLED, _UNKNOWN = int(Status.DISABLED), int(Status.UNKNOWN)


Reach = Callable[[int, int], tuple[int, int, int, int] | None]


class Switch(Told, Protocol):
    """What the function needs of its switch."""

    host: Host


class Function(Space):
    """What the engine (engine.py) stands on. `reach` is that of the NT function of the same port."""

    def __init__(self, switch: Switch, port: int, reach: Reach) -> None:
        super().__init__(switch, PLX, 0, REGISTERS_BYTES // 4, port)
        self.switch = switch
        self.port = port
        self.reach = reach
        self.attached = False
        self.level = 0  # INTx mode: the line
        self.pending = 0  # MSI mode: events for which an MSI went out and that have not fallen since
        self.set_mode(IrqMode.MSI)
        self.reset_function()

    # Accesses

    def cfg_read(self, offset: int, size: int) -> int:
        """Read 1, 2 or 4 bytes of configuration space; zeros, and UNKNOWN, for what it does not have."""
        return self.read(offset, size, CONFIG_BYTES)

    def cfg_write(self, offset: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes of configuration space; dropped, and UNKNOWN, for what it does not have."""
        self.write(offset, size, value, CONFIG_BYTES)

    def bar_read(self, bar: int, offset: int, size: int) -> int:
        """Read 1, 2, 4 or 8 bytes of BAR0; ones where there is no such BAR, or memory space is off."""
        if self._decodes(bar):
            return self.read(offset, size, REGISTERS_BYTES)
        return (1 << 8 * size) - 1 if size in SIZES else 0

    def bar_write(self, bar: int, offset: int, size: int, value: int) -> None:
        """Write 1, 2, 4 or 8 bytes of BAR0."""
        if self._decodes(bar):
            self.write(offset, size, value, REGISTERS_BYTES)

    def _decodes(self, bar: int) -> bool:
        if bar == 0 and self.regs[COMMAND] & MAE:
            return True
        self.told.target, self.told.status = 0, _UNKNOWN if bar else _DISABLED
        return False

    def bar_address(self, bar: int) -> int | None:
        """The bus address that the guest gave the BAR; None if the function does not have it."""
        return None if bar else self.regs[BAR0]

    def bar_size(self, bar: int) -> int:
        """Bytes; 0 if the function does not have the BAR."""
        return 0 if bar else BAR_BYTES

    # Who is there

    def attach(self, mode: int) -> None:
        """A guest is plugged in. `mode`: IrqMode; in INTx mode there is no MSI capability, else no pin."""
        self.told.target = self.told.status = 0
        self.level = 0  # of a guest that was there before and took its line with it
        self.set_mode(mode)
        self.reset_function()
        self.attached = True

    def detach(self) -> None:
        """The guest is gone: the function at its reset values."""
        self.reset()
        self.attached = False

    def reset(self) -> None:
        """The guest's machine was reset: what the engine was doing is over."""
        self.told.target = self.told.status = 0
        self.reset_function()

    def reset_function(self) -> None:
        """All registers as after power-on."""
        self.pending = 0
        self._drive(0)
        self.reset_registers()
        if self.mode == IrqMode.MSI:
            self.regs[COMMAND] |= CAPL
            self.regs[CAPPTR] = MSI_CAP
            self.regs[MSICAP] = MSI_CAP_ID | MSI_A64
        else:
            self.regs[INTRLINE] = PIN_A

    def set_mode(self, mode: int) -> None:
        """In INTx mode the MSI capability takes nothing."""
        self.mode = int(IrqMode.INTX) if mode == IrqMode.INTX else int(IrqMode.MSI)
        self.rw[MSICAP] = MSI_EN | MSI_MME if self.mode == IrqMode.MSI else 0

    # The interrupt

    def raise_events(self, events: int) -> None:
        """Set bits of INTR_STATUS; those that have no enable, or theirs on, interrupt."""
        self.regs[INTR] |= events << STATUS_SHIFT
        self.update_interrupts()

    def write_interrupts(self, number: int, value: int, lanes: int) -> None:
        """Any register that decides over the interrupt."""
        self.store(number, value, lanes)
        self.update_interrupts()

    def update_interrupts(self) -> None:
        """Tell the guest what rose (MSI), or that the line changed (INTx)."""
        regs = self.regs
        now = regs[INTR] >> STATUS_SHIFT & (regs[INTR] | NEEDS_NO_ENABLE) & EVENT_MASK
        if self.mode == IrqMode.INTX:
            regs[COMMAND] = regs[COMMAND] & ~INTS | (INTS if now else 0)
            self._drive(int(bool(now) and self.attached and not regs[COMMAND] & INTXD))
            return
        rising = now & ~self.pending
        if rising and regs[MSICAP] & MSI_EN and regs[COMMAND] & BME and self.attached:
            self.pending = now
            for _ in range(rising.bit_count()):
                self.switch.host.irq(self.port, 0, FUNCTION)
        else:
            self.pending &= now  # what rises while MSI or bus master is off goes out when they are on

    def _drive(self, level: int) -> None:
        if level != self.level:
            self.level = level
            self.switch.host.irq(self.port, level, FUNCTION)

    def msi_message(self) -> tuple[int, int]:
        """(address, data) that an MSI writes."""
        regs = self.regs
        return regs[MSIUADDR] << 32 | regs[MSIADDR], regs[MSIMDATA]
