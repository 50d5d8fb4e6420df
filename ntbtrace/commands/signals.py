# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C, SIGTERM and a hang-up for commands that end in good order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupt:
    """`asked`: somebody wants the command to end."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked


@contextmanager
def on_interrupt() -> Iterator[Interrupt]:
    """While this lasts, an interrupt is noted and nothing else. A hang-up that is ignored (nohup) stays so."""
    interrupt = Interrupt()

    def handler(number: int, frame: FrameType | None) -> None:
        interrupt.asked = True

    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    wanted = [number for number in SIGNALS if not (nohup and number == signal.SIGHUP)]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield interrupt
    finally:
        for number, old in before.items():
            signal.signal(number, old)
