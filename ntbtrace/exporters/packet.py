# SPDX-License-Identifier: GPL-2.0-or-later
"""An event as a packet: the layout that the pcapng exporter writes, scapy's layers and Wireshark's dissector read.

ITEMS in this order, little-endian, then the event's data. Everything stands in each packet, the register's name too, so
that one packet says all that there is to know of its event. An item that an event does not have is 0, and its bit in
`has` is clear.
"""

from enum import IntFlag
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntbtrace.event import NO_BAR, NO_ENDPOINT, WITH_BAR, WITH_STATUS, WITH_TEXT
from ntbtrace.trace.block import Block
from ntbtrace.trace.registers import RegisterTable

VERSION = 1
LINKTYPE = 147  # USER0: https://www.tcpdump.org/linktypes.html
NAME_BYTES = 24  # a register's name, in UTF-8, padded with zeros


class Has(IntFlag):
    """Which items an event has; the others every event has."""

    PORT = 1  # and function
    BAR = 2
    VALUE = 4
    REGISTER = 8  # and owner
    STATUS = 16
    CAUSE = 32
    DATA = 64
    TEXT = 128  # the data is text


class Item(NamedTuple):
    """`type`: numpy's; `base`: how a number is best shown, 10 or 16, 0: not at all; `has`: the bit without which it
    means nothing.
    """

    name: str
    type: str
    base: int
    doc: str
    has: Has = Has(0)


COMMON = (
    Item("version", "u1", 10, f"of this layout: {VERSION}"),
    Item("kind", "u1", 10, "what happened"),
    Item("port", "u1", 10, "NT port of the switch", Has.PORT),
    Item("function", "u1", 10, "PCI function of the port: 0 NT, 1 DMA", Has.PORT),
    Item("has", "<u2", 0, "which of the items the event has"),
    Item("reserved", "<u2", 0, "0"),
    Item("seq", "<u8", 10, "number of the event in its trace"),
    Item("t", "<u8", 10, "ns since the recording began"),
    Item("cause", "<u8", 10, "seq of the stimulus that caused this effect", Has.CAUSE),
)
PLACE = (
    Item("bar", "u1", 10, "base address register of the access; the interrupt mode, what was injected", Has.BAR),
    Item("status", "u1", 10, "how the device answered", Has.STATUS),
    Item("owner", "u1", 10, "port whose register it is, 255: of the whole switch", Has.REGISTER),
    Item("spare", "u1", 0, "0"),
    Item("size", "<u4", 10, "bytes of the access"),
    Item("offset", "<u8", 16, "in the BAR or configuration space; a guest physical address for memory"),
    Item("reg", f"S{NAME_BYTES}", 10, "register that is really meant, also behind an index register", Has.REGISTER),
)
VALUE = Item("value", "<u8", 16, "up to 8 bytes that were read or written; an interrupt's vector", Has.VALUE)
ITEMS = (*COMMON, *PLACE, VALUE)
DTYPE: np.dtype[np.void] = np.dtype([(item.name, item.type) for item in ITEMS])


def fill(packets: NDArray[Any], block: Block, rows: NDArray[Any], registers: RegisterTable) -> None:
    """Set ITEMS in `packets`, an array of zeros with (at least) the fields of DTYPE, from these rows of a block."""
    kind, endpoint, target = (block.column(name)[rows] for name in ("kind", "endpoint", "target"))
    cause, bar = block.column("cause")[rows], block.column("bar")[rows]
    data = block.with_data[rows]
    conditions = {
        Has.PORT: endpoint != NO_ENDPOINT,
        Has.BAR: np.isin(kind, list(WITH_BAR)) & (bar != NO_BAR),
        Has.VALUE: ~data,
        Has.REGISTER: target != 0,
        Has.STATUS: np.isin(kind, list(WITH_STATUS)),
        Has.CAUSE: cause >= 0,
        Has.DATA: data,
        Has.TEXT: data & np.isin(kind, list(WITH_TEXT)),
    }
    for bit, mask in conditions.items():
        packets["has"] |= np.where(mask, bit, 0).astype(np.uint16)
    packets["version"] = VERSION
    for name in ("seq", "t", "kind", "bar", "status", "size", "offset"):
        packets[name] = block.column(name)[rows]
    packets["port"] = np.where(conditions[Has.PORT], endpoint >> 3, 0)
    packets["function"] = np.where(conditions[Has.PORT], endpoint & 7, 0)
    packets["cause"] = np.maximum(cause, 0)
    packets["owner"] = target >> 24
    packets["value"] = np.where(data, 0, block.column("value")[rows])
    different, which = np.unique(target, return_inverse=True)
    names = [registers.name(one).encode("utf-8", "replace")[:NAME_BYTES] for one in different.tolist()]
    packets["reg"] = np.array(names, f"S{NAME_BYTES}")[which]
