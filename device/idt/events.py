# SPDX-License-Identifier: GPL-2.0-or-later
"""Switch events: links that come up and go down, global signals, resets and failovers of partitions, told to the
partitions that want to know.

A source's status register keeps what happened, its mask register says what counts, SEMSK which sources count, SEPMSK
which partitions are told. A told partition's NTINTSTS.SEVENT is latched when a status bit comes to count that did not
before (or when SEPMSK lets the partition hear of what counts already); it falls only by its own guest, so that the
first guest to clear the status registers, as idt_se_isr does, takes no event from the others.

Of a failover the header names the mask register alone: its status is the bit in SESTS itself, where a one clears it
(inferred).
"""

from typing import TYPE_CHECKING

from device.idt.interrupts import SEVENT
from device.idt.maps import SWITCH
from device.idt.switch_registers import BASE
from device.space import Space

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

SEMSK, SEPMSK = ((SWITCH[name].offset - BASE) >> 2 for name in ("SEMSK", "SEPMSK"))
# switch event: its bit in SESTS and SEMSK, its status register, its mask register
SOURCES = tuple(
    (SWITCH["SESTS"].register.field_mask(bit), (SWITCH[status].offset - BASE) >> 2, (SWITCH[mask].offset - BASE) >> 2)
    for bit, status, mask in (
        ("LINKUP", "SELINKUPSTS", "SELINKUPMSK"),
        ("LINKDN", "SELINKDNSTS", "SELINKDNMSK"),
        ("FRST", "SEFRSTSTS", "SEFRSTMSK"),
        ("HRST", "SEHRSTSTS", "SEHRSTMSK"),
        ("FOVR", "SESTS", "SEFOVRMSK"),  # behind what SESTS reads as: the partitions that failed over
        ("GSIGNAL", "SEGSIGSTS", "SEGSIGMSK"),
    )
)
LINKUPS, LINKDNS, FUNDAMENTAL_RESETS, HOT_RESETS, FAILOVERS, GSIGNALS = (status for _, status, _ in SOURCES)
FOVR = SWITCH["SESTS"].register.field_mask("FOVR")
LINKUP = SWITCH["SWPORT0STS"].register.field_mask("LINKUP")


class Events(Space):
    """The part of the switch that is about its events."""

    endpoints: "dict[int, Endpoint]"

    def happen(self, status: int, partition: int) -> None:
        """To a partition: a signal (NTGSIGNAL was set by its port), a reset, a failover; `status` is its register."""
        before = self._counting()
        self.regs[status] |= 1 << partition
        self._tell(before)

    def update_link(self, one: "Endpoint") -> None:
        """The PCIe link of a port may have come up or gone down."""
        number = self.index[f"SWPORT{one.port}STS"]
        was, now = bool(self.regs[number] & LINKUP), one.linked
        if was == now:
            return
        before = self._counting()
        self.regs[number] ^= LINKUP
        self.regs[LINKUPS if now else LINKDNS] |= 1 << one.port
        self.forget_ways()
        one.update_interrupts()
        self._tell(before)

    def forget_ways(self) -> None:
        """A register that decides over windows has changed."""
        for one in self.endpoints.values():
            one.ways.clear()

    def write_events(self, number: int, value: int, lanes: int) -> None:
        """Any status or mask register of switch events."""
        before = self._counting()
        self.store(number, value, lanes)
        self._tell(before)

    def write_sests(self, number: int, value: int, lanes: int) -> None:
        if value & lanes & FOVR:
            self.regs[FAILOVERS] = 0

    def read_sests(self, number: int) -> int:
        regs = self.regs
        return sum(bit for bit, status, mask in SOURCES if regs[status] & ~regs[mask])

    def _counting(self) -> tuple[list[int], int]:
        """The status bits of each source that count, and the partitions that are not told."""
        regs = self.regs
        enabled = ~regs[SEMSK]
        return [regs[status] & ~regs[mask] if enabled & bit else 0 for bit, status, mask in SOURCES], regs[SEPMSK]

    def _tell(self, before: tuple[list[int], int]) -> None:
        (old, untold_before), (new, untold) = before, self._counting()
        fresh = any(now & ~then for now, then in zip(new, old, strict=True))
        for one in self.endpoints.values():
            heard_before = not untold_before >> one.partition & 1
            if not untold >> one.partition & 1 and (fresh or (any(new) and not heard_before)):
                one.raise_event(SEVENT)
