# SPDX-License-Identifier: GPL-2.0-or-later
"""Player: a trace performed on a fresh model, with one notion of position, forwards and (by snapshots)
backwards.

Position p means: every event before seq p has happened. It may stand between a stimulus and its
effects, whose state is that after the stimulus. The state at any position is the same however the
player got there.
"""

from bisect import bisect_right
from collections.abc import Callable

import device
from device.host import IrqMode
from device.plx.engine import Engine
from device.profile import Profile, ProfileError
from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import Event, Inject, Kind, endpoint_of, port_of
from ntbtrace.replay.divergence import KIND, STATE, Difference, Divergence, Outcome, compare
from ntbtrace.replay.host import ReplayHost
from ntbtrace.replay.script import Script
from ntbtrace.trace import Trace

_CFG_READ, _CFG_WRITE = int(Kind.CFG_READ), int(Kind.CFG_WRITE)
_MMIO_READ, _MMIO_WRITE = int(Kind.MMIO_READ), int(Kind.MMIO_WRITE)
_PERFORMED = frozenset(
    (Kind.CFG_READ, Kind.CFG_WRITE, Kind.MMIO_READ, Kind.MMIO_WRITE,
     Kind.RESET, Kind.ATTACH, Kind.DETACH, Kind.RAM_MAP, Kind.INJECT, Kind.WORK)
)  # fmt: skip

Reader = Callable[[int, int], int]
Writer = Callable[[int, int, int], None]


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
        self._compared = -1  # the block whose recorded snapshot the model was last compared with, or restored from
        self.position = self.start = self._starts[0] if self._starts else 0
        self.end = trace.blocks[-1].last_seq + 1 if self._starts else 0
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
        if seq < self.position or (block >= 0 and self._starts[block] > self.position):
            self._restore(block)
        self._advance(seq, stop=False)

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

    def _restore(self, block: int) -> None:
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
                self._restore(block + 1)
                continue
            script = self._load(block)
            found = None
            if self.position == script.first and self._compared != block:
                self._compared = block
                found = self._compare_state(script)
            if found is None:
                found = self._play(script, min(until, script.end), stop)
            if found is not None:
                if self.divergence is None or found.seq < self.divergence.seq:
                    self.divergence = found
                if stop:
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
        wrong = self._perform(script, begin, end)
        if wrong == end:
            self.position = until
            return None
        self.position = script.seqs[wrong] + 1
        if not stop and self.divergence is not None and self.divergence.event.seq <= script.seqs[wrong]:
            self._host.take_computed()
            return None
        return self._explain(script, wrong)

    def _perform(self, script: Script, begin: int, end: int) -> int:
        """Perform stimuli begin to end-1; return the index of the first that differs, or `end`. The hot
        loop.
        """
        host, switch = self._host, self.switch
        cfg_read, cfg_write = self._cfg_read, self._cfg_write
        bar_read, bar_write = self._bar_read, self._bar_write
        host.script = script
        index = begin
        for first, last, kind, endpoint, bar, offset, size, value, target, status in script.stimuli(begin, end):
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
