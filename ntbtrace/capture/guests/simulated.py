# SPDX-License-Identifier: GPL-2.0-or-later
"""SimulatedGuest: a guest inside this process, which drives its port with the register sequence of ntb_hw_idt.

Its programs (driver.py, clients.py) are generators that yield after every access, so that the loop can interleave
guests one access at a time. Seeded: the same seed gives the same accesses in the same order.
"""

from collections.abc import Callable, Generator
from random import Random
from typing import Any

from ntbtrace.capture.guests.names import RegisterNames
from ntbtrace.capture.port import Port
from ntbtrace.event import IrqMode

Steps = Generator[None, None, None]
StepsInt = Generator[None, None, int]

RAM_BASE = 0x0010_0000
RAM_SIZE = 4 << 20


class SimulatedMemory:
    """RAM of RAM_SIZE bytes at guest physical address RAM_BASE."""

    def __init__(self) -> None:
        self.bytes = bytearray(RAM_SIZE)

    def read(self, address: int, length: int) -> bytes | None:
        start = address - RAM_BASE
        if start < 0 or start + length > RAM_SIZE:
            return None
        return bytes(self.bytes[start : start + length])

    def write(self, address: int, data: bytes) -> bool:
        start = address - RAM_BASE
        if start < 0 or start + len(data) > RAM_SIZE:
            return False
        self.bytes[start : start + len(data)] = data
        return True


class SimulatedGuest:
    """A guest at `port`. `program` makes its life: a generator over accesses."""

    def __init__(self, port: Port, names: RegisterNames, seed: int, mode: IrqMode = IrqMode.MSI) -> None:
        self.port = port
        self.names = names
        self.mode = mode
        self.random = Random(f"{seed}/{port.number}")
        self.memory = SimulatedMemory()
        self.state = "off"
        self.said = ""
        self.results: dict[str, Any] = {}
        self.isr: Callable[[], Steps] | None = None
        self._interrupted = False
        self._main: Steps | None = None
        self._handler: Steps | None = None

    def power_on(self, program: Steps) -> None:
        """Plug the guest in and let it begin; `step` then performs it access by access."""
        about = {"transport": "simulated"}
        self.port.attach(self.mode, about, self._interrupt)
        self.port.set_ram(self.memory, [(RAM_BASE, RAM_SIZE)])
        self.state = "boot"
        self._main = program

    def power_off(self, reason: str) -> None:
        self.state = "off"
        self._main = self._handler = None
        self.port.detach(reason)

    def _interrupt(self, value: int) -> None:
        """The port's interrupt sink: an MSI vector, or the level of INTx."""
        self._interrupted = self.mode == IrqMode.MSI or bool(value)

    def step(self) -> bool:
        """Go on to the next access; the interrupt handler first. False when the program has ended."""
        if self._handler is None and self._interrupted and self.isr is not None:
            self._interrupted = False
            self._handler = self.isr()
        if self._handler is not None:
            if next(self._handler, self) is self:
                self._handler = None
            return True
        return self._main is not None and next(self._main, self) is not self

    def say(self, state: str, line: str) -> None:
        """Change state and print a line on the guest's console."""
        self.state, self.said = state, line
        self.port.console(line.encode())

    # Accesses, each one step

    def read(self, offset: int) -> StepsInt:
        value = self.port.bar_read(0, offset, 4)
        yield
        return value

    def write(self, offset: int, value: int) -> Steps:
        self.port.bar_write(0, offset, 4, value)
        yield

    def cfg_read(self, offset: int, size: int = 4) -> StepsInt:
        value = self.port.cfg_read(offset, size)
        yield
        return value

    def cfg_write(self, offset: int, value: int, size: int = 4) -> Steps:
        self.port.cfg_write(offset, size, value)
        yield

    def wait(self, condition: Callable[[], bool]) -> Steps:
        """Do nothing, without an access, until `condition`."""
        while not condition():
            yield
