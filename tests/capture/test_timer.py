# SPDX-License-Identifier: GPL-2.0-or-later
"""The timer becomes readable when it is time, again and again, until it is stopped."""

import os
import select

import pytest

from ntbtrace.capture.timer import Timer

LONG_S = 10.0


def readable(timer: Timer, seconds: float) -> bool:
    return bool(select.select([timer.fd], [], [], seconds)[0])


def test_again_and_again_until_it_is_stopped() -> None:
    timer = Timer()
    assert not readable(timer, 0)
    timer.start(0.001)
    for _ in range(3):
        assert readable(timer, LONG_S)
        timer.take()
    timer.start(0)
    assert not readable(timer, 0.05)
    timer.take()  # nothing is there, and that is no error
    fd = timer.fd
    timer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_time_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Timer().start(-1)
