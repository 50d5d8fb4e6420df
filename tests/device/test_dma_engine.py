# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine does what plx_dma.c relies on: copies, write-back, the ring, pause and abort; and it is bounded."""

import pytest

from device.host import Inject, Status
from device.plx.engine import LAPS, MAX_COUNT, PIECE_BYTES, PIECE_STEPS
from tests.device.dma import (
    ABORT,
    ABORT_DONE,
    ABORT_STATUS,
    COUNT,
    DONE_STATUS,
    ERROR_STATUS,
    FROM,
    IN_PROGRESS,
    INT,
    INVALID,
    INVALID_STATUS,
    OFF_CHIP,
    PAUSE,
    PAUSE_DONE,
    PAUSE_STATUS,
    RAM,
    READ_FAILED,
    RESET_VAL,
    RING,
    SIZE,
    START,
    START_VAL,
    STOP_AT_END,
    SUCCESS,
    TO,
    VALID,
    WRITE_BACK,
    WRITE_FAILED,
    Dma,
)
from tests.device.making import MASTER, MEMORY


@pytest.fixture
def dma() -> Dma:
    return Dma()


def irqs(dma: Dma) -> int:
    return sum(effect[0] == "irq" for effect in dma.effects())


def test_a_copy(dma: Dma) -> None:
    data = dma.fill(1000)
    number = dma.descriptor(1000)
    dma.start()
    assert dma.effects() == []
    assert dma.read("CTRL") & IN_PROGRESS
    assert dma.run() == 1
    assert dma.guests.ram[0][TO : TO + 1000] == data
    assert dma.written_back(number) == SUCCESS | 1000
    place = RING + 16 * number
    assert dma.effects() == [
        ("dma_read", 0, place, 16, True),
        ("dma_read", 0, FROM, 1000, False),
        ("dma_write", 0, TO, data, False),
        ("dma_write", 0, place, (SUCCESS | 1000).to_bytes(4, "little"), True),
        ("irq", 0, 0, 1),
        ("dma_read", 0, place + 16, 16, True),
    ]
    assert dma.intr_status == DONE_STATUS | INVALID_STATUS
    assert dma.read("CTRL") == WRITE_BACK | OFF_CHIP | INVALID
    assert (dma.read("DESC_RING_LAST_ADDR"), dma.read("DESC_RING_LAST_SIZE")) == (place, 1000)
    assert dma.read("DESC_RING_NEXT_ADDR") == place + 16


def test_work_is_about_ctrl(dma: Dma) -> None:
    dma.start()
    dma.engine.work(PIECE_BYTES)
    assert (dma.about(), dma.status) == ((0, "PLX_CTRL"), Status.OK)


def test_nobody_is_told_who_did_not_ask(dma: Dma) -> None:
    dma.descriptor(8, flags=VALID)
    dma.start()
    dma.run()
    assert irqs(dma) == 0
    assert dma.intr_status == INVALID_STATUS


def test_the_ring_goes_round(dma: Dma) -> None:
    for turn in range(3 * COUNT + 1):
        dma.guests.ram[0][FROM] = turn
        number = dma.descriptor(1)
        assert number == turn % COUNT
        dma.start()
        dma.run()
        assert dma.written_back(number) == SUCCESS | 1
        assert dma.guests.ram[0][TO] == turn
        dma.acknowledge()
    assert irqs(dma) == 3 * COUNT + 1


def test_a_ring_that_is_full_but_for_one(dma: Dma) -> None:
    numbers = [dma.descriptor(100, destination=TO + 100 * i) for i in range(COUNT - 1)]
    dma.start()
    dma.run()
    assert [dma.written_back(number) for number in numbers] == [SUCCESS | 100] * (COUNT - 1)
    assert irqs(dma) == 1, "the status was not cleared in between"


def test_a_descriptor_that_comes_while_it_runs(dma: Dma) -> None:
    dma.descriptor(2 * PIECE_BYTES)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    second = dma.descriptor(4)
    dma.start()
    dma.run()
    assert dma.written_back(second) == SUCCESS | 4


def test_high_addresses_of_the_ring(dma: Dma) -> None:
    dma.set("DESC_RING_ADDR_HI", 0x12)
    dma.set("DESC_RING_ADDR", 0xFFFF_FFF0)
    dma.set("DESC_RING_NEXT_ADDR", 0)
    dma.start()
    dma.run()
    assert dma.effects() == [("dma_read", 0, 0x13_0000_0000, 16, True)]


def test_a_descriptor_of_many_pieces(dma: Dma) -> None:
    size = 3 * PIECE_BYTES + 5
    data = dma.fill(size)
    number = dma.descriptor(size)
    dma.start()
    copied = []
    while dma.engine.active:
        dma.engine.work(PIECE_BYTES)
        copied.append(sum(len(e[3]) for e in dma.effects() if e[0] == "dma_write" and not e[4]))  # type: ignore[arg-type]
    assert copied == [PIECE_BYTES] * 3 + [5]
    assert dma.guests.ram[0][TO : TO + size] == data
    assert dma.written_back(number) == SUCCESS | size


@pytest.mark.parametrize("budget", [1, 7, 4096, PIECE_BYTES, 1 << 63])
def test_a_piece_keeps_to_its_budget(dma: Dma, budget: int) -> None:
    dma.descriptor(4 * PIECE_BYTES if budget >= PIECE_BYTES else 3 * budget)
    dma.start()
    dma.effects()
    dma.engine.work(budget)
    copied = [e for e in dma.effects() if e[0] == "dma_write" and not e[4]]
    assert sum(len(e[3]) for e in copied) == min(budget, PIECE_BYTES)  # type: ignore[arg-type]


@pytest.mark.parametrize("budget", [0, -5])
def test_a_budget_of_nothing_copies_nothing(dma: Dma, budget: int) -> None:
    dma.descriptor(4)
    dma.start()
    for _ in range(3):
        dma.engine.work(budget)
    assert dma.effects() == [("dma_read", 0, RING, 16, True)]


def test_a_piece_has_sixteen_small_descriptors(dma: Dma) -> None:
    count = 256
    dma.set("DESC_RING_COUNT", count)
    for number in range(40):
        dma.put_descriptor(number, 4, FROM, TO, VALID)
    dma.start()
    fetched = []
    while dma.engine.active:
        dma.engine.work(PIECE_BYTES)
        fetched.append(sum(e[0] == "dma_read" and e[3] == 16 for e in dma.effects()))
    assert fetched == [PIECE_STEPS // 2] * 2 + [40 - PIECE_STEPS + 1]


def test_without_write_back_the_descriptor_stays(dma: Dma) -> None:
    number = dma.descriptor(4)
    dma.put_descriptor(1, 0, 0, 0, 0)
    dma.start(START_VAL & ~WRITE_BACK)
    dma.run()
    assert dma.written_back(number) == VALID | INT | 4
    assert dma.intr_status == DONE_STATUS | INVALID_STATUS


def test_ring_stop_mode_stops_at_the_end(dma: Dma) -> None:
    for _ in range(COUNT):
        dma.descriptor(1, flags=VALID)
    dma.start(START_VAL | STOP_AT_END)
    dma.run()
    assert [dma.written_back(number) for number in range(COUNT)] == [SUCCESS | 1] * COUNT
    assert dma.read("CTRL") == WRITE_BACK | OFF_CHIP | STOP_AT_END
    assert dma.intr_status == 0


# Places


def test_through_a_window_to_the_peer(dma: Dma) -> None:
    data = dma.fill(100)
    window = dma.open_window(address=0x4_0000)
    number = dma.descriptor(100, destination=window + 0x10)
    dma.start()
    dma.effects()
    dma.run()
    assert dma.guests.ram[2][0x4_0010 : 0x4_0010 + 100] == data
    assert dma.written_back(number) == SUCCESS | 100
    assert ("dma_write", 2, 0x4_0010, data, False) in dma.effects()


def test_from_a_window_of_the_peer(dma: Dma) -> None:
    window = dma.open_window(address=0x4_0000)
    dma.guests.ram[2][0x4_0000:0x4_0004] = b"abcd"
    dma.descriptor(4, source=window)
    dma.start()
    dma.run()
    assert dma.guests.ram[0][TO : TO + 4] == b"abcd"


@pytest.mark.parametrize(("source", "result"), [(True, READ_FAILED), (False, WRITE_FAILED)])
def test_over_the_end_of_a_window(dma: Dma, source: bool, result: int) -> None:
    """What lies within it is copied; where the rest would go says the status."""
    window = dma.open_window(size=0x1000)
    place = window + 0x1000 - 24
    number = dma.descriptor(100, **({"source": place} if source else {"destination": place}))
    dma.start()
    dma.engine.work(PIECE_BYTES)
    assert dma.written_back(number) == result | 24
    assert dma.status == Status.LIMIT
    assert dma.intr_status == DONE_STATUS | ERROR_STATUS | INVALID_STATUS
    assert dma.read("DESC_RING_LAST_SIZE") == 24


def test_a_window_that_is_closed(dma: Dma) -> None:
    number = dma.descriptor(4, destination=0xFD00_0000)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    assert (dma.written_back(number), dma.status) == (WRITE_FAILED, Status.CLOSED)


def test_the_engine_does_not_reach_registers(dma: Dma) -> None:
    number = dma.descriptor(4, source=0xFE00_0000)
    dma.start()
    dma.run()
    assert dma.written_back(number) == READ_FAILED


@pytest.mark.parametrize(
    ("source", "destination", "result"),
    [(RAM, TO, READ_FAILED), (FROM, RAM - 3, WRITE_FAILED), (0xFFFF_FFFF_FFFF, TO, READ_FAILED),
     (FROM, 0xFFFF_FFFF_FFFF, WRITE_FAILED)],
)  # fmt: skip
def test_addresses_of_nothing(dma: Dma, source: int, destination: int, result: int) -> None:
    first = dma.descriptor(4, source, destination)
    second = dma.descriptor(4)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    assert dma.status == Status.REFUSED
    assert dma.written_back(first) == result
    assert dma.written_back(second) == SUCCESS | 4, "the engine goes on"
    assert dma.intr_status == DONE_STATUS | ERROR_STATUS | INVALID_STATUS


def test_no_bytes(dma: Dma) -> None:
    number = dma.descriptor(0)
    dma.start()
    dma.run()
    assert dma.written_back(number) == READ_FAILED
    assert dma.intr_status & ERROR_STATUS


def test_as_many_bytes_as_a_descriptor_can_say(dma: Dma) -> None:
    number = dma.descriptor(SIZE, source=0, destination=FROM)
    dma.start()
    pieces = dma.run()
    assert pieces <= RAM // PIECE_BYTES + 1
    assert dma.written_back(number) == WRITE_FAILED | RAM - FROM


# Stopping


def test_what_plx_dma_stop_expects(dma: Dma) -> None:
    """__plx_dma_stop: it leaves an idle engine alone, waits for the pause, and knows a paused one again."""
    dma.descriptor(2 * PIECE_BYTES)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    dma.set("CTRL", RESET_VAL | PAUSE)
    assert dma.read("CTRL") & PAUSE_DONE == 0, "the descriptor is not done"
    assert dma.run() == 1
    assert dma.read("CTRL") == PAUSE | PAUSE_DONE
    assert dma.written_back(0) == SUCCESS | 2 * PIECE_BYTES, "as it was at START"
    assert dma.intr_status & PAUSE_STATUS
    dma.set("CTRL", RESET_VAL | PAUSE)
    for name in ("COUNT", "ADDR", "ADDR_HI", "NEXT_ADDR"):
        dma.set(f"DESC_RING_{name}", 0)
    assert dma.read("CTRL") & ~PAUSE == 0


def test_a_pause_of_an_idle_engine_is_done_at_once(dma: Dma) -> None:
    dma.start()
    dma.run()
    dma.set("CTRL", RESET_VAL | PAUSE)
    assert dma.read("CTRL") == PAUSE | PAUSE_DONE
    dma.start(START_VAL | PAUSE)
    assert not dma.engine.active
    dma.descriptor(4)
    dma.start()
    assert dma.engine.active
    dma.run()
    assert dma.written_back(0) == SUCCESS | 4


def test_a_pause_between_two_descriptors(dma: Dma) -> None:
    first, second = dma.descriptor(PIECE_BYTES), dma.descriptor(4)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    dma.set("CTRL", RESET_VAL | PAUSE | WRITE_BACK | OFF_CHIP)
    assert not dma.engine.active
    assert (dma.written_back(first), dma.written_back(second)) == (SUCCESS | PIECE_BYTES, VALID | INT | 4)
    dma.start()
    dma.run()
    assert dma.written_back(second) == SUCCESS | 4


def test_an_abort_forgets_the_descriptor(dma: Dma) -> None:
    number = dma.descriptor(2 * PIECE_BYTES)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    dma.set("CTRL", ABORT)
    assert not dma.engine.active
    assert dma.read("CTRL") == ABORT | ABORT_DONE
    assert dma.intr_status & ABORT_STATUS
    assert dma.written_back(number) == VALID | INT | 2 * PIECE_BYTES
    dma.start(START_VAL | ABORT)
    assert not dma.engine.active


def test_work_of_an_idle_engine_is_nothing(dma: Dma) -> None:
    dma.engine.work(PIECE_BYTES)
    assert (dma.status, dma.effects()) == (Status.DISABLED, [])


def test_without_bus_master_it_stands_still(dma: Dma) -> None:
    number = dma.descriptor(4)
    dma.engine.cfg_write(4, 2, MEMORY)
    dma.start()
    assert not dma.engine.active
    dma.engine.work(PIECE_BYTES)
    assert (dma.status, dma.effects()) == (Status.DISABLED, [])
    dma.engine.cfg_write(4, 2, MEMORY | MASTER)
    assert dma.engine.active
    dma.run()
    assert dma.written_back(number) == SUCCESS | 4


@pytest.mark.parametrize("end", ["reset", "detach", "hot reset of the port"])
def test_a_reset_ends_it(dma: Dma, end: str) -> None:
    dma.descriptor(2 * PIECE_BYTES)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    dma.switch.inject(2, Inject.HOT_RESET, 0, 0)
    assert dma.engine.active, "another port's"
    if end.startswith("hot"):
        dma.switch.inject(0, Inject.HOT_RESET, 0, 0)
    else:
        getattr(dma.engine, end)()
    assert not dma.engine.active
    assert dma.engine.flags == 0
    assert dma.status == Status.OK


# Rings that a driver does not make


@pytest.mark.parametrize("count", [0, MAX_COUNT + 1, 0xFFFF_FFFF])
def test_an_absurd_count(dma: Dma, count: int) -> None:
    dma.set("DESC_RING_COUNT", count)
    dma.start()
    assert not dma.engine.active
    assert dma.intr_status == ERROR_STATUS
    assert dma.effects() == []


@pytest.mark.parametrize("mode", [0, 1 << 5, 3 << 5])
def test_other_modes_are_errors(dma: Dma, mode: int) -> None:
    dma.start(START | WRITE_BACK | mode)
    assert not dma.engine.active
    assert dma.intr_status == ERROR_STATUS


@pytest.mark.parametrize("place", [RING - 16, RING + 16 * COUNT, RING + 4, 0])
def test_a_next_descriptor_outside_the_ring(dma: Dma, place: int) -> None:
    dma.set("DESC_RING_NEXT_ADDR", place)
    dma.start()
    dma.engine.work(PIECE_BYTES)
    assert (dma.status, dma.intr_status, dma.effects()) == (Status.REFUSED, ERROR_STATUS, [])
    assert not dma.engine.active


def test_a_count_that_changes_while_it_runs(dma: Dma) -> None:
    dma.start()
    dma.set("DESC_RING_COUNT", MAX_COUNT + 1)
    dma.run()
    assert dma.intr_status == ERROR_STATUS


def test_a_ring_that_is_not_memory(dma: Dma) -> None:
    dma.set("DESC_RING_ADDR", RAM)
    dma.set("DESC_RING_NEXT_ADDR", RAM)
    dma.start()
    dma.run()
    assert dma.intr_status == ERROR_STATUS


def test_a_ring_that_cannot_be_written(dma: Dma) -> None:
    dma.descriptor(4)
    dma.guests.sealed = range(RING, RING + 16 * COUNT)
    dma.start()
    dma.run()
    assert dma.intr_status == ERROR_STATUS, "nobody can be told that the descriptor is done"
    assert irqs(dma) == 0


def test_a_ring_that_never_ends(dma: Dma) -> None:
    for _ in range(COUNT):
        dma.descriptor(4, flags=VALID)
    dma.start(START_VAL & ~WRITE_BACK)
    dma.run()
    assert dma.intr_status == ERROR_STATUS
    assert sum(e[0] == "dma_read" and e[3] == 16 for e in dma.effects()) == LAPS * COUNT


def test_a_ring_that_makes_its_own_descriptors(dma: Dma) -> None:
    """Two descriptors, each of which writes the other one anew."""
    template = FROM
    dma.set("DESC_RING_COUNT", 2)
    for number in (0, 1):
        other = RING + 16 * (1 - number)
        dma.put_descriptor(number, 16, template + 16 * (1 - number), other, VALID)
        dma.guests.ram[0][template + 16 * number : template + 16 * number + 16] = dma.guests.ram[0][
            RING + 16 * number : RING + 16 * number + 16
        ]
    dma.start()
    dma.run()
    assert dma.intr_status == ERROR_STATUS


def test_effects_of_a_piece_are_bounded(dma: Dma) -> None:
    """Chunks of 16 bytes, as the parts of a small lookup table make them."""
    dma.engine.reach = lambda address, length: (0, 0, address, min(length, 16))
    dma.descriptor(4096)
    dma.start()
    dma.effects()
    counts = []
    while dma.engine.active:
        dma.engine.work(PIECE_BYTES)
        counts.append(len(dma.effects()))
    assert len(counts) == 4096 // 16 // PIECE_STEPS + 1
    assert max(counts) <= 3 * PIECE_STEPS
