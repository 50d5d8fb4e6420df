# SPDX-License-Identifier: GPL-2.0-or-later
"""Session: a recording from the guests' power-on to the closed file, whatever ends it.

It ends when every guest has done its workload (then they are powered off), when one fails or dies before that, when all
have been powered off from inside, when `interrupted()` (Ctrl-C), or after `timeout` seconds.
"""

import time
from collections.abc import Callable, Sequence

from ntbtrace.capture.guests.qemu import GONE, QemuGuest
from ntbtrace.capture.guests.simulated import SimulatedGuest
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder

POWER_OFF_S = 20.0  # for a guest to power itself off before its QEMU is told to end
ENDED = ("done", "fail")
INTERRUPTED = "interrupted"
TERMINATE_S = 5.0  # for a QEMU to end before it is killed


class Session:
    """Runs guests on `loop`. `tick` is called some ten times a second (to show progress), `interrupted` asked as often.

    What ends a session early is its `run_...`'s answer: INTERRUPTED, or a sentence.
    """

    def __init__(
        self, recorder: Recorder, loop: Loop, tick: Callable[[], None], interrupted: Callable[[], bool]
    ) -> None:
        self._recorder = recorder
        self._loop = loop
        self._show = tick
        self._interrupted = interrupted
        self._stopped = ""

    def run_simulated(self, guests: Sequence[SimulatedGuest], timeout: float | None) -> str:
        """Until all are done; returns '' or why it ended before that."""

        def turn() -> bool:
            """One access of each guest; ends the loop at the same access in every run with the same seed."""
            for guest in guests:
                guest.step()
            if all(guest.state in ENDED for guest in guests):
                self._loop.stop()
            return True

        self._loop.idle(turn)
        deadline = self._deadline(timeout)
        self._loop.run(lambda: self._over(deadline), self._tick)
        failed = [guest for guest in guests if guest.state == "fail"]
        if failed and not self._stopped:
            self._stopped = f"the guest at port {failed[0].port.number} failed: {failed[0].said}"
        for guest in guests:
            guest.power_off("powered off")
        return self._stopped

    def run_qemu(self, guests: Sequence[QemuGuest], timeout: float | None) -> str:
        """Until all are done or one has died; returns '' or why it ended before all were done."""
        deadline = self._deadline(timeout)

        def over() -> bool:
            for guest in guests:
                guest.poll()
                if guest.state.startswith(GONE):
                    word = guest.log() or "no word from QEMU"
                    self._stopped = f"the guest at port {guest.port.number} is {guest.state}: {word}"
            failed = any(guest.state.startswith("fail") for guest in guests)
            return failed or all(g.state == "done" or not g.alive for g in guests) or self._over(deadline)

        try:
            for guest in guests:
                guest.power_on()
            self._loop.run(over, self._tick)
            failed = [g for g in guests if g.state.startswith("fail")]
            if failed and not self._stopped:
                self._stopped = f"the guest at port {failed[0].port.number} says: {failed[0].state}"
            if not self._stopped:
                for guest in guests:
                    guest.ask_power_off()
                self._await_end(guests, POWER_OFF_S, self._interrupted)
                self._over(float("inf"))
        finally:
            try:
                for guest in guests:
                    guest.terminate()
                self._await_end(guests, TERMINATE_S, lambda: False)
            finally:
                for guest in guests:
                    guest.kill()
                    guest.close()
        return self._stopped

    def _await_end(self, guests: Sequence[QemuGuest], seconds: float, enough: Callable[[], bool]) -> None:
        """Go on serving the guests until they have ended, the time is up, or it is `enough`."""
        deadline = time.monotonic() + seconds

        def over() -> bool:
            for guest in guests:
                guest.poll()
            return not any(g.alive for g in guests) or enough() or time.monotonic() > deadline

        self._loop.run(over, self._tick)

    def _deadline(self, timeout: float | None) -> float:
        return time.monotonic() + timeout if timeout else float("inf")

    def _over(self, deadline: float) -> bool:
        if not self._stopped and self._interrupted():
            self._stopped = INTERRUPTED
        if not self._stopped and time.monotonic() > deadline:
            self._stopped = "the workload was not done in time (--timeout)"
        return bool(self._stopped)

    def _tick(self) -> None:
        self._recorder.writer.tick()
        self._show()
