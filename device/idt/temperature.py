# SPDX-License-Identifier: GPL-2.0-or-later
"""The temperature sensor: TMPCTL, TMPSTS, TMPALARM, TMPADJ, in half degrees Celsius (0:7:1, ntb_hw_idt.c chapter 7).

While TMPCTL.PDOWN is clear the sensor measures all the time: TMPSTS.TEMP is what it feels plus TMPADJ.OFFSET (signed),
between 0 and 127.5 degrees. The lowest and highest so far stand in TMPALARM, where the driver overwrites them to begin
anew (idt_sysfs_reset_hist), and in TMPSTS, where it reads them (idt_read_temp). When the temperature crosses one of
TMPCTL's thresholds (0: not set) an alarm bit rises in TMPALARM.IRQ and NTINTSTS.TMPSENSOR in every NT function.
"""

from typing import TYPE_CHECKING

from device.host import Status
from device.idt.interrupts import TMPSENSOR
from device.idt.maps import SWITCH
from device.idt.switch_registers import BASE
from device.space import Space

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

TMPCTL, TMPSTS, TMPALARM, TMPADJ = (
    (SWITCH[name].offset - BASE) >> 2 for name in ("TMPCTL", "TMPSTS", "TMPALARM", "TMPADJ")
)
PDOWN = SWITCH["TMPCTL"].register.field_mask("PDOWN")
IRQ = SWITCH["TMPALARM"].register.field_mask("IRQ")
UP, DOWN = IRQ & -IRQ, (IRQ & -IRQ) << 3  # alarm bits of the lowest threshold
HOTTEST = 0xFF
ROOM = 2 * 25  # what the sensor feels until a person injects something else


class Temperature(Space):
    """The part of the switch that is about its temperature. `felt`: by the sensor, in half degrees."""

    endpoints: "dict[int, Endpoint]"
    felt: int

    def inject_temperature(self, value: int) -> None:
        """It gets warmer or colder: `value` in half degrees, 0 to 255. DISABLED while the sensor is off."""
        self.felt = value & HOTTEST
        if self.regs[TMPCTL] & PDOWN:
            self.told.status = int(Status.DISABLED)
        self.measure()

    def write_temperature(self, number: int, value: int, lanes: int) -> None:
        """Any register of the sensor."""
        self.store(number, value, lanes)
        self.measure()

    def measure(self) -> None:
        regs = self.regs
        if regs[TMPCTL] & PDOWN:
            return
        offset = regs[TMPADJ] & 0xFF
        now = min(max(self.felt + offset - (0x100 if offset & 0x80 else 0), 0), HOTTEST)
        before, alarms = regs[TMPSTS] & 0xFF, regs[TMPALARM]
        lowest, highest = min(alarms >> 8 & 0xFF, now), max(alarms >> 16 & 0xFF, now)
        regs[TMPSTS] = highest << 16 | lowest << 8 | now
        crossed = self._crossed(before, now)
        regs[TMPALARM] = alarms & IRQ | crossed | highest << 16 | lowest << 8
        if crossed:
            for one in self.endpoints.values():
                one.raise_event(TMPSENSOR)

    def _crossed(self, before: int, now: int) -> int:
        alarms = 0
        for i in range(3):
            threshold = self.regs[TMPCTL] >> 8 * i & 0xFF
            if threshold and before < threshold <= now:
                alarms |= UP << i
            elif threshold and now < threshold <= before:
                alarms |= DOWN << i
        return alarms
