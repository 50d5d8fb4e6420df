# SPDX-License-Identifier: GPL-2.0-or-later
"""What an event is: its kinds, its columns, and the row that carries it (DESIGN 4).

A stimulus enters the switch, an effect leaves it, a note is about the recording. An effect names its cause, the
stimulus being served. Data of up to 8 bytes stands in `value` (little-endian), longer data beside the rows.
"""

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from device.host import Inject, IrqMode, Status

__all__ = [
    "ACCESSES", "EFFECTS", "INLINE", "NOTES", "NO_BAR", "NO_ENDPOINT", "ROW", "STIMULI", "SWITCH_OWNER", "WITH_BAR",
    "WITH_STATUS", "WITH_TEXT", "Event", "Inject", "IrqMode", "Kind", "Status", "endpoint_of", "function_of",
    "port_name", "port_of",
]  # fmt: skip


class Kind(IntEnum):
    """The number is what the file holds: never reuse one. 0 means "row not written yet"."""

    CFG_READ = 1
    CFG_WRITE = 2
    MMIO_READ = 3
    MMIO_WRITE = 4
    RESET = 5
    ATTACH = 6  # bar: IrqMode; data: JSON about the transport
    DETACH = 7  # data: the reason, text
    RAM_MAP = 8  # data: per region u64 guest address, u64 size
    INJECT = 9  # bar: Inject; offset and value as there
    WORK = 10
    MEM_READ = 16  # endpoint: whose memory; offset: guest physical address
    MEM_WRITE = 17
    IRQ = 18  # bar: IrqMode; value: vector (MSI) or level (INTx)
    MARK = 32  # data: text
    CONSOLE = 33  # data: one line of the guest's serial console, without its line end
    HOLD = 34  # value: how long a reply was held back, ns
    FAULT = 35  # data: what a peer did wrong and what was done, text
    BLIND = 36  # offset, value: guest address and size of a range now reached without a message
    LOST = 37  # value: how many events


STIMULI = frozenset(k for k in Kind if k < 16)
EFFECTS = frozenset(k for k in Kind if 16 <= k < 32)
NOTES = frozenset(k for k in Kind if k >= 32)
ACCESSES = frozenset((Kind.CFG_READ, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.MMIO_WRITE))
WITH_BAR = frozenset((Kind.MMIO_READ, Kind.MMIO_WRITE))  # where `bar` is one
WITH_STATUS = STIMULI | EFFECTS
WITH_TEXT = frozenset((Kind.ATTACH, Kind.DETACH, Kind.MARK, Kind.CONSOLE, Kind.FAULT))  # their data is UTF-8

# t: ns since the header's start | offset | value, or the payload's place | size in bytes | cause: seq - its seq, or 0
# | target: owner port << 24 | register id, or 0 | endpoint | bar | status | kind. `kind` is last: a row whose kind is
# not 0 is complete, which is what lets salvage and `show -f` read a journal that is still being written.
ROW = Struct("<QQQIIIBBBB")

INLINE = 8  # bytes of data that fit in `value`
NO_BAR = 0xFF
NO_ENDPOINT = 0xFF
SWITCH_OWNER = 0xFF  # target's owner for registers of the whole switch


def endpoint_of(port: int, function: int = 0) -> int:
    """The endpoint column: port (0 to 30) and function (0 to 7) in one byte."""
    return port << 3 | function


def port_of(endpoint: int) -> int:
    return endpoint >> 3


def function_of(endpoint: int) -> int:
    return endpoint & 7


def port_name(endpoint: int) -> str:
    """'2', '2.1' for another function than 0, '-' where no port is meant."""
    if endpoint == NO_ENDPOINT:
        return "-"
    return f"{port_of(endpoint)}.{function_of(endpoint)}" if function_of(endpoint) else str(port_of(endpoint))


class Event(NamedTuple):
    """One event as a reader sees it. `cause` is a seq, or None; `data` is None unless the event carries bytes."""

    seq: int
    t: int
    kind: int  # a Kind; a plain int for kinds of a later version
    endpoint: int
    bar: int
    offset: int
    size: int
    value: int
    target: int
    status: int
    cause: int | None
    data: bytes | None
