# SPDX-License-Identifier: GPL-2.0-or-later
"""The DMA function as a PCI device: what a probe finds, BAR0, byte lanes, interrupts, who is there."""

import pytest

import device
from device.host import IrqMode, Status
from device.plx.registers import PLX
from tests.device.dma import (
    BAR,
    DONE_STATUS,
    ERROR_STATUS,
    INVALID_STATUS,
    Dma,
    config_read,
)
from tests.device.making import DEFAULT, MASTER, MEMORY, NO_INTX

COMMAND = PLX["PLX_PCICMDSTS"].offset


@pytest.fixture
def dma() -> Dma:
    return Dma()


def irqs(dma: Dma) -> list[tuple[object, ...]]:
    return [effect for effect in dma.effects() if effect[0] == "irq"]


def test_only_ports_with_an_engine_have_function_1(dma: Dma) -> None:
    assert set(dma.switch.functions) == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert set(device.create(DEFAULT, dma.host).functions) == {(0, 0), (2, 0)}


def test_what_a_probe_finds(dma: Dma) -> None:
    engine = dma.engine
    assert config_read(engine, "PLX_PCIID") == 0x87D0_10B5
    assert config_read(engine, "PLX_CLASSREV") >> 8 == 0x08_8000
    assert engine.cfg_read(0x0E, 1) == 0
    assert engine.cfg_read(0x34, 1) == 0x48
    assert engine.cfg_read(0x06, 2) & 0x10
    assert engine.cfg_read(0x48, 4) == 0x0081_0005
    assert engine.cfg_read(0x3D, 1) == 0
    engine.cfg_write(0x10, 4, 0xFFFF_FFFF)
    assert engine.cfg_read(0x10, 4) == 0xFFFF_C000
    for offset in (0x14, 0x18, 0x1C, 0x20, 0x24):
        engine.cfg_write(offset, 4, 0xFFFF_FFFF)
        assert engine.cfg_read(offset, 4) == 0
    engine.cfg_write(0x10, 4, BAR)
    assert (engine.bar_address(0), engine.bar_size(0)) == (BAR, 16384)
    assert (engine.bar_address(2), engine.bar_size(2)) == (None, 0)
    assert engine.msi_message() == (0xFEE0_1000, 0x4031)


def test_intx_mode_has_a_pin_and_no_capability() -> None:
    dma = Dma(IrqMode.INTX)
    assert (dma.engine.cfg_read(0x3D, 1), dma.engine.cfg_read(0x34, 1)) == (1, 0)
    assert dma.engine.cfg_read(0x06, 2) & 0x10 == 0
    assert dma.engine.cfg_read(0x48, 4) == 0


@pytest.mark.parametrize(("offset", "size"), [(0x100, 4), (0xFE, 4), (-4, 4), (0, 3), (0x238, 4)])
def test_no_such_configuration_space(dma: Dma, offset: int, size: int) -> None:
    dma.engine.cfg_write(offset, size, 0xFF)
    assert dma.status == Status.UNKNOWN
    assert dma.engine.cfg_read(offset, size) == 0
    assert dma.status == Status.UNKNOWN


def test_registers_are_found_by_their_names(dma: Dma) -> None:
    dma.set("DESC_RING_COUNT", 2048)
    assert dma.about() == (0, "PLX_DESC_RING_COUNT")
    assert dma.read("DESC_RING_COUNT") == 2048
    assert dma.read("PREF_LIMIT") == 8


@pytest.mark.parametrize("offset", [0x22C, 0x240, 0x3FFC, 0x4000])
def test_holes_and_ends_of_bar0(dma: Dma, offset: int) -> None:
    dma.engine.bar_write(0, offset, 4, 0xFFFF_FFFF)
    assert dma.engine.bar_read(0, offset, 4) == 0
    assert dma.status == Status.UNKNOWN


@pytest.mark.parametrize(("size", "answer"), [(1, 0xFF), (4, 0xFFFF_FFFF), (3, 0)])
def test_a_closed_bar_reads_ones(dma: Dma, size: int, answer: int) -> None:
    assert dma.engine.bar_read(2, 0, size) == answer
    assert dma.status == Status.UNKNOWN
    dma.engine.cfg_write(COMMAND, 2, MASTER)
    assert dma.engine.bar_read(0, 0x214, size) == answer
    assert dma.status == Status.DISABLED
    dma.engine.bar_write(0, 0x214, 4, 0x5555)
    assert dma.status == Status.DISABLED
    dma.engine.cfg_write(COMMAND, 2, MEMORY | MASTER)
    assert dma.read("DESC_RING_ADDR") == 0x1000


def test_ctrl2_is_the_upper_half_of_ctrl(dma: Dma) -> None:
    dma.engine.bar_write(0, 0x23A, 2, 2)
    assert dma.read("CTRL") == 0x2_0000
    dma.engine.bar_write(0, 0x238, 2, 0x44)
    assert dma.read("CTRL") == 0x2_0044
    assert (dma.engine.bar_read(0, 0x238, 2), dma.engine.bar_read(0, 0x23A, 2)) == (0x44, 2)


def test_start_is_in_the_lower_half_only(dma: Dma) -> None:
    dma.engine.bar_write(0, 0x23A, 2, 0xFFFF)
    dma.engine.bar_write(0, 0x239, 1, 0xFF)
    assert not dma.engine.active
    dma.engine.bar_write(0, 0x238, 1, 0x48)
    assert dma.engine.active
    assert dma.read("CTRL") & 0x4000_0048 == 0x4000_0040


def test_a_status_that_rises_is_an_msi_once(dma: Dma) -> None:
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == [("irq", 0, 0, 1)]
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == []
    assert dma.intr_status == DONE_STATUS
    dma.acknowledge(DONE_STATUS)
    assert dma.intr_status == 0
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == [("irq", 0, 0, 1)]


def test_other_events_interrupt_when_they_are_enabled(dma: Dma) -> None:
    dma.engine.raise_events(ERROR_STATUS | INVALID_STATUS)
    assert (irqs(dma), dma.intr_status) == ([], ERROR_STATUS | INVALID_STATUS)
    dma.engine.bar_write(0, 0x23C, 2, 0xFFFF)
    assert dma.engine.bar_read(0, 0x23C, 2) == 0x3B
    assert irqs(dma) == [("irq", 0, 0, 1)] * 2
    dma.acknowledge(INVALID_STATUS)
    assert dma.intr_status == ERROR_STATUS
    dma.engine.raise_events(INVALID_STATUS)
    assert irqs(dma) == [("irq", 0, 0, 1)]


@pytest.mark.parametrize("closed", ["msi", "master"])
def test_what_rose_meanwhile_goes_out_when_it_can(dma: Dma, closed: str) -> None:
    at, value = (0x4A, 1) if closed == "msi" else (COMMAND, MEMORY | MASTER)
    dma.engine.cfg_write(at, 2, value & ~(1 | MASTER))
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == []
    dma.engine.cfg_write(at, 2, value)
    assert irqs(dma) == [("irq", 0, 0, 1)]


def test_intx_is_the_level() -> None:
    dma = Dma(IrqMode.INTX)
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == [("irq", 0, 1, 1)]
    assert dma.engine.cfg_read(0x06, 2) & 8
    dma.engine.cfg_write(COMMAND, 2, MEMORY | MASTER | NO_INTX)
    assert irqs(dma) == [("irq", 0, 0, 1)]
    dma.engine.cfg_write(COMMAND, 2, MEMORY | MASTER)
    assert irqs(dma) == [("irq", 0, 1, 1)]
    dma.acknowledge()
    assert irqs(dma) == [("irq", 0, 0, 1)]
    assert dma.engine.cfg_read(0x06, 2) & 8 == 0


def test_a_reset_takes_line_and_registers_down() -> None:
    dma = Dma(IrqMode.INTX)
    dma.engine.raise_events(DONE_STATUS)
    dma.effects()
    dma.engine.reset()
    assert irqs(dma) == [("irq", 0, 0, 1)]
    assert [dma.engine.regs[dma.engine.index[f"PLX_{name}"]] for name in ("CTRL", "INTR", "DESC_RING_COUNT")] == [0] * 3
    assert dma.engine.attached


def test_nobody_is_interrupted_when_nobody_is_there(dma: Dma) -> None:
    dma.engine.detach()
    assert not dma.engine.attached
    dma.engine.cfg_write(0x4A, 2, 1)
    dma.engine.cfg_write(COMMAND, 2, MASTER)
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == []
    dma.engine.attach(IrqMode.INTX)
    dma.engine.detach()
    dma.engine.raise_events(DONE_STATUS)
    assert irqs(dma) == []


def test_a_guest_that_comes_again_finds_the_line_down() -> None:
    dma = Dma(IrqMode.INTX)
    dma.engine.raise_events(DONE_STATUS)
    dma.effects()
    dma.engine.attach(IrqMode.MSI)
    assert irqs(dma) == []
    assert dma.engine.level == 0


def test_every_row_says_where_it_is_from() -> None:
    assert PLX.places[0].id == 0xC01
    inferred = [row.name for row in PLX.rows if "inferred" in row.source + row.doc]
    assert {"PLX_DESC_RING_LAST_ADDR", "PLX_DESC_RING_LAST_SIZE", "PLX_PREF_LIMIT", "PLX_MSICAP"} <= set(inferred)
    ring = PLX["PLX_DESC_RING_ADDR"].register
    assert [field.reset for field in ring.fields] == [None]
