# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event says about its register: which fields it covers, and what stands in them."""

from ntbtrace.event import ACCESSES, Event, Kind
from ntbtrace.trace.registers import Field, RegisterTable

READS = frozenset((Kind.CFG_READ, Kind.MMIO_READ))
WRITES = frozenset((Kind.CFG_WRITE, Kind.MMIO_WRITE))
REGISTER_BYTES = 4  # registers stand on dwords; an access may cover a part of one


def shift_of(event: Event) -> int:
    """The bit of the register at which the access begins."""
    return 8 * (event.offset % REGISTER_BYTES)


def covered(event: Event, registers: RegisterTable) -> list[Field]:
    """The fields of the event's register that lie wholly inside the access; none where it is no access, or of no
    register.
    """
    if event.kind not in ACCESSES:
        return []
    first = shift_of(event)
    last = first + 8 * event.size
    return [f for f in registers.fields(event.target) if first <= f.lsb and f.lsb + f.width <= last]


def field_value(field: Field, value: int, shift: int = 0) -> int:
    """What stands in `field` when the bits from `shift` on are `value`."""
    return (value << shift) >> field.lsb & ((1 << field.width) - 1)
