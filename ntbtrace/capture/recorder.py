# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorder: owns the switch and the trace; as the switch's Host it carries out and records every effect.

A Port (port.py) performs and records the stimuli; both pack their rows straight into the writer's journal.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import device
from device.plx.engine import Engine
from device.profile import Profile
from ntbtrace import __version__
from ntbtrace.capture.engine_port import EnginePort
from ntbtrace.capture.memory import GuestMemory
from ntbtrace.capture.port import Port
from ntbtrace.capture.privacy import Concealer
from ntbtrace.event import INLINE, NO_BAR, NO_ENDPOINT, ROW, Inject, Kind, Status, endpoint_of
from ntbtrace.trace import Header, TraceWriter
from ntbtrace.trace.storage import WHOLE, Storage

MAX_TEXT = 4096  # bytes of a console line, a mark or a fault that are kept

_MEM_READ, _MEM_WRITE, _IRQ = int(Kind.MEM_READ), int(Kind.MEM_WRITE), int(Kind.IRQ)
_REFUSED = int(Status.REFUSED)
_pack_into = ROW.pack_into
_from_bytes = int.from_bytes
_ROW_SIZE = ROW.size


def boot_id() -> str:
    """The kernel's random id of this boot; '' where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Recorder:
    """Everything between the guests' doors and the trace file at `path`.

    `doors` are those of all functions by endpoint id, `ports` those of the NT functions by port number.
    `hashed` keeps guest memory out of the file (privacy.py). Raises NtbTraceError when the file cannot be made.
    """

    def __init__(
        self,
        path: Path,
        profile: Profile,
        *,
        command: str,
        transports: dict[str, str],
        guests: dict[str, Any] | None = None,
        hashed: bool = False,
        overwrite: bool = False,
        storage: Storage = WHOLE,
        drop: bool = False,
    ) -> None:
        self.switch = device.create(profile, self)
        self.t0 = time.monotonic_ns()
        header = Header(
            model_version=device.MODEL_VERSION,
            profile=profile.to_mapping(),
            registers=device.register_table(profile),
            command=command,
            tool=f"ntbtrace {__version__}",
            transports=transports,
            guests=guests or {},
            start_wall_ns=time.time_ns(),
            start_mono_ns=self.t0,
            boot_id=boot_id(),
            payloads="hashed" if hashed else "full",
        )
        self.writer = TraceWriter(path, header, self.switch.snapshot, overwrite=overwrite, storage=storage, drop=drop)
        self.concealer = Concealer() if hashed else None
        self.t = 0  # ns since t0 of the stimulus being served; its effects share it
        self.at = 0  # place of its row in the journal
        self._memory: list[GuestMemory | None] = [None] * 32
        self._sinks: list[Callable[[int], None] | None] = [None] * 256  # by endpoint id
        self._modes = [0] * 256
        self.doors = {
            endpoint_of(number, function): EnginePort(self, number, one)
            if isinstance(one, Engine)
            else Port(self, number)
            for (number, function), one in self.switch.functions.items()
        }
        self.ports = {number: self.doors[endpoint_of(number)] for number in self.switch.endpoints}

    def port(self, number: int, function: int = 0) -> Port:
        """The door of a function of this port. Raises KeyError if the switch does not have it."""
        return self.doors[endpoint_of(number, function)]

    @property
    def seq(self) -> int:
        """The sequence number of the stimulus being served, or of the last one."""
        return self.writer.first_seq + self.at // _ROW_SIZE

    @property
    def next_seq(self) -> int:
        """The sequence number that the next row gets: also how many events there are so far."""
        return self.writer.first_seq + self.writer.pos // _ROW_SIZE

    # What a door sets

    def set_memory(self, port: int, memory: GuestMemory | None) -> None:
        self._memory[port] = memory

    def set_irq_sink(self, endpoint: int, sink: Callable[[int], None] | None) -> None:
        self._sinks[endpoint] = sink

    def set_irq_mode(self, endpoint: int, mode: int) -> None:
        self._modes[endpoint] = mode

    # The device's Host

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        data = self.dma_read(port, address, length)
        return b"\xff" * length if data is None else data

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        memory = self._memory[port]
        done = memory is not None and memory.write(address, data)
        self._memory_effect(_MEM_WRITE, port, address, data, 0 if done else _REFUSED)

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        memory = self._memory[port]
        data = memory.read(address, length) if memory is not None else None
        if data is None:
            self._memory_effect(_MEM_READ, port, address, b"\xff" * length, _REFUSED, control)
        else:
            self._memory_effect(_MEM_READ, port, address, data, 0, control)
        return data

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        memory = self._memory[port]
        done = memory is not None and memory.write(address, data)
        self._memory_effect(_MEM_WRITE, port, address, data, 0 if done else _REFUSED, control)
        return done

    def _memory_effect(
        self, kind: int, port: int, address: int, data: bytes, status: int, control: bool = False
    ) -> None:
        if self.concealer is not None and not control:  # a hashed descriptor could not be replayed
            data = self.concealer.conceal(data)
        writer = self.writer
        length = len(data)
        value = _from_bytes(data, "little") if length <= INLINE else writer.add_payload(data)
        at = writer.pos
        writer.pos = at + _ROW_SIZE
        cause = (at - self.at) // _ROW_SIZE
        _pack_into(writer.rows, at, self.t, address, value, length, cause, 0, port << 3, NO_BAR, status, kind)

    def irq(self, port: int, value: int, function: int = 0) -> None:
        endpoint = port << 3 | function
        sink = self._sinks[endpoint]
        writer = self.writer
        at = writer.pos
        writer.pos = at + _ROW_SIZE
        cause = (at - self.at) // _ROW_SIZE
        status = 0 if sink is not None else _REFUSED
        _pack_into(writer.rows, at, self.t, 0, value, 0, cause, 0, endpoint, self._modes[endpoint], status, _IRQ)
        if sink is not None:
            sink(value)

    # What is not an access

    def note(self, kind: int, endpoint: int = NO_ENDPOINT, data: bytes = b"", *, value: int = 0) -> None:
        """Record a note (mark, console, hold, fault ...) between two stimuli; text over 4 KiB is cut."""
        if self.at < self.writer.pos and not self.writer.rows[self.at + _ROW_SIZE - 1]:
            self.complete(Kind.FAULT, NO_ENDPOINT, data=b"the model raised an error while it served this access")
        self.begin()
        data = data[:MAX_TEXT]
        self.complete(kind, endpoint, data=data, value=value)

    def inject(self, port: int, what: Inject, value: int, offset: int = 0) -> None:
        """Do to the switch what a person can do, and record it; see device.host.Inject."""
        self.begin()
        self.switch.inject(port, what, offset, value)
        self.complete(Kind.INJECT, endpoint_of(port), bar=what, offset=offset, value=value)

    def begin(self) -> None:
        """Reserve the row of a stimulus or note, so that its effects come after it."""
        writer = self.writer
        if writer.pos > writer.limit:
            writer.roll()
        self.at = writer.pos
        writer.pos += _ROW_SIZE
        self.t = time.monotonic_ns() - self.t0
        self.switch.target = self.switch.status = 0

    def complete(
        self, kind: int, endpoint: int, *, bar: int = NO_BAR, offset: int = 0, value: int = 0, data: bytes = b"",
        cause: int = 0,
    ) -> None:  # fmt: skip
        """Fill the row reserved by begin(): from now on the event is in the trace. `cause`: how many events back."""
        size = len(data)
        if data:
            value = int.from_bytes(data, "little") if size <= INLINE else self.writer.add_payload(data)
        switch = self.switch
        _pack_into(
            self.writer.rows, self.at, self.t, offset, value, size, cause,
            switch.target, endpoint, bar, switch.status, kind,
        )  # fmt: skip

    def discard(self) -> None:
        """Close and remove the file: nothing was recorded."""
        self.close()
        self.writer.file.unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is left and the footer; afterwards the file says "closed cleanly"."""
        self.writer.close()
