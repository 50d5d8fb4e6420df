# SPDX-License-Identifier: GPL-2.0-or-later
"""The workloads of `ntbtrace record`: what each does, who can do it, and the switch that it needs.

What guests in QEMU do is in image/workloads/NAME.sh, what simulated ones do in clients.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import device
from device.profile import WINDOW_TYPES
from ntbtrace.errors import SetupError

LUT_AND_DIRECT = {"BAR0": "registers", "BAR2": {"size": "16K", "type": "lut12"}, "BAR4": "64K"}
DRIVER_WINDOWS = 29  # ntb_hw_idt.h: IDT_MAX_NR_MWS
MESSAGE_REGISTERS = 4  # of a port; `three` gives each guest one
ANY, PEERS, PAIR = (1, 8), (2, 8), (2, 2)  # ports with guests, at least and at most; a chip has eight partitions
MOST_COUNT = (1 << 31) - 1  # as --count: what a kernel module's parameter and a guest's shell can count to
MOST_SIZE = 1 << 30  # bytes, as --size: ntb_tool and dmatest take 32 bits of it
DRIVER_BAR = 1 << 30  # bytes: idt_scan_mws keeps the size in an int


def check_driver(profile: device.Profile) -> None:
    """Raise SetupError for windows with which Linux's ntb_hw_idt refuses the device, or goes wrong."""
    for port in profile.ports:
        count = sum(WINDOW_TYPES[window.type].windows for window in port.windows.values())
        if count > DRIVER_WINDOWS:
            raise SetupError(
                f"port {port.number} has {count} windows: Linux's ntb_hw_idt takes {DRIVER_WINDOWS} at most; "
                "take a smaller lookup table, or your own driver with --kernel"
            )
        for bar, window in port.windows.items():
            if window.size > DRIVER_BAR:
                raise SetupError(
                    f"port {port.number} BAR{bar}: Linux's ntb_hw_idt takes windows of {DRIVER_BAR:#x} bytes at most, "
                    f"not {window.size:#x}; take a smaller one, or your own driver with --kernel"
                )


@dataclass(frozen=True)
class Workload:
    """`count`: its default --count, `doc` says of what; `order`: its default --size as a power of two (guests in QEMU).

    `profile`: the mapping of the switch that it needs, None for the default one. `dma`: its ports need DMA engines.
    `ports`: how many of them it needs, at least and at most. `one_vm`: they all sit in one VM. `by_itself`: it ends
    without a person.
    """

    name: str
    doc: str
    count: int = 1
    order: int = 20
    simulated: bool = False
    profile: Mapping[str, Any] | None = None
    dma: bool = False
    ports: tuple[int, int] = PEERS
    one_vm: bool = False
    by_itself: bool = True

    def default_profile(self) -> device.Profile:
        return device.DEFAULT if self.profile is None else device.Profile.from_mapping(self.profile)

    def check(self, profile: device.Profile) -> None:
        """Raise SetupError for a switch on which guests in QEMU cannot do it."""
        without = [port.number for port in profile.ports if not port.dma]
        if self.dma and without:
            raise SetupError(f"--workload {self.name} needs `dma = true` at each port, not ports {without} without it")

    def check_ports(self, profile: device.Profile) -> None:
        """Raise SetupError for a switch with fewer or more guests than our image's script for it deals with."""
        least, most = self.ports
        if not least <= len(profile.ports) <= most:
            wanted = f"{least} ports" if least == most else f"{least} to {most} ports"
            raise SetupError(f"--workload {self.name} needs a switch with {wanted}, not {len(profile.ports)}")


def _switch(ports: int, **settings: Any) -> dict[str, Any]:
    """A profile's mapping: the first `ports` ports of the default chip, each with `settings`."""
    return {"port": [{"number": 2 * i, "partition": i, **settings} for i in range(ports)]}


_ALL = (
    Workload("pingpong", "ntb_pingpong until each guest has counted COUNT", count=10, simulated=True),
    Workload("perf", "ntb_perf copies SIZE bytes, as Linux 6.1 has it: into a closed window", simulated=True),
    Workload("perf-fixed", "the same with our one-line patch: the bytes arrive"),
    Workload("perf-dma", "perf-fixed, then the same copy by a DMA engine", profile=_switch(2, dma=True), dma=True),
    Workload(
        "dmatest",
        "the kernel's dmatest: COUNT verified copies in buffers of SIZE bytes",
        count=5000,
        order=12,
        profile=_switch(1, dma=True),
        dma=True,
        ports=ANY,
    ),
    Workload(
        "tool",
        "ntb_tool: bells, masks, messages, link down and up, SIZE bytes of every window written and read both ways",
        order=12,
        profile=_switch(2, bars=LUT_AND_DIRECT),
        ports=PAIR,
    ),
    Workload("selftest", "the kernel's ntb_test.sh in loopback, COUNT times", count=5, ports=PAIR, one_vm=True),
    Workload("reload", "the first port removes and inserts the NTB modules COUNT times", count=50, ports=PAIR),
    Workload("reboot", "the first port restarts COUNT times, with ping-pong in between", count=5),
    Workload("storm", "COUNT bells, messages and window writes from both sides at once", count=300, ports=PAIR),
    Workload(
        "three", "three guests, messages and bells from each to each", profile=_switch(3), ports=(2, MESSAGE_REGISTERS)
    ),
    Workload("shell", "a shell on each console, for `ntbtrace console`", ports=ANY, by_itself=False),
)
WORKLOADS = {workload.name: workload for workload in _ALL}
