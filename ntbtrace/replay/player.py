# SPDX-License-Identifier: GPL-2.0-or-later
"""Player: a trace performed on a fresh model, with one notion of position, forwards and (by snapshots)
backwards.

Position p means: every event before seq p has happened. It may stand between a stimulus and its
effects, whose state is that after the stimulus. The state at any position is the same however the
player got there.

Snapshots of another version of the model are not believed: such a trace is performed from its start, with the model's
own state throughout, and what differs is what the two models answered.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

import device
from device.host import IrqMode
from device.plx.engine import Engine
from device.profile import Profile, ProfileError
from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import Event, Inject, Kind, endpoint_of, port_of
from ntbtrace.replay.divergence import KIND, STATE, Difference, Divergence, Outcome, compare
from ntbtrace.replay.host import ReplayHost
from ntbtrace.replay.script import Script, Stimulus
from ntbtrace.trace import Trace

_CFG_READ, _CFG_WRITE = int(Kind.CFG_READ), int(Kind.CFG_WRITE)
_MMIO_READ, _MMIO_WRITE = int(Kind.MMIO_READ), int(Kind.MMIO_WRITE)
_PERFORMED = frozenset(
    (Kind.CFG_READ, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.MMIO_WRITE,
     Kind.RESET, Kind.ATTACH, Kind.DETACH, Kind.RAM_MAP, Kind.INJECT, Kind.WORK)
)  # fmt: skip

MOST_STATES = 256  # kept at a time, of some 20 KB each
LEAST_EVENTS = 64  # between two of them

Reader = Callable[[int, int], int]
Writer = Callable[[int, int, int], None]


class OwnStates:
    """The model's own state at the starts of blocks, where those in the trace are of another model; at most
    MOST_STATES of them, evenly spread.
    """

    def __init__(self) -> None:
        self._states: dict[int, bytes] = {}
        self._every = 1

    def keep(self, block: int, state: bytes) -> None:
        if block % self._every == 0:
            self._states[block] = state
        if len(self._states) > MOST_STATES:
            self._every *= 2
            self._states = {one: kept for one, kept in self._states.items() if one % self._every == 0}

    def at_or_before(self, block: int) -> tuple[int, bytes]:
        """The nearest one, and of which block it is: of the first there always is one."""
        nearest = max(one for one in self._states if one <= block)
        return nearest, self._states[nearest]


class Player:
    """`trace` on `switch`, at `position`: from `start`, before the first event, to `end`, behind the last.

    `divergence` is the earliest one met so far. Raises NtbTraceError for a trace that cannot be
    performed at all.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.divergence: Divergence | None = None
        self._host = ReplayHost()
        if trace.header.merged:
            raise NtbTraceError(f"{trace.path} is merged from several switches: replay the recordings it was made of")
        try:
            profile = Profile.from_mapping(trace.header.profile)
        except ProfileError as error:
            raise TraceFormatError(f"{trace.path}: the profile in its header is not usable: {error}") from error
        self.switch = device.create(profile, self._host)
        self._functions = functions = {endpoint_of(*key): one for key, one in self.switch.functions.items()}
        self._engines = {endpoint: one for endpoint, one in functions.items() if isinstance(one, Engine)}
        self._cfg_read: dict[int, Reader] = {endpoint: one.cfg_read for endpoint, one in functions.items()}
        self._cfg_write: dict[int, Writer] = {endpoint: one.cfg_write for endpoint, one in functions.items()}
        self._bar_read = {endpoint: one.bar_read for endpoint, one in functions.items()}
        self._bar_write = {endpoint: one.bar_write for endpoint, one in functions.items()}
        self._starts = [block.first_seq for block in trace.blocks]
        self._script: Script | None = None
        self._block = -1  # whose script that is
        self._states: list[bytes] = []  # in block _walked, at every _spacing-th position from its start on
        self._walked = -1
        self._compared = -1  # the block whose recorded snapshot the model was last compared with, or restored from
        self.position = self.start = self._starts[0] if self._starts else 0
        self.end = trace.blocks[-1].last_seq + 1 if self._starts else 0
        foreign = trace.header.model_version != device.MODEL_VERSION
        self._own: OwnStates | None = OwnStates() if foreign and self.start == 0 else None
        if self.position > 0:  # a cut recording: begins in the middle of a switch's life
            self._restore(0)

    def step(self) -> Divergence | None:
        """Perform the next event."""
        return self.run(self.position + 1)

    def run(self, until: int | None = None) -> Divergence | None:
        """Go forwards to position `until` (the end). Stops behind the first divergence on the way and
        returns it; call again to go on with the model's own state."""
        return self._advance(self.end if until is None else min(until, self.end), stop=True)

    def seek(self, seq: int) -> None:
        """Go to position `seq`, in either direction: the nearest state at or before it, then forwards.

        Raises ValueError for a position outside the trace.
        """
        if not self.start <= seq <= self.end:
            raise ValueError(f"position {seq} is outside the trace ({self.start} to {self.end})")
        block = self._block_of(seq)
        if seq < self.position:
            self._walk_back(block, seq)
        elif block >= 0 and self._starts[block] > self.position and self._own is None:
            self._restore(block)
        self._advance(seq, stop=False)

    def pausing(self, seqs: Sequence[int]) -> Iterator[int]:
        """Perform `seqs`, stimuli of one block in their order, and all between them; gives each one when the position
        is right behind it. As seek() to each, but faster.
        """
        self.seek(seqs[0] + 1)
        yield seqs[0]
        script = self._load(self._block_of(seqs[0]))
        index = script.index(seqs[0]) + 1
        stimuli = script.stimuli(index, script.index(seqs[-1]) + 1)
        for seq in seqs[1:]:
            end = script.index(seq) + 1
            while index < end:
                reached = self._perform(script, islice(stimuli, end - index), index)
                if reached < end:
                    self._note(self._differs(script, reached, stop=False))
                index = reached + (reached < end)
            self.position = seq + 1
            yield seq

    def digest(self) -> bytes:
        """16 bytes that tell the device's state at this position from any other."""
        return self.switch.digest()

    def _block_of(self, seq: int) -> int:
        return bisect_right(self._starts, seq) - 1

    def _load(self, block: int) -> Script:
        if self._script is None or self._block != block:
            self._script = Script(self.trace.block(block), self._functions, self._engines)
            self._block = block
        return self._script

    def _walk_back(self, block: int, seq: int) -> None:
        """To a state at or shortly before `seq` in its block. Those on the way to it are kept: who goes back one event
        goes back another.
        """
        info = self.trace.blocks[block]
        spacing = max(LEAST_EVENTS, -(-info.count // MOST_STATES))
        if self._walked == block and self._states:
            nearest = min((seq - info.first_seq) // spacing, len(self._states) - 1)
            self.switch.restore(self._states[nearest])
            self.position = info.first_seq + nearest * spacing
            self._compared = block
        else:
            self._restore(block)
            self._walked, self._states = block, [self.switch.snapshot()]
        for position in range(self.position + spacing, min(seq, info.last_seq) + 1, spacing):
            self._advance(position, stop=False)
            self._states.append(self.switch.snapshot())

    def _restore(self, block: int) -> None:
        """The state at the start of a block."""
        if self._own is not None:
            nearest, state = self._own.at_or_before(block)
            self.switch.restore(state)
            self.position, self._compared = self._starts[nearest], nearest
            self._advance(self._starts[block], stop=False)
            return
        script = self._load(block)
        try:
            self.switch.restore(script.snapshot)
        except ValueError as error:
            raise TraceFormatError(
                f"{self.trace.path}: the state at event {script.first} is not of this model: {error}"
            ) from error
        self.position = script.first
        self._compared = block

    def _advance(self, until: int, stop: bool) -> Divergence | None:
        while self.position < until:
            block = self._block_of(self.position)
            if self.position > self.trace.blocks[block].last_seq:  # a gap: these events are lost
                if until < self._starts[block + 1]:
                    self.position = until
                    return None
                if self._own is None:
                    self._restore(block + 1)
                else:
                    self.position = self._starts[block + 1]
                continue
            script = self._load(block)
            found = None
            if self.position == script.first and self._compared != block:
                self._compared = block
                if self._own is None:
                    found = self._compare_state(script)
                else:
                    self._own.keep(block, self.switch.snapshot())
            if found is None:
                found = self._play(script, min(until, script.end), stop)
            self._note(found)
            if found is not None and stop:
                return found
        return None

    def _compare_state(self, script: Script) -> Divergence | None:
        if self.switch.snapshot() == script.snapshot:
            return None
        return Divergence(self._event(script.first), (Difference(STATE, script.first, "", None, None),))

    def _play(self, script: Script, until: int, stop: bool) -> Divergence | None:
        """From the position to `until` within one block, or behind the first stimulus that differs.

        Unless `stop`, one that comes after the known divergence is passed without a word.
        """
        begin = script.index(self.position)
        end = script.index(until)
        wrong = self._perform(script, script.stimuli(begin, end), begin)
        if wrong == end:
            self.position = until
            return None
        self.position = script.seqs[wrong] + 1
        return self._differs(script, wrong, stop)

    def _differs(self, script: Script, wrong: int, stop: bool) -> Divergence | None:
        """The divergence at stimulus `wrong`; unless `stop`, None for one behind that which is known."""
        if not stop and self.divergence is not None and self.divergence.event.seq <= script.seqs[wrong]:
            self._host.take_computed()
            return None
        return self._explain(script, wrong)

    def _note(self, found: Divergence | None) -> None:
        """Remember the earliest."""
        if found is not None and (self.divergence is None or found.seq < self.divergence.seq):
            self.divergence = found

    def _perform(self, script: Script, stimuli: Iterable[Stimulus], index: int) -> int:
        """Perform stimuli, the first of which is number `index`; return the number of the first that differs, or the
        one behind the last. The hot loop.
        """
        host, switch = self._host, self.switch
        cfg_read, cfg_write = self._cfg_read, self._cfg_write
        bar_read, bar_write = self._bar_read, self._bar_write
        host.script = script
        for first, last, kind, endpoint, bar, offset, size, value, target, status in stimuli:
            host.at = first
            host.end = last
            if kind == _MMIO_WRITE:
                bar_write[endpoint](bar, offset, size, value)
            elif kind == _MMIO_READ:
                host.answer = answer = bar_read[endpoint](bar, offset, size)
                if answer != value:
                    return index
            elif kind == _CFG_READ:
                host.answer = answer = cfg_read[endpoint](offset, size)
                if answer != value:
                    return index
            elif kind == _CFG_WRITE:
                cfg_write[endpoint](offset, size, value)
            elif kind in _PERFORMED:
                self._perform_rare(kind, endpoint, bar, offset, value)
            else:
                return index
            if host.at != last or switch.target != target or switch.status != status:
                return index
            index += 1
        return index

    def _perform_rare(self, kind: int, endpoint: int, bar: int, offset: int, value: int) -> None:
        switch = self.switch
        switch.target = switch.status = 0  # as the recorder does
        function = self._functions[endpoint]
        if kind == Kind.WORK:
            self._engines[endpoint].work(value)
        elif kind == Kind.RESET:
            function.reset()
        elif kind == Kind.ATTACH:
            function.attach(IrqMode(bar))
        elif kind == Kind.DETACH:
            function.detach()
        elif kind == Kind.INJECT:
            switch.inject(port_of(endpoint), Inject(bar), offset, value)
        # RAM_MAP: what guest memory there is concerns the host alone

    def _explain(self, script: Script, index: int) -> Divergence:
        """The divergence at stimulus `index`, which has just been performed."""
        host, switch = self._host, self.switch
        seq = script.seqs[index]
        event = self._event(seq)
        effects = host.take_computed()
        if event.kind not in _PERFORMED:
            return Divergence(event, (Difference(KIND, seq, "kind", event.kind, None),))
        first, last, *_ = next(script.stimuli(index, index + 1))
        recorded = [self._event(script.effect_seq(effect)) for effect in range(first, last)]
        outcome = Outcome(host.answer, switch.target, switch.status, host.at - first, effects)
        return Divergence(event, compare(event, recorded, outcome))

    def _event(self, seq: int) -> Event:
        return next(self.trace.events(seq, seq))
