# SPDX-License-Identifier: GPL-2.0-or-later
"""Port: one guest's door into the switch. Each method performs one stimulus and records it with its effects.

This is the hot path: the row is reserved before the device runs (effects come behind it) and packed before the
transport replies, so that everything a guest ever saw is in the journal.
"""

import json
from collections.abc import Callable, Sequence
from struct import Struct
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from ntbtrace.capture.memory import GuestMemory
from ntbtrace.event import NO_BAR, ROW, IrqMode, Kind, endpoint_of

if TYPE_CHECKING:
    from ntbtrace.capture.recorder import Recorder

REGISTERS_BAR = 0  # the BAR that never holds guest memory

_REGION = Struct("<QQ")
_CFG_READ, _CFG_WRITE = int(Kind.CFG_READ), int(Kind.CFG_WRITE)
_MMIO_READ, _MMIO_WRITE = int(Kind.MMIO_READ), int(Kind.MMIO_WRITE)
_pack_into = ROW.pack_into
_ROW_SIZE = ROW.size
_OFFSET_MASK = (1 << 64) - 1


class Port:
    """The guest behind a function of port `number`. Sizes are 1, 2, 4 or 8; the transport has checked them.

    The guest's memory belongs to function 0, the NT function.
    """

    def __init__(self, recorder: "Recorder", number: int, function: int = 0) -> None:
        self.number = number
        self.function = function
        self.attached = False
        self.accesses = 0  # so far
        self._recorder = recorder
        self._writer = recorder.writer
        self._switch = recorder.switch
        self.endpoint = recorder.switch.functions[number, function]
        self._id = endpoint_of(number, function)
        self._conceal = recorder.concealer.conceal_int if recorder.concealer is not None else None

    @property
    def untouched(self) -> bool:
        """No access has come through this door."""
        return not self.accesses

    def cfg_read(self, offset: int, size: int) -> int:
        """Read configuration space."""
        self._recorder.begin()
        value = self.endpoint.cfg_read(offset, size)
        self._access(_CFG_READ, NO_BAR, offset, size, value)
        return value

    def cfg_write(self, offset: int, size: int, value: int) -> None:
        """Write configuration space."""
        self._recorder.begin()
        self.endpoint.cfg_write(offset, size, value)
        self._access(_CFG_WRITE, NO_BAR, offset, size, value)

    def bar_read(self, bar: int, offset: int, size: int) -> int:
        """Read a BAR: registers or a window. NO_BAR with an absolute address where no BAR was hit."""
        recorder = self._recorder
        writer = self._writer
        if writer.pos > writer.limit:
            writer.roll()
        at = recorder.at = writer.pos
        writer.pos = at + _ROW_SIZE
        t = recorder.t = monotonic_ns() - recorder.t0
        value = kept = self.endpoint.bar_read(bar, offset, size)
        switch = self._switch
        if self._conceal is not None and bar != REGISTERS_BAR and not switch.status:
            kept = self._conceal(value, size)
        _pack_into(writer.rows, at, t, offset, kept, size, 0, switch.target, self._id, bar, switch.status, _MMIO_READ)
        self.accesses += 1
        return value

    def bar_write(self, bar: int, offset: int, size: int, value: int) -> None:
        """Write a BAR: registers or a window. NO_BAR with an absolute address where no BAR was hit."""
        recorder = self._recorder
        writer = self._writer
        if writer.pos > writer.limit:
            writer.roll()
        at = recorder.at = writer.pos
        writer.pos = at + _ROW_SIZE
        t = recorder.t = monotonic_ns() - recorder.t0
        self.endpoint.bar_write(bar, offset, size, value)
        if self._conceal is not None and bar != REGISTERS_BAR:
            value = self._conceal(value, size)
        switch = self._switch
        _pack_into(writer.rows, at, t, offset, value, size, 0, switch.target, self._id, bar, switch.status, _MMIO_WRITE)
        self.accesses += 1

    @property
    def seq(self) -> int:
        """The sequence number of the stimulus that was served last, of whatever port."""
        return self._recorder.seq

    @property
    def next_seq(self) -> int:
        """The sequence number that the next event gets, of whatever port."""
        return self._recorder.next_seq

    def _access(self, kind: int, bar: int, offset: int, size: int, value: int) -> None:
        recorder, switch = self._recorder, self._switch
        _pack_into(
            self._writer.rows, recorder.at, recorder.t, offset & _OFFSET_MASK, value, size, 0,
            switch.target, self._id, bar, switch.status, kind,
        )  # fmt: skip
        self.accesses += 1

    def reset(self) -> None:
        """Device reset, as the guest's firmware or a reboot asks for it."""
        self._recorder.begin()
        self.endpoint.reset()
        self._recorder.complete(Kind.RESET, self._id)

    def attach(self, mode: IrqMode, about: dict[str, Any], sink: Callable[[int], None] | None = None) -> None:
        """A guest is plugged in. `about` goes into the trace as JSON; `sink` delivers vectors or levels to it."""
        recorder = self._recorder
        recorder.set_irq_mode(self._id, mode)
        recorder.set_irq_sink(self._id, sink)
        recorder.begin()
        self.endpoint.attach(mode)
        recorder.complete(Kind.ATTACH, self._id, bar=mode, data=json.dumps(about, sort_keys=True).encode())
        self.attached = True

    def detach(self, reason: str) -> None:
        """The guest is gone; its memory and its interrupts with it."""
        recorder = self._recorder
        if not self.function:
            recorder.set_memory(self.number, None)
        recorder.set_irq_sink(self._id, None)
        recorder.begin()
        self.endpoint.detach()
        recorder.complete(Kind.DETACH, self._id, data=reason.encode())
        self.attached = False

    def set_ram(self, memory: GuestMemory | None, regions: Sequence[tuple[int, int]]) -> None:
        """The guest's memory map, replaced as a whole. `regions`: (guest physical address, size in bytes)."""
        recorder = self._recorder
        recorder.set_memory(self.number, memory)
        recorder.begin()
        data = b"".join(_REGION.pack(address, size) for address, size in regions)
        recorder.complete(Kind.RAM_MAP, self._id, data=data)

    def fault(self, text: str) -> None:
        """A peer broke the protocol: what it did and what was done about it."""
        self._recorder.note(Kind.FAULT, self._id, text.encode("utf-8", "replace"))

    def console(self, line: bytes) -> None:
        """One line of the guest's serial console."""
        self._recorder.note(Kind.CONSOLE, self._id, line)
