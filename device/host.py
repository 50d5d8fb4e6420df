# SPDX-License-Identifier: GPL-2.0-or-later
"""The words that the device and its surroundings share: the Host protocol, IrqMode, Status and Inject.

The device reaches the outside through a Host and through nothing else.
"""

from enum import IntEnum
from typing import Protocol


class IrqMode(IntEnum):
    """How interrupts leave an NT function; chosen at attach (DESIGN 3)."""

    INTX = 0
    MSI = 1


class Status(IntEnum):
    """How the device answered a stimulus."""

    OK = 0
    UNKNOWN = 1  # no such register, BAR or configuration offset: reads give zeros (registers) or ones (no BAR)
    CLOSED = 2  # window without a way to the peer: reads give ones, writes are dropped
    LIMIT = 3  # window access over BARLIMIT: reads give ones, writes are dropped
    REFUSED = 4  # understood but not carried out (a message to a full register, memory that is not there)
    DISABLED = 5  # the function is not enabled for this (memory space or bus master off, link down)


class Inject(IntEnum):
    """What a person (not a guest) can do to the switch; see Switch.inject."""

    TEMPERATURE = 1  # value: half degrees Celsius, 0 to 255
    CABLE = 2  # value: 0 pulled, 1 plugged, at the endpoint's port
    POKE = 3  # offset: global address, value: 32 bits
    HOT_RESET = 4  # of the endpoint's partition, as by its upstream port's secondary bus reset
    FAILOVER = 5  # of the endpoint's partition: the event alone, nothing changes hands


class Host(Protocol):
    """What the device may do to the outside. `port` is the NT endpoint whose guest is meant.

    A DMA engine must know whether there was memory; `control` marks its own structures in the guest's memory (a
    descriptor), which are not data on their way.
    """

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        """Return exactly `length` bytes of the guest's physical memory; ones where there is no memory."""

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        """Write `data` to the guest's physical memory; what falls outside it is dropped."""

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        """As mem_read; None where they are not all memory."""

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        """Write `data`; False, and nothing written, where that is not all memory."""

    def irq(self, port: int, value: int, function: int = 0) -> None:
        """Interrupt the guest: `value` is the MSI vector in MSI mode, the line's new level in INTx mode."""
