# SPDX-License-Identifier: GPL-2.0-or-later
"""IntxSink: a level interrupt by two eventfds (KVM's irqfd): one asserts, the other says the guest acknowledged."""

import contextlib
import os
import re
import select
from pathlib import Path

from ntbtrace.capture.loop import Loop
from ntbtrace.errors import ProtocolError

_ONE = (1).to_bytes(8, "little")


def check_eventfds(assert_fd: int, resample_fd: int) -> None:
    """Raise ProtocolError unless these are two different eventfds: anything else could keep us busy, or never end."""
    ids = [_eventfd_id(fd) for fd in (assert_fd, resample_fd)]
    if None in ids or ids[0] == ids[1]:
        raise ProtocolError("SET_IRQFD must come with two eventfds, each of its own")


def _eventfd_id(fd: int) -> str | None:
    """What tells an eventfd from every other one; None for another kind of descriptor."""
    if os.readlink(f"/proc/self/fd/{fd}") != "anon_inode:[eventfd]":
        return None
    found = re.search(r"^eventfd-id:\s*(\d+)", Path(f"/proc/self/fdinfo/{fd}").read_text(), re.MULTILINE)
    return found[1] if found else str(fd)


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
        if self._assert >= 0 and _ready(self._assert, select.POLLOUT):  # a full counter is as good as one more
            with contextlib.suppress(OSError):
                os.write(self._assert, _ONE)

    def _acknowledged(self) -> None:
        if _ready(self._resample, select.POLLIN):
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


def _ready(fd: int, what: int) -> bool:
    """Whether it can be read or written at once. The peer has the same open file and may have made it blocking."""
    os.set_blocking(fd, False)
    poll = select.poll()
    poll.register(fd, what)
    return any(event & what for _, event in poll.poll(0))
