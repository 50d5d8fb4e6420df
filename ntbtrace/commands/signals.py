# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C and SIGTERM for commands that end in good order."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """While this lasts, an interrupt calls `stop`, which must only note it."""

    def handler(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
