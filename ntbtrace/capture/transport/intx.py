# SPDX-License-Identifier: GPL-2.0-or-later
"""IntxSink: a level interrupt by two eventfds (KVM's irqfd): one asserts, the other says the guest acknowledged."""

import contextlib
import os

from ntbtrace.capture.loop import Loop

_ONE = (1).to_bytes(8, "little")


class IntxSink:
    """`deliver(level)`. While the level is 1, every acknowledgement is answered by asserting again."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._assert = -1
        self._resample = -1
        self._level = 0

    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None:
        """Take over (and own) the peer's eventfds."""
        self.close()
        self._assert, self._resample = assert_fd, resample_fd
        os.set_blocking(assert_fd, False)
        os.set_blocking(resample_fd, False)
        self._loop.add(resample_fd, self._acknowledged, lambda error: self.close())
        if self._level:
            self._raise()

    def deliver(self, level: int) -> None:
        self._level = level
        if level:
            self._raise()

    def _raise(self) -> None:
        if self._assert >= 0:
            with contextlib.suppress(OSError):  # a full counter is as good as one more
                os.write(self._assert, _ONE)

    def _acknowledged(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._resample, 8)
        if self._level:
            self._raise()

    def close(self) -> None:
        if self._resample >= 0:
            self._loop.remove(self._resample)
        for fd in {self._assert, self._resample} - {-1}:
            os.close(fd)
        self._assert = self._resample = -1
