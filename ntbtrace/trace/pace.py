# SPDX-License-Identifier: GPL-2.0-or-later
"""Pace: long work beside the thread that serves the guests is done in steps, and gives way after each."""

from collections.abc import Callable
from time import sleep

GIVE_WAY_S = 50e-6
PIECE = 256 << 10  # bytes that may be copied or written between two pauses: well under a millisecond

Pause = Callable[[], None]


def no_pause() -> None:
    """For work that nobody waits for."""


def give_way() -> None:
    """Let the other threads run: without a real pause, this one keeps the interpreter for up to 5 ms, and a core that
    it shares with another one for as long.
    """
    sleep(GIVE_WAY_S)
