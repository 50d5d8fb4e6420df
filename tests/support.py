# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes traces for tests: of simulated guests, of any accesses, and copies in which events were changed."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import device
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from ntbtrace.event import Event
from ntbtrace.trace import TraceWriter, open_trace

PORTS = (0, 2)


def recorder(path: Path, hashed: bool = False, profile: device.Profile = device.DEFAULT) -> Recorder:
    transports = {str(port): "simulated" for port in profile.port_numbers}
    return Recorder(path, profile, command="test", transports=transports, hashed=hashed)


def simulate(
    path: Path, workload: str = "pingpong", *, seed: int = 1, count: int = 5, size: int = 256,
    hashed: bool = False, roll_every: int = 0, after: Callable[[Recorder], None] | None = None,
    profile: device.Profile = device.DEFAULT,
) -> Path:  # fmt: skip
    """Record simulated guests until their workload is done; a new block every `roll_every` turns;
    `after` goes on.
    """
    trace = recorder(path, hashed, profile)
    guests = simulated_guests(trace, workload, Work(count, size), seed)
    turns = 0
    while not all(guest.results for guest in guests):
        for guest in guests:
            guest.step()
        turns += 1
        if roll_every and turns % roll_every == 0:
            trace.writer.roll()
        assert turns < 100_000, [guest.state for guest in guests]
    if after is not None:
        after(trace)
    for guest in guests:
        guest.power_off("test is done")
    trace.close()
    return path


def random_accesses(seed: int, number: int, roll_every: int = 0) -> Callable[[Recorder], None]:
    """For simulate(after=...): registers and windows hit at random, with the values that matter more
    often.
    """

    def go(trace: Recorder) -> None:
        random = Random(seed)
        for turn in range(number):
            port = trace.port(random.choice(PORTS))
            size = random.choice((1, 2, 4, 4, 4, 8))
            value = random.choice((0, 1, random.getrandbits(8 * size), (1 << 8 * size) - 1)) & (1 << 8 * size) - 1
            bar, span = random.choice(((0, 0x1000), (0, 0x1000), (2, 0x200), (3, 0x100), (5, 64)))
            offset = random.randrange(span) & -size
            match random.randrange(8):
                case 0 | 1 | 2:
                    port.bar_read(bar, offset, size)
                case 3 | 4 | 5:
                    port.bar_write(bar, offset, size, value)
                case 6:
                    port.cfg_read(offset % 256, min(size, 4))
                case 7:
                    port.cfg_write(offset % 256, min(size, 4), value & 0xFFFF_FFFF)
            if roll_every and turn % roll_every == 0:
                trace.writer.roll()

    return go


def rewrite(
    source: Path, path: Path, change: Callable[[Event], Event | None] = lambda event: event, **header: Any
) -> Path:
    """A copy of the trace `source`, block by block through the writer, each event as `change` gives it;
    None drops it. `header`: fields of the header that are to be others.
    """
    with open_trace(source) as trace:
        snapshots = [trace.block(index).snapshot for index in range(len(trace.blocks))]
        current = iter(snapshots)
        writer = TraceWriter(path, replace(trace.header, **header), lambda: next(current))
        seqs: dict[int, int] = {}
        for block in trace.blocks:
            if block.first_seq != trace.blocks[0].first_seq:
                writer.roll()
            for event in trace.events(block.first_seq, block.last_seq):
                changed = change(event)
                if changed is None:
                    continue
                seqs[event.seq] = len(seqs)
                cause = None if changed.cause is None else seqs[changed.cause]
                writer.append(changed._replace(seq=seqs[event.seq], cause=cause))
        writer.close()
    return path


def serve(loop: Loop, turns: int = 6) -> None:
    """Run the loop for some turns: enough for what is ready, and for what that makes ready."""
    left = iter(range(turns))
    loop.idle(lambda: next(left, None) is not None or loop.stop() is not None)
    loop.run(lambda: False)


def events(path: Path) -> list[Event]:
    with open_trace(path) as trace:
        return list(trace)


def kinds(path: Path) -> Iterable[int]:
    return (event.kind for event in events(path))
