# SPDX-License-Identifier: GPL-2.0-or-later
"""Pace: long work beside the thread that serves the guests is done in steps, and gives way between them."""

from collections.abc import Callable
from time import monotonic, sleep

WORK_S = 30e-6  # that may be done without a rest, besides the step at hand: none takes as long as a millisecond
REST_S = 50e-6
PIECE = 256 << 10  # bytes that may be copied or written in a step

Pause = Callable[[], None]


def no_pause() -> None:
    """For work that nobody waits for."""


def give_way() -> None:
    """Let the other threads run: without a real pause, this one keeps the interpreter for up to 5 ms, and a core that
    it shares with another one for as long.
    """
    sleep(REST_S)


class Pace:
    """Called after each step: gives way when that is due. For one thread."""

    def __init__(self) -> None:
        self._since = monotonic()

    def __call__(self) -> None:
        if monotonic() - self._since >= WORK_S:
            give_way()
            self._since = monotonic()
