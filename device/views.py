# SPDX-License-Identifier: GPL-2.0-or-later
"""The shapes in which a switch tells of itself: what links(), windows(), obstacles(), interrupts() and sources() of
device.Switch give. A target is a register as it stands in events (owner << 24 | id); `field` is one of its fields.
"""

from typing import NamedTuple

from device.host import IrqMode


class Condition(NamedTuple):
    """One that must be met. `target`, `field`: what decides it; `otherwise`: what it means when it is not met."""

    name: str
    met: bool
    target: int
    field: str
    otherwise: str


class LinkView(NamedTuple):
    """One side of the bridge. `up`: all `conditions` are met, in the order attached, cable, bus master, completions,
    mapping entry.
    """

    port: int
    partition: int
    up: bool
    conditions: tuple[Condition, ...]


class Aperture(NamedTuple):
    """One window: a whole BAR, or the part of it that an entry of its lookup table translates.

    `start`: its first offset in the BAR; `size`: bytes that its registers let through, if all else does; `address`:
    where `start` leads in the memory of port `peer` (None: nobody is in the partition); `open`: accesses pass.
    `entry`: of the lookup table; None for a direct window. `limit`: of a direct window, the first address behind it.
    """

    entry: int | None
    start: int
    size: int
    limit: int | None
    address: int
    partition: int
    peer: int | None
    open: bool


class BarView(NamedTuple):
    """One BAR that can be windows. `type`: of WINDOW_TYPES as BARSETUP says now, '' when it says none; `width`: bits of
    its address; `address`: where the guest put it; `size` in bytes.
    """

    port: int
    bar: int
    size: int
    type: str
    width: int
    address: int
    apertures: tuple[Aperture, ...]


class Obstacle(NamedTuple):
    """`target`, `field`: what would have to be otherwise; 0 and '' where no register can help."""

    target: int
    field: str
    text: str


class Cause(NamedTuple):
    """`status`: it is up; `masked`: it does not interrupt; `pending`: it is up, not masked, and the guest was told
    (an MSI went out, or the line is up).
    """

    name: str
    status: bool
    masked: bool
    pending: bool


class InterruptView(NamedTuple):
    """One function. `enabled`: all `conditions` are met, so that what is up and not masked is told."""

    port: int
    function: int
    mode: IrqMode
    enabled: bool
    conditions: tuple[Condition, ...]
    causes: tuple[Cause, ...]


class Source(NamedTuple):
    """Bits `mask` of register `target` hold an interrupt cause up."""

    cause: str
    target: int
    mask: int
