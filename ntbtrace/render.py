# SPDX-License-Identifier: GPL-2.0-or-later
"""One event as one line of text, decoded with the file's own register table; `show`, `replay` and the
debugger use it.

Columns: seq, seconds since the start, port, kind (effects are indented), place (BAR and offset), value,
then free text: the register with its fields, an effect's cause, a status other than ok, who made the access.
Whatever came from a guest or a file is escaped: it cannot drive the terminal.
"""

from collections.abc import Callable

from ntbtrace.decode import REGISTER_BYTES, WRITES, covered, field_value, shift_of
from ntbtrace.event import (
    ACCESSES,
    EFFECTS,
    INLINE,
    NO_BAR,
    SWITCH_OWNER,
    WITH_TEXT,
    Event,
    Inject,
    IrqMode,
    Kind,
    Status,
    port_name,
    port_of,
)  # fmt: skip
from ntbtrace.text import plain
from ntbtrace.trace.registers import Field, RegisterTable

HEADING = f"{'seq':>8} {'time':>12} {'port':>4}  {'kind':<12} {'place':<14} {'value':<18} what"
MAX_BYTES = 32  # of an event's data that are shown

_CFG = frozenset((Kind.CFG_READ, Kind.CFG_WRITE))
_MEMORY = frozenset((Kind.MEM_READ, Kind.MEM_WRITE))


def seconds(t: int) -> str:
    """Nanoseconds as seconds with microseconds, without rounding."""
    return f"{t // 1_000_000_000}.{t // 1000 % 1_000_000:06d}"


def kind_name(kind: int) -> str:
    """'mmio_read'; 'kind 99' for one of a later version."""
    return Kind(kind).name.lower() if kind in Kind._value2member_map_ else f"kind {kind}"


def status_name(status: int) -> str:
    return Status(status).name.lower() if status in Status._value2member_map_ else f"status {status}"


def place(event: Event) -> str:
    """'BAR0+0x2c', 'cfg+0x4', a guest physical address, '' where there is none."""
    if event.kind in _CFG:
        return f"cfg+{event.offset:#x}"
    if event.kind in _MEMORY or event.kind == Kind.BLIND:
        return f"{event.offset:#x}"
    if event.kind in (Kind.MMIO_READ, Kind.MMIO_WRITE):
        return f"{event.offset:#x}" if event.bar == NO_BAR else f"BAR{event.bar}+{event.offset:#x}"
    return ""


def register_name(registers: RegisterTable, target: int, port: int | None = None) -> str:
    """'NTCTL'; '2:NTCTL' for a register of another port than `port`; '' for none."""
    name = plain(registers.name(target))
    owner = registers.owner(target)
    if not name or owner is None or owner in (port, SWITCH_OWNER):
        return name
    return f"{owner}:{name}"


def named(value: int, names: dict[int, str]) -> str:
    """A field's value with its name: '4(NT)'; decimal up to 9, else hex."""
    number = str(value) if value < 10 else f"{value:#x}"
    return f"{number}({plain(names[value])})" if value in names else number


def value_text(event: Event) -> str:
    """The value in hex, as wide as the access; data as hex bytes, cut at MAX_BYTES."""
    if event.kind in _MEMORY or event.kind in WRITES or event.kind in (Kind.CFG_READ, Kind.MMIO_READ):
        if event.size <= INLINE:
            return f"{event.value:#0{2 * event.size + 2}x}"
        data = event.data or b""
        return f"{data[:MAX_BYTES].hex()}{'...' if len(data) > MAX_BYTES else ''}"
    return ""


class Renderer:
    """Renders events in order; remembers each register's last known value, to show what a write changed.

    `held`: what a register (a target) held before the first of them, where that is known. `code`: who made access
    `seq`, '' for nobody who is known.
    """

    def __init__(
        self,
        registers: RegisterTable,
        held: Callable[[int], int | None] | None = None,
        code: Callable[[int], str] = lambda seq: "",
    ) -> None:
        self.registers = registers
        self._held = held
        self._code = code
        self._known: dict[int, int] = {}  # target -> value
        self._seen: dict[int, int] = {}  # target -> mask of the bits that are known

    def line(self, event: Event) -> str:
        """The event's line, without line end."""
        effect = event.kind in EFFECTS
        kind = f"{'  ' if effect else ''}{kind_name(event.kind)}"
        head = f"{event.seq:>8} {seconds(event.t):>12} {port_name(event.endpoint):>4}  {kind:<12}"
        cause = "" if event.cause is None else f"<- {event.cause}"
        status = "" if event.status == Status.OK else f"[{status_name(event.status)}]"
        code = self._code(event.seq) if event.kind in ACCESSES else ""
        by = f"by {plain(code)}" if code else ""
        what = " ".join(part for part in (self.what(event), cause, status, by) if part)
        return f"{head} {place(event):<14} {value_text(event):<18} {what}".rstrip()

    def what(self, event: Event) -> str:
        """What stands last in the line: the register and its fields, or the event's text."""
        if event.kind in _DETAIL:
            return _DETAIL[event.kind](event)
        if event.kind in WITH_TEXT:
            return plain(_data(event))
        if event.target:
            port = port_of(event.endpoint)
            return " ".join((register_name(self.registers, event.target, port), *self._fields(event)))
        return ""

    def _fields(self, event: Event) -> list[str]:
        """What the access tells about the register's fields, compared with what was known before."""
        target, shift = event.target, shift_of(event)
        performed = False
        if self._held is not None and target not in self._known:
            held = self._held(target)
            if held is not None:
                performed = event.kind not in WRITES
                self._known[target], self._seen[target] = held, (1 << 8 * REGISTER_BYTES) - 1
        value = event.value << shift & ((1 << 8 * REGISTER_BYTES) - 1)
        known, seen = self._known.get(target, 0), self._seen.get(target, 0)
        shown = []
        for field in covered(event, self.registers):
            mask = ((1 << field.width) - 1) << field.lsb
            new = field_value(field, value)
            if event.kind in WRITES:
                text, new = _written(field, new, field_value(field, known), bool(seen & mask))
            elif performed and new != field_value(field, known):
                text = _contradicted(field, new, field_value(field, known))
            else:
                text = _changed(field, new, field_value(field, known), bool(seen & mask) and not performed)
            if text:
                shown.append(text)
            known = known & ~mask | new << field.lsb
            if event.kind not in WRITES or field.access == "RW":
                seen |= mask
        self._known[target], self._seen[target] = known, seen
        return shown


def _changed(field: Field, new: int, old: int, seen: bool) -> str:
    """'CPEN=1' the first time (not for 0), 'CPEN 0->1' later, '' when nothing changed."""
    if not seen:
        return f"{plain(field.name)}={named(new, field.values)}" if new else ""
    if new == old:
        return ""
    return f"{plain(field.name)} {named(old, field.values)}->{named(new, field.values)}"


def _contradicted(field: Field, new: int, held: int) -> str:
    """What was read is not what the model holds there: the recorded device was another one."""
    return f"{plain(field.name)}={named(new, field.values)} (the model holds {named(held, field.values)})"


def _written(field: Field, new: int, old: int, seen: bool) -> tuple[str, int]:
    """The text of a write to this field, and what the field then holds as far as can be told."""
    name = plain(field.name)
    if field.access == "RW":
        return _changed(field, new, old, seen), new
    if field.access == "RW1C":
        return (f"{name} clears {named(new, {})}" if new else "", old & ~new)
    if field.access == "WO":
        return (f"{name}={named(new, field.values)}" if new else "", old)
    return "", old


def _data(event: Event) -> bytes:
    return event.data or b""


def _attach(event: Event) -> str:
    mode = IrqMode(event.bar).name if event.bar in IrqMode._value2member_map_ else f"mode {event.bar}"
    return f"{mode} {plain(_data(event))}"


def _ram_map(event: Event) -> str:
    data = _data(event)
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    regions = zip(numbers[::2], numbers[1::2], strict=False)
    return " ".join(f"{address:#x}+{size:#x}" for address, size in regions) or "no memory"


def _irq(event: Event) -> str:
    return f"vector {event.value}" if event.bar == IrqMode.MSI else f"INTx {'up' if event.value else 'down'}"


_INJECTED: dict[int, Callable[[Event], str]] = {
    Inject.TEMPERATURE: lambda event: f" {event.value // 2}.{event.value % 2 * 5} C",
    Inject.CABLE: lambda event: " in" if event.value else " out",
    Inject.POKE: lambda event: f" {event.offset:#x} {event.value:#x}",
    Inject.HOT_RESET: lambda event: "",
    Inject.FAILOVER: lambda event: "",
}


def _inject(event: Event) -> str:
    if event.bar not in _INJECTED:
        return f"what {event.bar} {event.offset:#x} {event.value:#x}"
    return Inject(event.bar).name.lower() + _INJECTED[event.bar](event)


_DETAIL: dict[int, Callable[[Event], str]] = {
    Kind.ATTACH: _attach,
    Kind.RAM_MAP: _ram_map,
    Kind.IRQ: _irq,
    Kind.INJECT: _inject,
    Kind.WORK: lambda event: f"up to {event.value:#x} bytes",
    Kind.HOLD: lambda event: f"{seconds(event.value)} s",
    Kind.BLIND: lambda event: f"{event.value:#x} bytes without messages from here on",
    Kind.LOST: lambda event: f"{event.value} events",
}
