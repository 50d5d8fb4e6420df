# SPDX-License-Identifier: GPL-2.0-or-later
"""Why an access to a place in a BAR does not pass: all that is in its way, in the order in which it meets it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from device.host import Status
from device.idt.interrupts import MSGSTS
from device.idt.maps import BEHIND, NT
from device.idt.messages import INMSG_BIT
from device.idt.nt_registers import MESSAGES
from device.idt.state import target_of
from device.idt.views import Views
from device.idt.windows import ATRAN, DIRECT, EN, MODE, SETUP0, SETUP_STRIDE, TPART, TYPES
from device.profile import WindowType
from device.space import SIZES
from device.views import Obstacle

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

TARGET_ID = 0xFF_FFFF
OUTMSG_IDS = range(NT["OUTMSG0"].id, NT["OUTMSG0"].id + len(MESSAGES))
OUTDBELLSET_ID = NT["OUTDBELLSET"].id


class Obstacles(Views):
    """The part of the switch that says why not."""

    target: int
    status: int

    def obstacles(self, port: int, bar: int, offset: int, size: int) -> tuple[Obstacle, ...]:
        """What keeps an access of the guest at `port` from passing; nothing exactly when it would pass (Status.OK).

        Raises KeyError for a port that has no guest in the profile.
        """
        one = self.endpoints[port]
        found = self._registers(one, offset, size) if bar == 0 else self._window(one, bar, offset, size)
        return tuple(dict.fromkeys(found))

    def refusals(self, target: int, value: int) -> tuple[Obstacle, ...]:
        """Why the switch would not carry out a write of `value` to register `target` (Status.REFUSED): a message that
        finds no empty register, bells that the port may not set. Nothing for a write that it would, or of another kind.
        """
        one, number = self.endpoints.get(target >> 24), target & TARGET_ID
        if one is None:
            return ()
        if number in OUTMSG_IDS:
            return tuple(self._message(one, number - OUTMSG_IDS.start))
        forbidden = value & ~one.bells_set if number == OUTDBELLSET_ID else 0
        if forbidden:
            return (Obstacle(0, "", f"the profile does not let port {one.port} set bells {forbidden:#x}"),)
        return ()

    def _message(self, one: "Endpoint", index: int) -> Iterator[Obstacle]:
        partition, register = one.switch.message_route(one.partition, index)
        peer = self.by_partition.get(partition)
        if peer is None:
            route = target_of(f"SWP{one.partition}MSGCTL{index}")
            yield self._in_the_way(route, "PART", f"no port with a guest is in partition {partition}")
            return
        for condition in self.conditions(peer):
            if condition.name in ("attached", "cable") and not condition.met:
                yield self._in_the_way(condition.target, condition.field, condition.otherwise)
        if peer.regs[MSGSTS] & INMSG_BIT << register:
            full = f"its message register {register} is full: the one before has not been cleared"
            yield self._in_the_way(target_of("MSGSTS", peer.port), "INMSG", full)

    def _in_the_way(self, target: int, field: str, meaning: str) -> Obstacle:
        return Obstacle(target, field, f"{self.describe(target, field)}: {meaning}")

    def _memory(self, one: "Endpoint") -> Iterator[Obstacle]:
        if not one.decodes_memory:
            yield self._in_the_way(target_of("PCICMDSTS", one.port), "MAE", "memory space is off")

    def _registers(self, one: "Endpoint", offset: int, size: int) -> Iterator[Obstacle]:
        yield from self._memory(one)
        told = self.target, self.status
        one.read(offset, size, one.sizes[0])  # reads change nothing
        status = self.status
        self.target, self.status = told
        if status != Status.OK:
            yield Obstacle(0, "", f"there is no register for {size} bytes at {offset:#x} of port {one.port}'s BAR0")

    def _window(self, one: "Endpoint", bar: int, offset: int, size: int) -> Iterator[Obstacle]:
        if bar not in one.windows:
            yield Obstacle(0, "", f"port {one.port} has no BAR{bar}")
            return
        yield from self._memory(one)
        setup, target = one.regs[SETUP0 + SETUP_STRIDE * bar], target_of(f"BARSETUP{bar}", one.port)
        kind = TYPES.get(setup & ATRAN)
        if not setup & EN:
            yield self._in_the_way(target, "EN", "the BAR is off")
        if setup & MODE:
            yield self._in_the_way(target, "MODE", "the BAR is the configuration space, not a window")
        if kind is None or (kind is not DIRECT and not one.has_table(bar, kind)):
            yield self._in_the_way(target, "ATRAN", "the BAR has no such lookup table")
            return
        if kind is DIRECT:
            yield from self._direct_window(one, bar, offset, size)
        else:
            yield from self._entry_of(one, bar, kind, offset, size)

    def _direct_window(self, one: "Endpoint", bar: int, offset: int, size: int) -> Iterator[Obstacle]:
        target, limit, whole = target_of(f"BARLIMIT{bar}", one.port), one.limit(bar), one.sizes[bar]
        if not limit:
            yield self._in_the_way(target, "ADDRESS", "the window has no limit, which closes it")
        setup = one.regs[SETUP0 + SETUP_STRIDE * bar]
        partition = (setup & TPART) // (TPART & -TPART)
        yield from self._between(one, partition, target_of(f"BARSETUP{bar}", one.port), "TPART")
        end = min(whole, limit - one.bus_address(bar)) if limit else whole
        yield from self._sized(size)
        if not 0 <= offset <= whole - size:
            yield Obstacle(0, "", f"{size} bytes at {offset:#x} are not in the BAR of {whole:#x} bytes")
        elif offset > end - size:
            what = f"the first {end:#x} bytes of the BAR are" if end > 0 else "nothing of the BAR is"
            yield self._in_the_way(target, "ADDRESS", f"only {what} open" if end > 0 else f"{what} below it")

    def _entry_of(self, one: "Endpoint", bar: int, kind: WindowType, offset: int, size: int) -> Iterator[Obstacle]:
        part = one.sizes[bar] // kind.parts
        index = offset // part
        if not 0 <= index < kind.windows:
            where = f"the {kind.windows} windows of {part:#x} bytes in port {one.port}'s BAR{bar}"
            yield Obstacle(0, "", f"{offset:#x} is not in one of {where}")
            return
        entry, target = one.lut_entry(bar, index), one.port << 24 | BEHIND[f"LUT{bar}UDATA{index}"].id
        if not entry.valid:
            yield self._in_the_way(target, "VALID", "the window is closed")
        yield from self._between(one, entry.partition, target, "PART")
        yield from self._sized(size)
        if offset > (index + 1) * part - size:
            yield Obstacle(0, "", f"{size} bytes at {offset:#x} are in two windows")

    def _between(self, one: "Endpoint", partition: int, target: int, field: str) -> Iterator[Obstacle]:
        """The way from the window to the port in `partition`, which stands in a field of `target`."""
        peer = self.by_partition.get(partition)
        if peer is None:
            yield self._in_the_way(target, field, f"no port with a guest is in partition {partition}")
        for side in (one, peer):
            for condition in self.conditions(side) if side is not None else ():
                if not condition.met:
                    yield self._in_the_way(condition.target, condition.field, condition.otherwise)

    def _sized(self, size: int) -> Iterator[Obstacle]:
        if size not in SIZES:
            yield Obstacle(0, "", f"no access is of {size} bytes")
