# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes headers, events and traces of any valid form, without a device."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

from ntbtrace.event import EFFECTS, NOTES, STIMULI, Event, Kind
from ntbtrace.trace import Header, TraceWriter
from ntbtrace.trace.layout import DATA_KINDS, MEMORY_KINDS

ROWS, EFFECT_ROWS = 64, 16  # of a half, in tests that want many blocks
U8, U32, U64 = 0xFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF

REGISTERS: dict[str, Any] = {
    "registers": [
        {"id": 1, "name": "NTCTL", "indices": None, "space": "nt", "offset": 0x400, "stride": 0, "width": 32,
         "fields": [["IDPROTDIS", 0, 1, "RW", {}, 0], ["CPEN", 1, 1, "RW", {"0": "off", "1": "on"}, None]],
         "doc": "control", "source": "test"},
        {"id": 2, "name": "OUTMSG{}", "indices": [0, 1, 2, 3], "space": "nt", "offset": 0x430, "stride": 4,
         "width": 32, "fields": [], "doc": "", "source": "test"},
        {"id": 9, "name": "SWP{}MSGCTL0", "indices": [0, 2], "space": "switch", "offset": 0x700, "stride": 4,
         "width": 32, "fields": [], "doc": "", "source": "test"},
    ]
}  # fmt: skip


def header(**changed: Any) -> Header:
    """A header; each one of another recording."""
    made: dict[str, Any] = {
        "model_version": 1, "profile": {"chip": "test"}, "registers": REGISTERS, "command": "ntbtrace test",
        "tool": "ntbtrace 0", "transports": {"0": "simulated"}, "guests": {"seed": 1},
        "start_wall_ns": 1_700_000_000_000_000_000, "start_mono_ns": time.monotonic_ns(), "boot_id": "id",
        "payloads": "full",
    }  # fmt: skip
    return Header(**{**made, **changed})


class Snapshots:
    """A device whose state is the number of snapshots taken so far."""

    def __init__(self) -> None:
        self.taken = 0

    def __call__(self) -> bytes:
        self.taken += 1
        return f"state {self.taken}".encode()


def small_writer(path: Path, **options: Any) -> TraceWriter:
    """A writer whose blocks hold at most ROWS events."""
    return TraceWriter(path, header(), Snapshots(), rows=ROWS, effect_rows=EFFECT_ROWS, **options)


def write(path: Path, events: Iterable[Event], **options: Any) -> Path:
    writer = small_writer(path, **options)
    for event in events:
        writer.append(event)
    writer.close()
    assert writer.error is None
    return path


def number(groups: Iterable[Sequence[Event]]) -> list[Event]:
    """Events in order; each group is a stimulus (or note) and its effects, which get its time and its seq as cause."""
    numbered: list[Event] = []
    for first, *effects in groups:
        seq = len(numbered)
        numbered.append(first._replace(seq=seq))
        for step, effect in enumerate(effects, 1):
            numbered.append(effect._replace(seq=seq + step, t=first.t, cause=seq))
    return numbered


@st.composite
def _event(draw: st.DrawFn, kinds: Sequence[int]) -> Event:
    kind = draw(st.sampled_from(kinds))
    size, value, data = draw(st.integers(0, U32)), draw(st.integers(0, U64)), None
    if kind in MEMORY_KINDS:
        size = draw(st.integers(1, 8))
        value &= (1 << 8 * size) - 1
        if draw(st.booleans()):
            data = draw(st.binary(min_size=9, max_size=40))
    elif kind in DATA_KINDS:
        data = draw(st.binary(max_size=40))
    if data is not None:
        size = len(data)
        value = int.from_bytes(data, "little") if size <= 8 else 0
    return Event(
        0, draw(st.integers(0, U64)), kind, draw(st.integers(0, U8)), draw(st.integers(0, U8)),
        draw(st.integers(0, U64)), size, value, draw(st.integers(0, U32)), draw(st.integers(0, U8)), None, data,
    )  # fmt: skip


def event_lists(max_groups: int = 60) -> st.SearchStrategy[list[Event]]:
    """Any events of a valid shape, also of kinds that this version does not know."""
    known = sorted(STIMULI | NOTES)
    first = _event([*map(int, known), 14, 99])
    effect = _event(sorted(map(int, EFFECTS)))
    group = st.tuples(first, st.lists(effect, max_size=4)).map(lambda pair: [pair[0], *pair[1]])
    return st.lists(group, max_size=max_groups).map(number)


def traffic(count: int, seed: int = 1) -> Iterator[Event]:
    """`count` events as drivers make them: registers, doorbells, copies through a window, console lines."""
    random = Random(seed)
    script = [(random.randrange(64) * 4, random.randrange(1, 40)) for _ in range(16)]
    seq = t = copied = 0
    while seq < count:
        t += random.randrange(3_000, 9_000)
        port = random.randrange(2) * 16
        cause, turn = seq, random.randrange(100)
        if turn < 30:
            value, place = random.getrandbits(32), 4 * copied
            copied = (copied + 1) % 4096
            yield Event(seq, t, Kind.MMIO_WRITE, port, 2, place, 4, value, 0, 0, None, None)
            yield Event(seq + 1, t, Kind.MEM_WRITE, 16 - port, U8, 0x7F00_0000 + place, 4, value, 0, 0, cause, None)
            seq += 2
        elif turn < 98:
            offset, target = script[seq % 16]
            kind = (Kind.MMIO_READ, Kind.MMIO_WRITE)[random.randrange(2)]
            value = random.choice((0, 1, 0xF, U32))
            yield Event(seq, t, kind, port, 0, offset, 4, value, port << 21 | target, 0, None, None)
            seq += 1
            if turn > 90:
                yield Event(seq, t, Kind.IRQ, 16 - port, 1, 0, 0, 0, 0, 0, cause, None)
                seq += 1
        else:
            line = f"[{t / 1e9:12.6f}] ntb_pingpong: line {random.randrange(9)}".encode()
            yield Event(seq, t, Kind.CONSOLE, port, U8, 0, len(line), 0, 0, 0, None, line)
            seq += 1


def same_directory(path: Path) -> list[str]:
    """The names beside `path`, sorted: to see what a run leaves behind."""
    return sorted(os.listdir(path.parent))
