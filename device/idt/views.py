# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and windows as a person asks for them: what is up or open, and which register field decides it.

What passes is decided in link.py and windows.py; this is the same told in words.
"""

from typing import TYPE_CHECKING

from device.idt.interrupts import BME, COMMAND
from device.idt.link import CPEN, ENTRY_VALID, IDPROTDIS, NTCTL
from device.idt.maps import BEHIND, SWITCH_OWNER
from device.idt.state import State, target_of
from device.idt.windows import ATRAN, DIRECT, EN, MODE, SETUP0, SETUP_STRIDE, TPART, TYPES
from device.profile import WINDOW_TYPES
from device.views import Aperture, BarView, Condition, LinkView

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

_TYPE_NAMES = {kind: name for name, kind in WINDOW_TYPES.items()}


class Views(State):
    """The part of the switch that tells of links and windows."""

    by_partition: "dict[int, Endpoint]"

    def links(self) -> tuple[LinkView, ...]:
        """By port."""
        return tuple(LinkView(one.port, one.partition, one.up, self.conditions(one)) for one in self.endpoints.values())

    def windows(self) -> tuple[BarView, ...]:
        """By port and BAR."""
        return tuple(self._bar(one, bar) for one in self.endpoints.values() for bar in one.windows)

    def conditions(self, one: "Endpoint") -> tuple[Condition, ...]:
        """What Endpoint.up asks for."""
        regs, port = one.regs, one.port
        there = target_of(f"SWPORT{port}STS")
        command, control = target_of("PCICMDSTS", port), target_of("NTCTL", port)
        needless = bool(regs[NTCTL] & IDPROTDIS)
        entry = BEHIND[f"NTMTBL{one.partition}"]
        valid = bool(self.mapping[one.partition] & ENTRY_VALID)
        return (
            Condition("attached", one.attached, there, "LINKUP", "no guest is attached"),
            Condition("cable", one.cable, there, "LINKUP", "the cable is pulled"),
            Condition("bus master", bool(regs[COMMAND] & BME), command, "BME", "it is no bus master"),
            Condition("completions", bool(regs[NTCTL] & CPEN), control, "CPEN", "completions do not come through"),
            Condition("mapping entry", True, control, "IDPROTDIS", "")
            if needless
            else Condition("mapping entry", valid, SWITCH_OWNER << 24 | entry.id, "VALID",
                           f"port {port}'s requests are not let through, and its NTCTL.IDPROTDIS is 0"),
        )  # fmt: skip

    def _bar(self, one: "Endpoint", bar: int) -> BarView:
        setup = one.regs[SETUP0 + SETUP_STRIDE * bar]
        kind = TYPES.get(setup & ATRAN) if setup & EN and not setup & MODE else None
        apertures: tuple[Aperture, ...] = ()
        if kind is DIRECT:
            apertures = (self._direct(one, bar, setup),)
        elif kind is not None and one.has_table(bar, kind):
            part = one.sizes[bar] // kind.parts
            apertures = tuple(self._entry(one, bar, index, part) for index in range(kind.windows))
        name = _TYPE_NAMES[kind] if kind is not None and apertures else ""
        return BarView(one.port, bar, one.sizes[bar], name, one.windows[bar].width, one.bus_address(bar), apertures)

    def _direct(self, one: "Endpoint", bar: int, setup: int) -> Aperture:
        partition, limit = (setup & TPART) // (TPART & -TPART), one.limit(bar)
        size = max(min(one.sizes[bar], limit - one.bus_address(bar)), 0) if limit else 0
        _, _, _, status = one.way(bar)
        return Aperture(
            None, 0, size, limit, one.translated(bar), partition, self._port_in(partition), size > 0 and not status
        )

    def _entry(self, one: "Endpoint", bar: int, index: int, part: int) -> Aperture:
        entry, decodes = one.lut_entry(bar, index), one.decodes_memory
        _, _, _, status = one.entry_way(bar, index * part)
        return Aperture(
            index, index * part, part if entry.valid else 0, None, entry.address, entry.partition,
            self._port_in(entry.partition), decodes and not status,
        )  # fmt: skip

    def _port_in(self, partition: int) -> int | None:
        peer = self.by_partition.get(partition)
        return None if peer is None else peer.port
