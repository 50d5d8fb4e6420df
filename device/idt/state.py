# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of the switch register by register, looked at from outside: nothing is touched, nobody is told.

A target (owner << 24 | id) is a register as it stands in events; entries behind an indirect pair are their own.
"""

from array import array
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from device.idt.link import ENTRY
from device.idt.lut import PLACES
from device.idt.maps import BEHIND, INBOUND, NT, SWITCH, SWITCH_OWNER
from device.plx.registers import PLX
from device.regmap import ANYTHING, DWORD, Access, Register, RegisterMap
from device.space import ReadMethod, Space

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint
    from device.plx.engine import Engine

_NAMES = {name: place for one in (NT, SWITCH, PLX) for name, place in one.by_name.items()}
FunctionKey = tuple[int, int]  # port, function
_SWITCH = (SWITCH_OWNER, 0)  # instead, for what is the switch's


def target_of(name: str, port: int = SWITCH_OWNER) -> int:
    """The target of a register of one of the functions of a port, or of the switch."""
    return port << 24 | _NAMES[name].id


class Held(NamedTuple):
    """One register: `look(number)` is what it holds."""

    look: ReadMethod
    number: int
    name: str
    row: Register
    function: FunctionKey


class State(Space):
    """The part of the switch that is looked at."""

    endpoints: "dict[int, Endpoint]"
    functions: "Mapping[FunctionKey, Endpoint | Engine]"
    mapping: "array[int]"

    def peek(self, target: int) -> int | None:
        """What a read of the register by its owner would give now. None: this switch does not have it."""
        held = self._held.get(target)
        return None if held is None else held.look(held.number)

    def state_targets(self) -> tuple[int, ...]:
        """All that peek answers, by owner, then by id."""
        return tuple(self._held)

    def movers(self, target: int) -> frozenset[int] | None:
        """The targets whose writes can change what peek(target) gives. None: any write can.

        A stimulus that is no access always can. So can a write to several registers (regmap.several), whose event
        names the first one alone.
        """
        if target not in self._movers:
            self._movers[target] = self._find_movers(target)
        return self._movers[target]

    def field(self, target: int, name: str) -> int:
        """What stands in a field of one of state_targets."""
        held = self._held[target]
        mask = held.row.field_mask(name)
        return (held.look(held.number) & mask) // (mask & -mask)

    def describe(self, target: int, field: str) -> str:
        """What stands in a field of one of state_targets: "port 2's NTCTL.CPEN is 0"."""
        held, value = self._held[target], self.field(target, field)
        place = held.name if held.row.field_mask(field) == DWORD else f"{held.name}.{field}"
        whose = "" if held.function == _SWITCH else f"port {held.function[0]}'s "
        return f"{whose}{place} is {value:#x}" if value > 9 else f"{whose}{place} is {value}"

    @cached_property
    def _held(self) -> dict[int, Held]:
        found: dict[int, Held] = {}
        for key, one in self.functions.items():
            if key[1]:
                found.update(_registers(one, PLX, key))
        for port, nt in self.endpoints.items():
            key = (port, 0)
            found.update(_registers(nt, NT, key))
            if nt.inbound is not None:
                found.update(_registers(nt.inbound, INBOUND, key))
            for place in BEHIND.places:
                if place.id in PLACES:
                    found[port << 24 | place.id] = Held(nt.look_lut, PLACES[place.id], place.name, place.register, key)
        found.update(_registers(self, SWITCH, _SWITCH))
        for place in BEHIND.places:
            if place.id not in PLACES:
                held = Held(self._look_mapping, place.id - ENTRY.id, place.name, place.register, _SWITCH)
                found[SWITCH_OWNER << 24 | place.id] = held
        return dict(sorted(found.items()))

    def _look_mapping(self, entry: int) -> int:
        return self.mapping[entry]

    @cached_property
    def _movers(self) -> dict[int, frozenset[int] | None]:
        return {}

    def _find_movers(self, target: int) -> frozenset[int] | None:
        held = self._held.get(target)
        if held is None:
            return frozenset()
        row = held.row
        if row.moved_by == ANYTHING:
            return None
        near = (held.function, _SWITCH)
        found = {
            other
            for other, (_, _, _, by, function) in self._held.items()
            if any(f"*{name}" in row.moved_by or (name in row.moved_by and function in near) for name in by.known_as)
        }
        if row.mask(Access.RW, Access.RW1C):
            found.add(target)
        return frozenset(found)


def _registers(space: Space, registers: RegisterMap, function: FunctionKey) -> Iterator[tuple[int, Held]]:
    """Those that `space` has of a map; a port that the chip lacks has none."""
    for place in registers.places:
        number = space.index[place.name]
        if space.targets[number]:
            yield space.targets[number], Held(space.look, number, place.name, place.register, function)
