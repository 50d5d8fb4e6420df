# SPDX-License-Identifier: GPL-2.0-or-later
"""Loop: the one thread that serves all guests, so that the order of events is the truth and not a reconstruction.

A handler is called when its file descriptor is readable and serves one access; a step (a guest inside this process)
performs one access per turn. Workers (DMA engines) take turns: of all of them, one piece is done per turn, so that the
guests wait for one piece at most; after it the core is offered to who waits for it, which may be a guest with its next
access: a loop that never rests would keep it for a slice of the scheduler's, 3 ms. A handler or worker that raises
ends what it stands for, never the loop.
"""

import contextlib
import gc
import os
import select
from collections import deque
from collections.abc import Callable

from ntbtrace.capture.timer import Timer

READY = 32  # descriptors that are served in a turn; the kernel gives each its turn

Handler = Callable[[], None]
Failed = Callable[[Exception], None]
Worker = Callable[[], bool]


class Loop:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, tuple[Handler, Failed | None]] = {}
        self._steps: list[Callable[[], bool]] = []
        self._workers: deque[tuple[Worker, Failed]] = deque()
        self._stopped = False
        self._timer = Timer()
        self._due = False
        self.add(self._timer.fd, self._time)

    def add(self, fd: int, handler: Handler, failed: Failed | None = None) -> None:
        """Call `handler` whenever `fd` is readable. If it raises, fd is removed and `failed` gets the error."""
        self._handlers[fd] = handler, failed
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Forget `fd`; to be called before it is closed. Forgetting it twice is no error."""
        if self._handlers.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def add_worker(self, worker: Worker, failed: Failed) -> None:
        """Call `worker` when it is its turn; it does one piece, or returns False. If it raises, it is removed."""
        self._workers.append((worker, failed))

    def remove_worker(self, worker: Worker) -> None:
        """Forget a worker. Forgetting it twice is no error."""
        self._workers = deque(entry for entry in self._workers if entry[0] != worker)

    def idle(self, step: Callable[[], bool]) -> None:
        """Call `step` once a turn, until it returns False."""
        self._steps.append(step)

    def stop(self) -> None:
        """End `run` after the present turn."""
        self._stopped = True

    def run(self, until: Callable[[], bool], tick: Callable[[], None] = lambda: None, interval: float = 0.1) -> None:
        """Serve until `stop()`, or until `until()`, which is asked every `interval` seconds, after `tick()`."""
        gc.freeze()  # what is there already need not be looked through while guests wait: that takes milliseconds
        try:
            self._run(until, tick, interval)
        finally:
            gc.unfreeze()

    def _run(self, until: Callable[[], bool], tick: Callable[[], None], interval: float) -> None:
        self._stopped = until()
        handlers, poll = self._handlers, self._epoll.poll
        self._timer.start(interval)
        busy = False
        while not self._stopped:
            for fd, _ in poll(0 if busy or self._steps else None, READY):
                entry = handlers.get(fd)
                if entry is None:  # removed by a handler of this very turn
                    continue
                try:
                    entry[0]()
                except Exception as error:  # whatever one peer provokes, the others go on
                    self._fail(fd, entry[1], error)
            busy = bool(self._workers) and self._work()
            if busy:
                os.sched_yield()
            if self._steps:
                self._steps = [step for step in self._steps if step()]
            if self._due:
                self._due = False
                tick()
                self._stopped = self._stopped or until()
        self._timer.start(0)

    def _time(self) -> None:
        self._timer.take()
        self._due = True

    def _work(self) -> bool:
        """Do one piece, of the next worker that has one."""
        for _ in range(len(self._workers)):
            worker, failed = self._workers[0]
            self._workers.rotate(-1)
            try:
                if worker():
                    return True
            except Exception as error:
                self.remove_worker(worker)
                failed(error)
                return True
        return False

    def _fail(self, fd: int, failed: Failed | None, error: Exception) -> None:
        self.remove(fd)
        if failed is None:
            raise error
        failed(error)

    def close(self) -> None:
        self._timer.close()
        self._epoll.close()
