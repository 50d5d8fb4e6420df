# SPDX-License-Identifier: GPL-2.0-or-later
"""The known faults of the device that this model is measured against (FACTS 2), planted one at a time: each makes a
test fail that passes without it."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from device.host import Status
from device.idt import doorbells, interrupts, lut, temperature, windows
from device.idt.interrupts import INDBELLMSK, NTINTMSK
from device.plx import engine
from device.profile import PortProfile
from tests.device import (
    test_dma_engine,
    test_doorbells,
    test_interrupts,
    test_link,
    test_lut,
    test_temperature,
    test_windows,
)
from tests.device.dma import Dma
from tests.device.making import RICH, World, two

Patch = pytest.MonkeyPatch


def assign_bells(patch: Patch) -> None:
    def write_outdbellset(self: doorbells.Doorbells, number: int, value: int, lanes: int) -> None:
        self._change(value & lanes)

    patch.setattr(doorbells.Doorbells, "write_outdbellset", write_outdbellset)


def ignore_bell_masks(patch: Patch) -> None:
    right = interrupts.Interrupts.update_interrupts

    def update_interrupts(self: interrupts.Interrupts) -> None:
        mask, self.regs[INDBELLMSK] = self.regs[INDBELLMSK], 0
        right(self)
        self.regs[INDBELLMSK] = mask

    patch.setattr(interrupts.Interrupts, "update_interrupts", update_interrupts)


def share_the_interrupt_mask(patch: Patch) -> None:
    right = interrupts.Interrupts.write_interrupts

    def write_interrupts(self: interrupts.Interrupts, number: int, value: int, lanes: int) -> None:
        right(self, number, value, lanes)
        if number == NTINTMSK:
            for other in self.switch.endpoints.values():
                other.regs[NTINTMSK] = self.regs[NTINTMSK]

    patch.setattr(interrupts.Interrupts, "write_interrupts", write_interrupts)


def share_the_partition(patch: Patch) -> None:
    right = interrupts.Interrupts.__init__

    def init(self: interrupts.Interrupts, switch: object, profile: PortProfile) -> None:
        right(self, switch, profile)  # type: ignore[arg-type]
        self.partition = 0

    patch.setattr(interrupts.Interrupts, "__init__", init)


def keep_no_lut(patch: Patch) -> None:
    patch.setattr(lut.Lut, "write_lutdata", lambda self, number, value, lanes: None)


def take_every_bar_for_direct(patch: Patch) -> None:
    patch.setattr(windows, "TYPES", dict.fromkeys(windows.TYPES, windows.DIRECT))


def start_no_transfer(patch: Patch) -> None:
    patch.setattr(engine.Engine, "write_ctrl", engine.Engine.store)


def transfer_in_the_own_memory_only(patch: Patch) -> None:
    patch.setattr(windows.Windows, "reach", lambda self, address, length: None)


def feel_no_temperature(patch: Patch) -> None:
    patch.setattr(temperature.Temperature, "measure", lambda self: None)


def fail_at_closed_windows(patch: Patch) -> None:
    right = windows.Windows.way

    def way(self: windows.Windows, bar: int) -> windows.Way:
        found = right(self, bar)
        if found[3] == Status.CLOSED:
            raise RuntimeError("window is not set up")
        return found

    patch.setattr(windows.Windows, "way", way)


def let_pass_what_has_no_limit(patch: Patch) -> None:
    right = windows.Windows.way

    def way(self: windows.Windows, bar: int) -> windows.Way:
        found = right(self, bar)
        return (self.sizes[bar], 0, self.port, int(Status.OK)) if found[3] == Status.CLOSED else found

    patch.setattr(windows.Windows, "way", way)


def compare_limits_with_the_lower_half(patch: Patch) -> None:
    right = windows.Windows.bus_address
    patch.setattr(windows.Windows, "bus_address", lambda self, bar: right(self, bar) & 0xFFFF_FFFF)


def with_sensor() -> World:
    world = two()
    world.sw_put(0, "TMPCTL", 0)
    return world


class Fault(NamedTuple):
    plant: Callable[[Patch], None]
    test: Callable[[], None]
    error: type[Exception] = AssertionError


FAULTS = {
    "OUTDBELLSET assigns": Fault(assign_bells, test_doorbells.test_set_adds_bells_and_keeps_those_that_ring),
    "INDBELLMSK is ignored": Fault(ignore_bell_masks, test_doorbells.test_a_masked_bell_tells_nobody_at_that_port),
    "one interrupt mask for both sides": Fault(
        share_the_interrupt_mask, lambda: test_interrupts.test_masks_are_each_functions_own(test_interrupts.DBELL)
    ),
    "one partition for both ports: the status registers": Fault(
        share_the_partition, test_link.test_port_and_partition_status_are_the_profiles
    ),
    "one partition for both ports: where windows lead": Fault(
        share_the_partition, test_windows.test_the_target_partition_chooses_among_three_guests
    ),
    "no lookup table: entries are not kept": Fault(
        keep_no_lut, lambda: test_lut.test_the_words_of_an_entry_are_named_and_kept_apart(two(profile=RICH))
    ),
    "no lookup table: its BAR is a direct window": Fault(
        take_every_bar_for_direct, lambda: test_lut.test_each_entry_is_a_window_of_its_own(two(profile=RICH), 0, 2)
    ),
    "no DMA: nothing starts": Fault(start_no_transfer, lambda: test_dma_engine.test_a_copy(Dma())),
    "no DMA: windows are not seen": Fault(
        transfer_in_the_own_memory_only, lambda: test_dma_engine.test_through_a_window_to_the_peer(Dma())
    ),
    "no temperature": Fault(
        feel_no_temperature, lambda: test_temperature.test_it_keeps_the_lowest_and_the_highest(with_sensor())
    ),
    "a window before its set-up is an error": Fault(
        fail_at_closed_windows, test_windows.test_a_window_that_was_never_opened_is_closed, RuntimeError
    ),
    "a window before its set-up has effects": Fault(
        let_pass_what_has_no_limit, test_windows.test_a_window_that_was_never_opened_is_closed
    ),
    "a 64-bit BAR's limit has the wrong base": Fault(
        compare_limits_with_the_lower_half,
        lambda: test_lut.test_the_limit_of_a_wide_window_counts_from_all_64_bits_of_its_address(two(profile=RICH)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_makes_its_test_fail(fault: Fault, monkeypatch: Patch) -> None:
    fault.test()
    fault.plant(monkeypatch)
    with pytest.raises(fault.error):
        fault.test()
