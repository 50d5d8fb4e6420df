# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts of one NT function: what stands in NTINTSTS, and when the guest is told.

MSG and DBELL follow their own status registers; SEVENT and TMPSENSOR are latched until a one is written
(ntb_hw_idt.c, chapter 8). An MSI goes out for each bit that rises unmasked, not for the rise of their OR: otherwise a
message that nobody reads would hold back every later event. INTx is the level of the OR. Neither passes a PCIe link
that is down.
"""

from typing import TYPE_CHECKING

from device.host import IrqMode
from device.idt.maps import NT, SWITCH
from device.idt.nt_registers import REGISTERS_BYTES
from device.idt.switch_registers import BASE
from device.profile import PortProfile
from device.space import Space

if TYPE_CHECKING:
    from device.idt.switch import IdtSwitch

COMMAND = NT["PCICMDSTS"].offset >> 2
NTINTSTS, NTINTMSK = NT["NTINTSTS"].offset >> 2, NT["NTINTMSK"].offset >> 2
INDBELLMSK = NT["INDBELLMSK"].offset >> 2
GDBELLSTS = (SWITCH["GDBELLSTS"].offset - BASE) >> 2
MSGSTS, MSGSTSMSK = NT["MSGSTS"].offset >> 2, NT["MSGSTSMSK"].offset >> 2
MSICAP, MSIADDR, MSIUADDR, MSIMDATA = (NT[n].offset >> 2 for n in ("MSICAP", "MSIADDR", "MSIUADDR", "MSIMDATA"))

BME, INTXD, INTS = (NT["PCICMDSTS"].register.field_mask(name) for name in ("BME", "INTXD", "INTS"))
MSI_EN, MSI_MME = (NT["MSICAP"].register.field_mask(name) for name in ("EN", "MME"))
MSG, DBELL, SEVENT, TMPSENSOR = (
    NT["NTINTSTS"].register.field_mask(name) for name in ("MSG", "DBELL", "SEVENT", "TMPSENSOR")
)
LATCHED = SEVENT | TMPSENSOR
_INTX = int(IrqMode.INTX)


class Interrupts(Space):
    """The part of an Endpoint that interrupts its guest, and what all its parts stand on."""

    def __init__(self, switch: "IdtSwitch", profile: PortProfile) -> None:
        super().__init__(switch, NT, 0, REGISTERS_BYTES // 4, profile.number)
        self.switch = switch
        self.port = profile.number
        self.partition = profile.partition
        self.bells_set, self.bells_seen = profile.bells_set, profile.bells_seen
        self.attached = False
        self.cable = True
        self.mode = int(IrqMode.MSI)
        self.pending = 0  # MSI mode: causes for which an MSI went out and that have not fallen since
        self.level = 0  # INTx mode: the line

    @property
    def linked(self) -> bool:
        """The PCIe link is up: a guest is there, and its cable is in."""
        return self.attached and self.cable

    def set_mode(self, mode: int) -> None:
        """In INTx mode the MSI capability takes nothing (and is not in the list: Endpoint)."""
        self.mode = int(IrqMode.INTX) if mode == IrqMode.INTX else int(IrqMode.MSI)
        self.rw[MSICAP] = MSI_EN | MSI_MME if self.mode == IrqMode.MSI else 0

    def update_interrupts(self) -> None:
        """Derive NTINTSTS anew and tell the guest what rose (MSI) or that the line changed (INTx)."""
        regs = self.regs
        causes = regs[NTINTSTS] & LATCHED
        if regs[MSGSTS] & ~regs[MSGSTSMSK]:
            causes |= MSG
        if self.switch.regs[GDBELLSTS] & self.bells_seen & ~regs[INDBELLMSK]:
            causes |= DBELL
        regs[NTINTSTS] = causes
        now = causes & ~regs[NTINTMSK]
        if self.mode == _INTX:
            self._update_line(now)
            return
        rising = now & ~self.pending
        if rising and regs[MSICAP] & MSI_EN and regs[COMMAND] & BME and self.linked:
            self.pending = now
            for _ in range(rising.bit_count()):
                self.switch.host.irq(self.port, 0)
        else:
            self.pending &= now  # what rises while MSI, bus master or the PCIe link is off goes out when they are on

    def _update_line(self, now: int) -> None:
        regs = self.regs
        regs[COMMAND] = regs[COMMAND] & ~INTS | (INTS if now else 0)
        self._drive(int(bool(now) and self.linked and not regs[COMMAND] & INTXD))

    def _drive(self, level: int) -> None:
        if level != self.level:
            self.level = level
            self.switch.host.irq(self.port, level)

    def reset_interrupts(self) -> None:
        """The registers are about to be reset: whatever was pending is gone."""
        self.pending = 0
        self._drive(0)

    def raise_event(self, cause: int) -> None:
        """Latch SEVENT or TMPSENSOR."""
        self.regs[NTINTSTS] |= cause
        self.update_interrupts()

    def write_interrupts(self, number: int, value: int, lanes: int) -> None:
        """Any register that decides over interrupts."""
        self.store(number, value, lanes)
        self.update_interrupts()

    def msi_message(self) -> tuple[int, int]:
        """(address, data) that an MSI writes."""
        regs = self.regs
        return regs[MSIUADDR] << 32 | regs[MSIADDR], regs[MSIMDATA]
