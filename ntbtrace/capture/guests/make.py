# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests of a recording, one for each port of its switch: simulated ones, or Linux in QEMU."""

from collections.abc import Callable, Sequence
from pathlib import Path

import device
from device.profile import WINDOW_TYPES, PortProfile
from ntbtrace.capture.guest_pc.guest import Annotator, CodeFinder
from ntbtrace.capture.guests.clients import CLIENTS, Work
from ntbtrace.capture.guests.driver import IdtDriver
from ntbtrace.capture.guests.names import RegisterNames
from ntbtrace.capture.guests.qemu import QemuGuest, QemuSpec
from ntbtrace.capture.guests.simulated import SimulatedGuest
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.capture.recorder import Recorder
from ntbtrace.errors import SetupError


def check_simulated(profile: device.Profile, workload: str, work: Work) -> None:
    """Raise SetupError for a workload that simulated guests cannot do on such a switch."""
    if workload not in CLIENTS:
        names = ", ".join(sorted(CLIENTS))
        raise SetupError(f"--workload {workload} needs --guests qemu; simulated guests do {names}")
    if len(profile.ports) < 2:
        raise SetupError(f"simulated guests need a switch with two ports or more, not {len(profile.ports)}")
    if workload == "perf":
        if len(profile.ports) != 2:
            raise SetupError(f"--workload perf of simulated guests needs two ports, not {len(profile.ports)}")
        window = min(_first_window(port) for port in profile.ports)
        if not 4 <= work.size <= window or work.size % 4:
            raise SetupError(
                f"--size must be a multiple of 4 up to the ports' first windows of {window} bytes, not {work.size}"
            )


def _first_window(port: PortProfile) -> int:
    """Bytes of the first window that the driver finds; 0 if there is none."""
    for _, window in sorted(port.windows.items()):
        return window.size // WINDOW_TYPES[window.type].parts
    return 0


def simulated_guests(recorder: Recorder, workload: str, work: Work, seed: int) -> list[SimulatedGuest]:
    """Guests that are powered on and wait for their first step. What check_simulated refuses must not come here."""
    profile = recorder.switch.profile
    names = RegisterNames(device.register_table(profile))
    guests = []
    for port in recorder.ports.values():
        guest = SimulatedGuest(port, names, seed)
        driver = IdtDriver(guest, list(profile.chip_ports))
        guest.power_on(CLIENTS[workload](guest, driver, work).life())
        guests.append(guest)
    return guests


def qemu_guests(
    recorder: Recorder, loop: Loop, spec: QemuSpec, rundir: Path, words: list[str], *, one_vm: bool,
    finder: Callable[[Sequence[Port]], CodeFinder] | None = None,
) -> list[QemuGuest]:  # fmt: skip
    """Guests that are still off, one for each port or `one_vm` for all; `words` go to their kernels' command lines.
    `finder` makes what finds the code of a guest's accesses.
    """
    each = [[door for door in recorder.doors.values() if door.number == number] for number in recorder.ports]
    groups = [[door for doors in each for door in doors]] if one_vm else each
    codes = [None if finder is None else finder(doors) for doors in groups]
    if finder is not None:
        recorder.writer.annotator = Annotator([code for code in codes if code is not None])
    return [
        QemuGuest(doors, loop, spec, rundir, " ".join([*words, f"ntbtrace.port={doors[0].number}"]), code)
        for doors, code in zip(groups, codes, strict=True)
    ]
