# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the model takes to write its whole state, as each block of a trace and each seek does."""

import sys
from statistics import median
from time import perf_counter_ns

import device
from table import Figure, report

ROUNDS = 2000
MOST_MICROSECONDS = 100


class NoHost:
    """A machine without memory and without interrupts."""

    def mem_read(self, port: int, address: int, length: int) -> bytes:
        return b"\xff" * length

    def mem_write(self, port: int, address: int, data: bytes) -> None:
        pass

    def dma_read(self, port: int, address: int, length: int, control: bool = False) -> bytes | None:
        return None

    def dma_write(self, port: int, address: int, data: bytes, control: bool = False) -> bool:
        return False

    def irq(self, port: int, value: int, function: int = 0) -> None:
        pass


def measure() -> list[Figure]:
    switch = device.create(device.DEFAULT, NoHost())
    restored = device.create(device.DEFAULT, NoHost())
    times: dict[str, list[int]] = {"snapshot": [], "restore": []}
    for value in range(ROUNDS):
        for endpoint in switch.endpoints.values():
            endpoint.bar_write(0, 4 * (value % 1024), 4, value * 0x9E37_79B1 & 0xFFFF_FFFF)
        start = perf_counter_ns()
        data = switch.snapshot()
        between = perf_counter_ns()
        restored.restore(data)
        times["snapshot"].append(between - start)
        times["restore"].append(perf_counter_ns() - between)
    return [
        Figure("snapshot of the switch", median(times["snapshot"]) / 1000, "us", MOST_MICROSECONDS, at_most=True),
        Figure("restore of the switch", median(times["restore"]) / 1000, "us"),
    ]


if __name__ == "__main__":
    sys.exit(report(measure()))
