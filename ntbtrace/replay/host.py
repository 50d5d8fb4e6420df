# SPDX-License-Identifier: GPL-2.0-or-later
"""ReplayHost: the device's Host when a trace is replayed. It plays the guests' memory back and compares
effects.

What guest memory held is an input: each mem_read is answered from the recorded ones of the same
stimulus, in order, and a DMA engine hears from their status where there was no memory. From the first
effect that is not the recorded one the rest of that stimulus is collected, and reads give zeros.
"""

from typing import NamedTuple

from ntbtrace.event import INLINE, Kind, endpoint_of
from ntbtrace.replay.script import Script

_MEM_READ, _MEM_WRITE, _IRQ = int(Kind.MEM_READ), int(Kind.MEM_WRITE), int(Kind.IRQ)
_ENDPOINT = [endpoint_of(port) for port in range(32)]
_DIFFERS = 1 << 62  # added to `at`: no longer an index, so that every further effect takes the slow path


class Effect(NamedTuple):
    """What an effect is, without where and when. `value` of irq; `data` of mem_write (mem_read: None)."""

    kind: int
    endpoint: int
    offset: int
    size: int
    value: int = 0
    data: bytes | None = None


class ReplayHost:
    """`at` is the next recorded effect in `script.effects`, `end` the first after those of this
    stimulus.
    """

    def __init__(self) -> None:
        self.script: Script
        self.at = 0
        self.end = 0
        self.answer = 0  # what the model answered to the last read
        self.computed: list[Effect] = []  # from the first that differs on

    def take_computed(self) -> list[Effect]:
        """The effects of this stimulus from the first that differs on; the next stimulus starts afresh."""
        computed, self.computed = self.computed, []
        if self.at >= _DIFFERS:
            self.at -= _DIFFERS
        return computed

    # The device's Host

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        at = self.at
        data = self.mem_read(port, address, length)
        return None if at in self.script.refused else data

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        at = self.at
        self.mem_write(port, address, data)
        return at not in self.script.refused

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        at = self.at
        if at < self.end:
            kind, endpoint, offset, size, value = self.script.effects[at]
            if kind == _MEM_READ and endpoint == _ENDPOINT[port] and offset == address and size == length:
                self.at = at + 1
                return value.to_bytes(size, "little") if size <= INLINE else self.script.data(at)
        self._differs(Effect(_MEM_READ, _ENDPOINT[port], address, length))
        return bytes(length)

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        at = self.at
        size = len(data)
        if at < self.end:
            recorded = self.script.effects[at]
            if size <= INLINE:
                value = int.from_bytes(data, "little")
                if recorded == (_MEM_WRITE, _ENDPOINT[port], address, size, value):
                    self.at = at + 1
                    return
            elif recorded[:4] == (_MEM_WRITE, _ENDPOINT[port], address, size) and self.script.data(at) == data:
                self.at = at + 1
                return
        self._differs(Effect(_MEM_WRITE, _ENDPOINT[port], address, size, data=bytes(data)))

    def irq(self, port: int, value: int, function: int = 0) -> None:
        at = self.at
        endpoint = _ENDPOINT[port] | function
        if at < self.end and self.script.effects[at] == (_IRQ, endpoint, 0, 0, value):
            self.at = at + 1
            return
        self._differs(Effect(_IRQ, endpoint, 0, 0, value))

    def _differs(self, effect: Effect) -> None:
        if self.at < _DIFFERS:
            self.at += _DIFFERS
        self.computed.append(effect)
