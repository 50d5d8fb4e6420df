# SPDX-License-Identifier: GPL-2.0-or-later
"""A DMA engine behind its door: pieces of work in the trace, with their cause and effects, and its bytes moved."""

from pathlib import Path

import pytest

from ntbtrace.capture.engine_port import FARTHEST
from ntbtrace.event import Kind, Status, endpoint_of
from ntbtrace.render import Renderer
from ntbtrace.trace import TraceWriter, open_trace
from tests.dma import COUNT, FROM, TO, WINDOW, DmaTrace
from tests.support import events, recorder

SUCCESS, READ_FAILED = 1 << 30, 1 << 29


@pytest.fixture
def dma(tmp_path: Path) -> DmaTrace:
    return DmaTrace(tmp_path / "a.ntbt")


def test_doors_are_those_of_all_functions(dma: DmaTrace, tmp_path: Path) -> None:
    assert sorted(dma.recorder.doors) == [0, 1, 16, 17]
    assert [(door.number, door.function) for door in dma.recorder.doors.values()] == [(0, 0), (2, 0), (0, 1), (2, 1)]
    assert sorted(dma.recorder.ports) == [0, 2]
    plain = recorder(tmp_path / "b.ntbt")
    assert sorted(plain.doors) == [0, 16]
    with pytest.raises(KeyError):
        plain.port(0, 1)


def test_a_copy_to_the_peer_is_in_the_trace_with_its_cause(dma: DmaTrace) -> None:
    data = bytes(range(100))
    dma.memories[0].write(FROM, data)
    place = dma.descriptor(100)
    started = dma.start()
    assert dma.run() == 1
    dma.recorder.close()
    assert dma.memories[2].read(TO, 100) == data
    assert dma.flags(place) == SUCCESS | 100
    assert dma.interrupts == 1
    work, *effects = events(dma.path)[started + 1 :]
    assert (work.kind, work.endpoint, work.cause, work.size) == (Kind.WORK, endpoint_of(0, 1), started, 0)
    assert work.value == 65536
    assert [(e.kind, e.endpoint, e.size) for e in effects] == [
        (Kind.MEM_READ, 0, 16), (Kind.MEM_READ, 0, 100), (Kind.MEM_WRITE, 16, 100), (Kind.MEM_WRITE, 0, 4),
        (Kind.IRQ, 1, 0), (Kind.MEM_READ, 0, 16),
    ]  # fmt: skip
    assert {effect.cause for effect in effects} == {work.seq}


def test_every_piece_names_the_start(dma: DmaTrace) -> None:
    dma.descriptor(200_000)
    started = dma.start()
    dma.run(lambda: dma.recorder.writer.roll())
    dma.recorder.close()
    works = [event for event in events(dma.path) if event.kind == Kind.WORK]
    assert len(works) == 4
    assert {work.cause for work in works} == {started}


def test_the_cause_is_the_access_that_made_it_work(dma: DmaTrace) -> None:
    """Bus master, when that came last; not an access while it works."""
    dma.descriptor(100_000)
    dma.engine.cfg_write(4, 2, 2)
    dma.start()
    assert not dma.engine.work()
    seq = dma.recorder.next_seq
    dma.engine.cfg_write(4, 2, 6)
    assert dma.engine.work()
    dma.start()
    dma.run()
    dma.recorder.close()
    assert {event.cause for event in events(dma.path) if event.kind == Kind.WORK} == {seq}


@pytest.mark.parametrize(("far", "cause"), [(0, 0), (1, None)])
def test_a_start_that_is_very_long_ago(dma: DmaTrace, far: int, cause: int | None) -> None:
    """Four thousand million events before the piece, more than a row can say."""
    dma.descriptor(100)
    dma.start()
    writer = dma.recorder.writer
    writer.roll()
    writer.first_seq = writer._halves[writer._active].first_seq = FARTHEST + far
    dma.engine._started = 0
    dma.run()
    dma.recorder.close()
    (work,) = (event for event in events(dma.path) if event.kind == Kind.WORK)
    assert work.seq == FARTHEST + far
    assert work.cause == cause


def test_it_waits_while_the_writer_is_behind(dma: DmaTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says that there is work, so that the loop comes again."""
    data = bytes(range(100))
    dma.memories[0].write(FROM, data)
    dma.descriptor(len(data))
    dma.start()
    seq = dma.recorder.next_seq
    with monkeypatch.context() as patch:
        patch.setattr(TraceWriter, "behind", True)
        assert dma.engine.work()
        assert dma.recorder.next_seq == seq
        assert dma.memories[2].read(TO, len(data)) == bytes(len(data))
    dma.run()
    assert dma.memories[2].read(TO, len(data)) == data
    assert not dma.engine.work()
    dma.recorder.close()


def test_memory_that_is_not_there(dma: DmaTrace) -> None:
    place = dma.descriptor(64, source=0x5000_0000)
    dma.start()
    dma.run()
    dma.recorder.close()
    assert dma.flags(place) == READ_FAILED
    work = next(event for event in events(dma.path) if event.kind == Kind.WORK)
    assert work.status == Status.REFUSED
    read = next(event for event in events(dma.path) if event.kind == Kind.MEM_READ and event.status)
    assert (read.status, read.data) == (Status.REFUSED, b"\xff" * 64)


def test_the_most_that_a_piece_can_do_fits_into_the_trace(dma: DmaTrace) -> None:
    for _ in range(COUNT):
        dma.descriptor(60_000, destination=0x5000_0000)
    dma.start()
    assert dma.run() >= COUNT // 2
    dma.recorder.close()
    assert sum(event.kind == Kind.WORK for event in events(dma.path)) >= COUNT // 2


def test_without_payload_descriptors_stay_and_data_does_not(tmp_path: Path) -> None:
    dma = DmaTrace(tmp_path / "a.ntbt", hashed=True)
    secret = b"secret " * 10
    dma.memories[0].write(FROM, secret)
    dma.descriptor(len(secret))
    dma.start()
    dma.run()
    dma.recorder.close()
    assert dma.memories[2].read(TO, len(secret)) == secret
    kept = [event for event in events(dma.path) if event.kind in (Kind.MEM_READ, Kind.MEM_WRITE)]
    assert kept[0].data is not None
    assert kept[0].data[8:12] == WINDOW.to_bytes(4, "little")
    assert kept[1].data == kept[2].data != secret
    assert kept[3].value == SUCCESS | len(secret)


def test_its_detach_leaves_the_guests_memory(dma: DmaTrace) -> None:
    dma.engine.detach("unplugged")
    window = dma.recorder.port(2)
    window.bar_read(0, 0, 4)
    assert dma.recorder.mem_read(0, FROM, 4) == bytes(4)
    dma.recorder.port(0).detach("gone")
    assert dma.recorder.mem_read(0, FROM, 4) == b"\xff" * 4


def test_its_lines_of_text(dma: DmaTrace) -> None:
    dma.descriptor(4)
    started = dma.start()
    dma.run()
    dma.recorder.close()
    with open_trace(dma.path) as trace:
        renderer = Renderer(trace.registers)
        lines = [renderer.line(event) for event in trace.events(0, trace.blocks[-1].last_seq)]
    assert lines[started].split()[2:4] == ["0.1", "mmio_write"]
    assert "PLX_CTRL" in lines[started]
    assert "WRITE_BACK_EN" in lines[started]
    assert lines[started + 1].split()[2:] == ["0.1", "work", "up", "to", "0x10000", "bytes", "<-", str(started)]
    assert any(line.split()[2:4] == ["0.1", "irq"] for line in lines)
