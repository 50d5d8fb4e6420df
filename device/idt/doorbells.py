# SPDX-License-Identifier: GPL-2.0-or-later
"""Doorbells: one register of 32 bells for the whole switch, seen and masked by each NT function for itself.

A function that sets a bell sees it as well (ntb_hw_idt.c, chapter 5: bells bounce back); INDBELLMSK only decides whom
it interrupts. Which bells a function may set and see at all is set up before the guests come: by the EEPROM on the
chip, by `bells` of the profile here, since the global permission masks are not in the driver's header. A bell that may
not be set is dropped, and the event says REFUSED.
"""

from device.host import Status
from device.idt.interrupts import GDBELLSTS, Interrupts


class Doorbells(Interrupts):
    """The part of an Endpoint that is about doorbells."""

    def write_outdbellset(self, number: int, value: int, lanes: int) -> None:
        bells = value & lanes
        if bells & ~self.bells_set:
            self.switch.status = int(Status.REFUSED)
        self._change(self.switch.regs[GDBELLSTS] | bells & self.bells_set)

    def read_indbellsts(self, number: int) -> int:
        return self.switch.regs[GDBELLSTS] & self.bells_seen

    def write_indbellsts(self, number: int, value: int, lanes: int) -> None:
        self._change(self.switch.regs[GDBELLSTS] & ~(value & lanes & self.bells_seen))

    def _change(self, bells: int) -> None:
        switch = self.switch
        if bells != switch.regs[GDBELLSTS]:
            switch.regs[GDBELLSTS] = bells
            for one in switch.endpoints.values():
                one.update_interrupts()
