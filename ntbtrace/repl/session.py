# SPDX-License-Identifier: GPL-2.0-or-later
"""Session: what the debugger knows between two commands: the trace, the position in it, the device there, breakpoints.

Position p: every event with a seq below p has happened. *Here* is the last of them; the device's state is that after
it. Only what asks for the state makes the player go there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from device import Switch
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import NO_ENDPOINT, SWITCH_OWNER, Event, port_of
from ntbtrace.query import Expression
from ntbtrace.render import Renderer
from ntbtrace.repl.breakpoints import Breakpoints
from ntbtrace.repl.decoders import Extensions
from ntbtrace.repl.place import end_seq, first_seq
from ntbtrace.replay.divergence import Divergence
from ntbtrace.replay.player import Player
from ntbtrace.text import plain
from ntbtrace.trace import Trace
from ntbtrace.trace.registers import RegisterTable

if TYPE_CHECKING:  # a trace without code need not wait for it
    from ntbtrace.symbols import Code, Sources

Say = Callable[[int], None]


class Output(Protocol):
    """Where a command's lines go."""

    @property
    def width(self) -> int:
        """Columns."""

    def line(self, text: str = "") -> None: ...
    def progress(self, label: str, total: int) -> AbstractContextManager[Say]:
        """Inside, tell what it gives how much of `total` is done."""


class Session:
    """One trace being looked at. `out` takes what commands say; `code`: of its guests, if it was recorded; `sources`:
    directories of their source text (the guest image's).
    """

    def __init__(self, trace: Trace, out: Output, code: "Code | None" = None, sources: Sequence[Path] = ()) -> None:
        self.trace = trace
        self.code = code
        self.source_directories = sources
        self.out = out
        self.registers: RegisterTable = trace.registers
        self.start, self.end = first_seq(trace), end_seq(trace)
        self.position = self.start
        self.bookmarks: dict[str, int] = {}
        self.breakpoints = Breakpoints()
        self.displays: dict[int, Expression] = {}
        self.extensions = Extensions(trace.registers)
        self.failed = False  # a command could not be carried out, or an expectation did not hold
        self.done = False  # the user wants to leave
        self.queue: list[str] = []  # commands to be carried out before the next one is read
        self.ask: Callable[[str], str | None] = lambda prompt: None  # the next line of a command that takes several
        self.run_lines: Callable[[Sequence[str], str], None] = _no_shell
        self.python: dict[str, object] = {}  # what `py` has defined
        self.verified: tuple[Divergence | None] | None = None  # what a replay of all of it found
        self.below: int | None = None  # the effect from which `up` came
        self.stopped_before = self.start  # the position of the stop before the present one
        self._player: Player | None = None
        self._lines: dict[str, set[int]] | None = None
        self._starts = [info.first_seq for info in trace.blocks]
        self._ranks = [*accumulate((info.count for info in trace.blocks), initial=0)][: len(trace.blocks)]

    @property
    def ports(self) -> dict[int, int]:
        """The ports that have a guest, and their partitions."""
        merged = self.trace.header.merged
        profiles = [one.header.get("profile", {}) for one in merged] if merged else [self.trace.header.profile]
        if merged:
            return {int(new): 0 for one in merged for new in one.ports.values()}
        return {int(row["number"]): int(row["partition"]) for one in profiles for row in one.get("port", ())}

    # Events

    def next_seq(self, position: int) -> int | None:
        """The first event at or after `position`; None behind the last one."""
        index = bisect_right(self._starts, position) - 1
        if index >= 0 and position <= self.trace.blocks[index].last_seq:
            return position
        return self._starts[index + 1] if index + 1 < len(self._starts) else None

    def previous_seq(self, position: int) -> int | None:
        """The last event before `position`; None before the first one."""
        index = bisect_right(self._starts, position - 1) - 1
        return None if index < 0 else min(position - 1, self.trace.blocks[index].last_seq)

    def rank(self, position: int) -> int:
        """How many events are before `position`."""
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            return 0
        info = self.trace.blocks[index]
        return self._ranks[index] + min(position - info.first_seq, info.count)

    def ranked(self, rank: int) -> int:
        """The position behind the first `rank` events; the ends of the trace for less and for more."""
        if rank <= 0:
            return self.start
        index = bisect_left(self._ranks, rank) - 1
        return min(self._starts[index] + rank - self._ranks[index], self.end) if index >= 0 else self.end

    def event(self, seq: int) -> Event:
        return next(self.trace.events(seq, seq))

    @property
    def here(self) -> Event | None:
        """The last event that has happened; None at the start."""
        seq = self.previous_seq(self.position)
        return None if seq is None else self.event(seq)

    @property
    def port(self) -> int:
        """The port that a register without one means: that of the event here, or the first."""
        here = self.here
        if here is not None and here.endpoint != NO_ENDPOINT and port_of(here.endpoint) in self.ports:
            return port_of(here.endpoint)
        return next(iter(self.ports), 0)

    def stop(self, position: int) -> None:
        """Be at `position`, the next place to look around."""
        if position != self.position:
            self.stopped_before = self.position
        self.position = position

    @property
    def guests_code(self) -> "Code":
        """Raises NtbTraceError for a trace without."""
        if self.code is None:
            how = "`merge` leaves it out" if self.trace.header.merged else "`record --guest-pc` makes such traces"
            raise NtbTraceError(f"{self.trace.path} has no code of its guests: {how}")
        return self.code

    @cached_property
    def sources(self) -> "Sources":
        """Raises SetupError for a directory that is none."""
        from ntbtrace.symbols import Sources

        return Sources(self.source_directories)

    def lines_of(self, file: str) -> set[int]:
        """The lines of a source file that stand in the chain of some access."""
        if self._lines is None:
            self._lines = self.guests_code.lines()
        return self._lines.get(file, set())

    # The device

    @property
    def player(self) -> Player:
        """Raises NtbTraceError for a trace that cannot be performed."""
        if self._player is None:
            self._player = Player(self.trace)
        return self._player

    def device(self, position: int | None = None) -> Switch:
        """The switch as it is at a position (the present one), until somebody asks for another."""
        player = self.player
        wanted = self.position if position is None else position
        if player.position != wanted:
            player.seek(wanted)
        return player.switch

    @cached_property
    def scout(self) -> Player:
        """Another player, for searches, which leave the first one where it is. Raises NtbTraceError."""
        return Player(self.trace)

    def register(self, owner: int | None, number: int) -> int | None:
        """What a register holds; `owner` None: that of the switch, or of the port here. None: there is none."""
        switch = self.device()
        if owner is not None:
            return switch.peek(owner << 24 | number)
        value = switch.peek(SWITCH_OWNER << 24 | number)
        return switch.peek(self.port << 24 | number) if value is None else value

    def targets(self, port: int | None, ids: tuple[int, ...]) -> list[int]:
        """The registers of the switch that have these ids, of `port` or of any. Raises NtbTraceError if none has."""
        wanted = frozenset(ids)
        every = [target for target in self.device().state_targets() if target & 0xFF_FFFF in wanted]
        found = [target for target in every if port in (None, target >> 24)]
        if not found:
            name = plain(self.registers.name(ids[0]))
            if any(target >> 24 == SWITCH_OWNER for target in every):
                raise NtbTraceError(f"{name} is a register of the switch, not of port {port}: leave the port out")
            raise NtbTraceError(f"this switch does not have {name}: its profile decides that")
        return found

    def renderer(self, position: int) -> Renderer:
        """Renders events from `position` on, in order; what registers held there is known, if the trace can be
        performed.
        """

        def held(target: int) -> int | None:
            try:
                return self.device(position).peek(target)
            except NtbTraceError:  # a merged trace, a profile of a later version: events can be looked at all the same
                return None

        return Renderer(self.registers, held, code=self.code.text) if self.code else Renderer(self.registers, held)

    @contextmanager
    def elsewhere(self, position: int) -> Iterator[None]:
        """Inside, the position is another one."""
        before, self.position = self.position, position
        try:
            yield
        finally:
            self.position = before


def _no_shell(lines: Sequence[str], name: str) -> None:
    raise RuntimeError("a shell carries out scripts")
