# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupts as a person asks for them: what each function could be told, and which bits hold a cause up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from device.host import IrqMode
from device.idt.events import FAILOVERS, FOVR, SEMSK, SEPMSK, SOURCES
from device.idt.interrupts import (
    DBELL,
    GDBELLSTS,
    INDBELLMSK,
    MSG,
    MSGSTS,
    MSGSTSMSK,
    NTINTMSK,
    NTINTSTS,
    SEVENT,
    TMPSENSOR,
)
from device.idt.maps import NT
from device.idt.state import target_of
from device.idt.temperature import IRQ, TMPALARM
from device.idt.views import Views
from device.plx.engine import Engine
from device.plx.function import EVENT_MASK, INTR, NEEDS_NO_ENABLE
from device.plx.registers import EVENTS, STATUS_SHIFT
from device.views import Cause, Condition, InterruptView, Source

if TYPE_CHECKING:
    from device.idt.endpoint import Endpoint

_CAUSES = tuple((field.name, field.mask) for field in NT["NTINTSTS"].register.fields)
_ENABLES = {  # condition, register, field, its value when the condition is met, what it means otherwise
    IrqMode.MSI: (
        ("MSI", "MSICAP", "EN", 1, "MSI is off"),
        ("bus master", "PCICMDSTS", "BME", 1, "it is no bus master"),
    ),
    IrqMode.INTX: (("INTx", "PCICMDSTS", "INTXD", 0, "INTx is off"),),
}


class Sources(Views):
    """The part of the switch that tells of interrupts."""

    def interrupts(self) -> tuple[InterruptView, ...]:
        """By port and function."""
        return tuple(self._interrupt(*key) for key in sorted(self.functions))

    def sources(self, port: int, function: int = 0) -> tuple[Source, ...]:
        """The bits that hold a cause up which is not masked. Empty for a function that there is not.

        What was latched and has lost its cause since (SEVENT, TMPSENSOR) is held by its own bit of NTINTSTS.
        """
        one = self.functions.get((port, function))
        if one is None:
            return ()
        return tuple(_engine_sources(one) if isinstance(one, Engine) else self._nt_sources(one))

    def brief(self) -> str:
        """The state in a few words: 'link 0+2 up | bells 0x4 | irq 2'."""
        up = [str(one.port) for one in self.endpoints.values() if one.up]
        irqs = [f"{port}.{function}" if function else f"{port}"
                for port, function in sorted(self.functions) if self.sources(port, function)]  # fmt: skip
        bells = self.regs[GDBELLSTS]
        words = [f"link {'+'.join(up)} up" if up else "link down"]
        words += [f"bells {bells:#x}"] if bells else []
        words += [f"irq {' '.join(irqs)}"] if irqs else []
        return " | ".join(words)

    def _interrupt(self, port: int, function: int) -> InterruptView:
        one = self.functions[port, function]
        mode = IrqMode(one.mode)
        there = Condition("attached", one.attached, target_of(f"SWPORT{port}STS"), "LINKUP", "no guest is attached")
        conditions = (there, *self._enables(port, "PLX_" if function else "", mode))
        told = one.pending if mode == IrqMode.MSI else -one.level  # all of them, by one line
        causes = _engine_causes(one, told) if isinstance(one, Engine) else _nt_causes(one, told)
        enabled = all(condition.met for condition in conditions)
        return InterruptView(port, function, mode, enabled, conditions, tuple(causes))

    def _enables(self, port: int, prefix: str, mode: IrqMode) -> Iterator[Condition]:
        """`prefix`: of the function's register names."""
        for name, register, field, good, otherwise in _ENABLES[mode]:
            target = target_of(prefix + register, port)
            yield Condition(name, self.field(target, field) == good, target, field, otherwise)

    def _nt_sources(self, one: "Endpoint") -> Iterator[Source]:
        regs, mine = self.regs, one.regs
        up = mine[NTINTSTS] & ~mine[NTINTMSK]
        latch = target_of("NTINTSTS", one.port)
        if up & MSG:
            yield Source("MSG", target_of("MSGSTS", one.port), mine[MSGSTS] & ~mine[MSGSTSMSK])
        if up & DBELL:
            yield Source("DBELL", target_of("GDBELLSTS"), regs[GDBELLSTS] & one.bells_seen & ~mine[INDBELLMSK])
        if up & SEVENT:
            yield from list(self._events(one)) or [Source("SEVENT", latch, SEVENT)]
        if up & TMPSENSOR:
            alarms = regs[TMPALARM] & IRQ
            yield (
                Source("TMPSENSOR", target_of("TMPALARM"), alarms) if alarms else Source("TMPSENSOR", latch, TMPSENSOR)
            )

    def _events(self, one: "Endpoint") -> Iterator[Source]:
        regs = self.regs
        if regs[SEPMSK] >> one.partition & 1:
            return
        for bit, status, mask in SOURCES:
            counting = regs[status] & ~regs[mask]
            if counting and not regs[SEMSK] & bit:
                yield Source("SEVENT", self.targets[status], FOVR if status == FAILOVERS else counting)


def _nt_causes(one: "Endpoint", told: int) -> Iterator[Cause]:
    status, masks = one.regs[NTINTSTS], one.regs[NTINTMSK]
    for name, mask in _CAUSES:
        up, masked = bool(status & mask), bool(masks & mask)
        yield Cause(name, up, masked, up and not masked and bool(told & mask))


def _engine_causes(one: Engine, told: int) -> Iterator[Cause]:
    status, enabled = one.regs[INTR] >> STATUS_SHIFT, one.regs[INTR] | NEEDS_NO_ENABLE
    for name, bit in EVENTS:
        up, masked = bool(status >> bit & 1), not enabled >> bit & 1
        yield Cause(name, up, masked, up and not masked and bool(told >> bit & 1))


def _engine_sources(one: Engine) -> Iterator[Source]:
    now = one.regs[INTR] >> STATUS_SHIFT & (one.regs[INTR] | NEEDS_NO_ENABLE) & EVENT_MASK
    for name, bit in EVENTS:
        if now >> bit & 1:
            yield Source(name, one.targets[INTR], 1 << bit + STATUS_SHIFT)
