# SPDX-License-Identifier: GPL-2.0-or-later
"""The loop: one access a turn for everybody, and nobody ends it but `stop` and `until`."""

import gc
import os
from time import monotonic

import pytest

from ntbtrace.capture.loop import Loop


def _ready() -> int:
    """A descriptor that is always readable."""
    return os.eventfd(1)


def test_ready_handlers_take_turns() -> None:
    loop, order = Loop(), []
    fds = [_ready() for _ in range(3)]
    for name, fd in enumerate(fds):
        loop.add(fd, lambda name=name: order.append(name) or (len(order) >= 9 and loop.stop()))  # type: ignore[misc]
    loop.run(lambda: False)
    assert [sorted(order[i : i + 3]) for i in (0, 3, 6)] == [[0, 1, 2]] * 3
    for fd in fds:
        loop.remove(fd)
        os.close(fd)


def test_a_handler_that_raises_ends_only_itself() -> None:
    loop, errors, served = Loop(), [], []
    bad, good = _ready(), _ready()

    def raises() -> None:
        raise RuntimeError("mine")

    def serves() -> None:
        served.append(1)
        if len(served) == 5:
            loop.stop()

    loop.add(bad, raises, errors.append)
    loop.add(good, serves)
    loop.run(lambda: False)
    assert [str(error) for error in errors] == ["mine"]
    assert len(served) == 5


def test_a_handler_may_remove_another_in_the_same_turn() -> None:
    loop, served = Loop(), []
    fds = [_ready(), _ready()]

    def serve(own: int, other: int) -> None:
        served.append(own)
        loop.remove(other)
        loop.stop()

    loop.add(fds[0], lambda: serve(*fds))
    loop.add(fds[1], lambda: serve(*reversed(fds)))
    loop.run(lambda: False)
    assert len(served) == 1


def test_until_is_asked_and_tick_is_called() -> None:
    loop, ticks = Loop(), []
    loop.run(lambda: len(ticks) == 3, lambda: ticks.append(1), interval=0.001)
    assert len(ticks) == 3


def test_a_step_ends_when_it_says_so() -> None:
    loop, steps = Loop(), []

    def step() -> bool:
        steps.append(1)
        if len(steps) == 4:
            loop.stop()
        return len(steps) < 4

    loop.idle(step)
    loop.run(lambda: False)
    assert len(steps) == 4


def test_workers_take_turns_one_piece_a_turn() -> None:
    loop, done = Loop(), []
    fd = _ready()
    left = {"a": 3, "b": 2, "idle": 0}

    def worker(name: str) -> bool:
        if not left[name]:
            return False
        left[name] -= 1
        done.append(name)
        return True

    def serve() -> None:
        done.append("guest")
        if done.count("guest") == 8:
            loop.stop()

    loop.add(fd, serve)
    for name in left:
        loop.add_worker(lambda name=name: worker(name), lambda error: None)  # type: ignore[misc]
    loop.run(lambda: False)
    assert done[:10] == ["guest", "a", "guest", "b", "guest", "a", "guest", "b", "guest", "a"]
    assert done[10:] == ["guest"] * 3
    loop.remove(fd)
    os.close(fd)


def test_a_busy_worker_is_not_kept_waiting_and_an_idle_one_not_asked_for_ever() -> None:
    loop, asked = Loop(), []

    def worker() -> bool:
        asked.append(1)
        return len(asked) < 1000

    loop.add_worker(worker, lambda error: None)
    start = monotonic()
    loop.run(lambda: len(asked) >= 1000, interval=0.05)
    assert monotonic() - start < 5
    assert len(asked) < 1010


def test_after_each_piece_of_work_the_core_is_offered_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, order = Loop(), []
    monkeypatch.setattr("os.sched_yield", lambda: order.append("yield"))

    def worker() -> bool:
        order.append("piece")
        return order.count("piece") < 3 or loop.stop() or False

    loop.add_worker(worker, pytest.fail)
    loop.run(lambda: False)
    assert order == ["piece", "yield"] * 2 + ["piece"]


def test_what_was_there_before_is_not_searched_for_garbage_while_guests_wait() -> None:
    loop, frozen = Loop(), []
    loop.idle(lambda: frozen.append(gc.get_freeze_count()) or loop.stop() or False)  # type: ignore[func-returns-value]
    loop.run(lambda: False)
    assert frozen[0] > 0
    assert gc.get_freeze_count() == 0


def test_a_worker_that_raises_is_removed() -> None:
    loop, errors, asked = Loop(), [], []

    def raises() -> bool:
        asked.append(1)
        raise RuntimeError("mine")

    loop.add_worker(raises, errors.append)
    loop.run(lambda: bool(errors), interval=0.01)
    rounds = iter(range(3))
    loop.run(lambda: next(rounds, None) is None, interval=0.01)
    assert len(asked) == 1
    assert [str(error) for error in errors] == ["mine"]
    loop.remove_worker(raises)
