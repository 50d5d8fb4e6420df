# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's promises under any ring and any accesses: bounded pieces, no exception, snapshots that go on alike."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from device.host import IrqMode, Status
from device.idt.maps import NT
from device.plx.engine import LAPS, PIECE_BYTES, PIECE_STEPS
from device.plx.registers import PLX
from tests.device.dma import COUNT, FROM, PAUSE, RAM, RING, SIZE, START_VAL, TO, VALID, Dma
from tests.device.making import BARS

EFFECTS = 3 * PIECE_STEPS  # a step is a descriptor, or a copy with its write-back; interrupts come on top
quick = settings(max_examples=150, deadline=None)

addresses = st.sampled_from((
    0, RING, FROM, TO, RAM - 1, RAM, BARS[0], BARS[2], BARS[2] + 0xFFF0, BARS[2] + (1 << 20) - 8, BARS[3], 1 << 47,
    (1 << 48) - 1,
)) | st.integers(0, (1 << 48) - 1)  # fmt: skip
sizes = st.sampled_from((0, 1, 3, 4096, PIECE_BYTES, PIECE_BYTES + 1, 8 * PIECE_BYTES, SIZE)) | st.integers(0, SIZE)
flags = st.sampled_from((VALID, VALID, VALID | 1 << 30, VALID | 1 << 27, 1 << 30, 0))
descriptors = st.tuples(sizes, addresses, addresses, flags)
numbers = st.sampled_from((0, 1, COUNT, RING, START_VAL, PAUSE, 2, 0xFFFF_FFFF, 0x8000_0000)) | st.integers(
    0, 2**32 - 1
)
offsets = (
    st.sampled_from([p.offset for p in PLX.places]) | st.sampled_from((0x23A, 0x23E, 0x239)) | st.integers(0, 0x4000)
)
accesses = st.one_of(
    st.tuples(st.just("bar_write"), st.just(0), offsets, st.sampled_from((1, 2, 4, 8)), numbers),
    st.tuples(st.just("bar_read"), st.sampled_from((0, 1, -1)), offsets, st.sampled_from((1, 2, 3, 4, 8))),
    st.tuples(st.just("cfg_write"), st.integers(-4, 300), st.sampled_from((1, 2, 4)), numbers),
    st.tuples(st.just("cfg_read"), st.integers(-4, 300), st.sampled_from((1, 2, 4))),
    st.tuples(st.just("attach"), st.sampled_from((0, 1, 7))),
    st.tuples(st.sampled_from(("reset", "detach", "plug", "start", "snapshot"))),
    st.tuples(st.just("work"), st.sampled_from((0, 1, 100, PIECE_BYTES, 1 << 63)) | st.integers(-5, PIECE_BYTES)),
)
Op = tuple[Any, ...]


def filled(ring: list[tuple[int, int, int, int]]) -> Dma:
    dma = Dma()
    dma.open_window()
    for number, (size, source, destination, flag) in enumerate(ring):
        dma.put_descriptor(number, size, source, destination, flag)
    dma.effects()
    return dma


def perform(dma: Dma, op: Op) -> object:
    match op:
        case ("plug",):
            return dma.plug_engine(IrqMode.MSI)
        case ("start",):
            return dma.start()
        case ("snapshot",):
            return dma.switch.snapshot()
        case (name, *arguments):
            return getattr(dma.engine, name)(*arguments)


def check_bounded(dma: Dma) -> None:
    seen = dma.effects()
    memory = [effect for effect in seen if effect[0] != "irq"]
    assert len(memory) <= EFFECTS
    assert len(seen) - len(memory) <= 2 * PIECE_STEPS
    assert sum(effect[3] for effect in memory if effect[0] == "dma_read" and not effect[4]) <= PIECE_BYTES  # type: ignore[misc]
    assert sum(len(effect[3]) for effect in memory if effect[0] == "dma_write" and not effect[4]) <= PIECE_BYTES  # type: ignore[arg-type, misc]


@quick
@given(ring=st.lists(descriptors, min_size=COUNT, max_size=COUNT), value=st.sampled_from((START_VAL, START_VAL & ~4)))
def test_any_ring_ends(ring: list[tuple[int, int, int, int]], value: int) -> None:
    dma = filled(ring)
    dma.start(value)
    pieces = 0
    while dma.engine.active:
        dma.engine.work(PIECE_BYTES)
        assert Status(dma.switch.status) in (Status.OK, Status.REFUSED, Status.CLOSED, Status.LIMIT)
        check_bounded(dma)
        pieces += 1
        assert pieces <= LAPS * COUNT * (RAM // PIECE_BYTES + 2)
    assert dma.intr_status & 3, "an invalid descriptor, or an error"


@quick
@given(ring=st.lists(descriptors, min_size=COUNT, max_size=COUNT), ops=st.lists(accesses, max_size=30))
def test_any_accesses_are_survived(ring: list[tuple[int, int, int, int]], ops: list[Op]) -> None:
    dma = filled(ring)
    dma.start()
    for op in ops:
        perform(dma, op)
        check_bounded(dma)


@quick
@given(
    ring=st.lists(descriptors, min_size=COUNT, max_size=COUNT),
    before=st.lists(accesses, max_size=10),
    after=st.lists(accesses, max_size=20),
)
def test_a_snapshot_goes_on_alike(ring: list[tuple[int, int, int, int]], before: list[Op], after: list[Op]) -> None:
    dma, copy = filled(ring), Dma()
    dma.start()
    for op in before:
        perform(dma, op)
    copy.switch.restore(dma.switch.snapshot())
    copy.guests.ram = {port: ram[:] for port, ram in dma.guests.ram.items()}
    dma.effects()
    copy.effects()
    dma.switch.target = dma.switch.status = 0
    for op in after:
        assert perform(copy, op) == perform(dma, op)
        assert (copy.switch.target, copy.switch.status) == (dma.switch.target, dma.switch.status)
        assert copy.effects() == dma.effects()
    assert copy.switch.digest() == dma.switch.digest()


def test_a_snapshot_in_the_middle_of_a_descriptor() -> None:
    dma, copy = Dma(), Dma()
    data = dma.fill(3 * PIECE_BYTES)
    number = dma.descriptor(3 * PIECE_BYTES)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    copy.switch.restore(dma.switch.snapshot())
    copy.guests.ram = {port: ram[:] for port, ram in dma.guests.ram.items()}
    assert dma.run() == copy.run() == 3, "the last one finds the next descriptor invalid"
    assert copy.guests.ram[0][TO : TO + len(data)] == data
    assert copy.written_back(number) == dma.written_back(number) == 1 << 30 | len(data)
    assert copy.switch.digest() == dma.switch.digest()


@quick
@given(seed=st.integers(0, 2**32), ops=st.lists(accesses, min_size=3, max_size=20))
def test_a_state_that_no_guest_can_make_is_survived(seed: int, ops: list[Op]) -> None:
    dma = Dma()
    dma.engine.restore(Random(seed).randbytes(dma.engine.snapshot_size))
    dma.engine.cfg_write(NT["PCICMDSTS"].offset, 2, 6)
    for op in [*ops, ("work", PIECE_BYTES), ("work", PIECE_BYTES)]:
        perform(dma, op)
        check_bounded(dma)


def test_the_other_guests_engine_is_another_one() -> None:
    dma = Dma()
    before = dma.switch.functions[2, 1].snapshot()
    dma.descriptor(4)
    dma.start()
    dma.run()
    assert dma.switch.functions[2, 1].snapshot() == before
