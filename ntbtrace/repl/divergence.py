# SPDX-License-Identifier: GPL-2.0-or-later
"""A divergence in words, for `ntbtrace replay`."""

from collections.abc import Iterator

from ntbtrace.event import Event, Kind, port_name
from ntbtrace.render import HEADING, Renderer, kind_name, place, register_name, status_name
from ntbtrace.replay.divergence import EFFECT, KIND, STATE, Difference, Divergence
from ntbtrace.replay.explain import Explanation, explain
from ntbtrace.replay.host import Effect
from ntbtrace.text import plain
from ntbtrace.trace import Trace
from ntbtrace.trace.registers import RegisterTable


def describe(trace: Trace, divergence: Divergence) -> Iterator[str]:
    """The lines that explain it: what and where, fields, last writers, the events around it."""
    event, explanation = divergence.event, explain(trace, divergence)
    what = explanation.register or place(event)
    yield (
        f"differs at event {divergence.seq}: {divergence.first.what} of {kind_name(event.kind)} "
        f"{what} at port {port_name(event.endpoint)}"
    )
    for difference in divergence.differences:
        yield f"  {_sides(difference, trace.registers)}"
    for field in explanation.fields:
        doubt = " (its reset value is unproven)" if field.unproven else ""
        yield f"  field {plain(field.name)}: recorded {field.recorded:#x}, computed {field.computed:#x}{doubt}"
    yield from _writers(explanation)
    if explanation.moved is not None:
        yield f"  in the model {explanation.differing:#x} of it was changed last by event {explanation.moved.seq}:"
        yield f"    {Renderer(trace.registers).line(explanation.moved)}"
    yield "around it:"
    yield f"  {HEADING}"
    renderer = Renderer(trace.registers)
    for near in explanation.around:
        yield f"{'>' if near.seq == divergence.seq else ' '} {renderer.line(near)}"


def _sides(difference: Difference, registers: RegisterTable) -> str:
    if difference.what == STATE:
        return "the device's state differs from the snapshot that was recorded here, but no answer before did"
    if difference.what == KIND:
        return "this version of the model cannot perform such an event"
    name = difference.what
    if name == EFFECT:
        name = f"effect {difference.seq}: {difference.field}"
    recorded = _side(difference.field, difference.recorded, registers)
    computed = _side(difference.field, difference.computed, registers)
    return f"{name}: recorded {recorded}, computed {computed}"


def _side(field: str, side: int | bytes | Effect | None, registers: RegisterTable) -> str:
    if side is None:
        return "none"
    if isinstance(side, Effect):
        return _effect(side)
    if isinstance(side, bytes):
        return side.hex()
    match field:
        case "status":
            return status_name(side)
        case "target":
            return register_name(registers, side) or "no register"
        case "kind":
            return kind_name(side)
        case "endpoint":
            return f"port {port_name(side)}"
        case "cause" | "size":
            return str(side)
    return f"{side:#x}"


def _effect(effect: Effect) -> str:
    where = f"{kind_name(effect.kind)} at port {port_name(effect.endpoint)}"
    if effect.kind == Kind.IRQ:
        return f"{where} value {effect.value}"
    data = "" if effect.data is None else f" {effect.data.hex()}"
    return f"{where} {effect.offset:#x} {effect.size} bytes{data}"


def _writers(explanation: Explanation) -> Iterator[str]:
    def told(register: str, write: Event | None) -> str:
        if write is None:
            return f"{plain(register)} was not written before"
        port = port_name(write.endpoint)
        return f"{plain(register)} was last written by event {write.seq} (port {port}, {write.value:#x})"

    if explanation.register:
        yield f"  on both sides {told(explanation.register, explanation.recorded_write)}"
    if explanation.computed_register not in ("", explanation.register):
        yield f"  computed: {told(explanation.computed_register, explanation.computed_write)}"
