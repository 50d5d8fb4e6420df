# SPDX-License-Identifier: GPL-2.0-or-later
"""Records lost-doorbell.ntbt: a switch with a bug in it, whose OUTDBELLSET assigns the bells instead of setting them.

The guests are simulated. Port 0 has two queues with a bell each, as ntb_transport has; port 2 answers each bell with
one of its own. All is well as long as one bell is set at a time. At the end both are, and one is lost.

    python traces/make_lost_doorbell.py traces/lost-doorbell.ntbt
"""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import device
from device.idt.doorbells import Doorbells
from ntbtrace.capture.guests.clients import Client, Work
from ntbtrace.capture.guests.driver import IdtDriver
from ntbtrace.capture.guests.names import RegisterNames
from ntbtrace.capture.guests.simulated import SimulatedGuest, Steps, StepsInt
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from ntbtrace.capture.session import Session

JOBS = 60  # one at a time, before the two at once
ASK, ANSWER = (1 << 8, 1 << 9), (1 << 16, 1 << 17)  # the bells of queue 0 and of queue 1
PATIENCE = 100  # turns that port 0 waits for an answer


def assign(self: Doorbells, number: int, value: int, lanes: int) -> None:
    """The bug, in the place of Doorbells.write_outdbellset."""
    self._change(value & lanes & self.bells_set)


def db_read(driver: IdtDriver) -> StepsInt:
    """idt_ntb_db_read."""
    return driver.nt_read("INDBELLSTS")


class Asker(Client):
    """Port 0."""

    _answered = 0

    def run(self) -> Steps:
        yield from self.driver.db_change_mask(clear_bits=sum(ANSWER))
        for job in range(self.work.count):
            queue = job % 2
            yield from self.driver.peer_db_set(ASK[queue])
            yield from self._patiently(lambda queue=queue: self._answered == ANSWER[queue])
            self._answered = 0
        self.guest.say("run", f"{self.work.count} jobs done; one more in each queue")
        for bell in ASK:
            yield from self.driver.peer_db_set(bell)
        yield from self._patiently(lambda: self._answered == sum(ANSWER))
        for queue, bell in enumerate(ANSWER):
            if not self._answered & bell:
                self.guest.say("run", f"queue {queue}: no answer, giving up")
        self.finish(jobs=self.work.count + self._answered.bit_count())

    def _patiently(self, condition: Callable[[], bool]) -> Steps:
        for _ in range(PATIENCE):
            if condition():
                return
            yield

    def on_bell(self) -> Steps:
        bells = (yield from db_read(self.driver)) & sum(ANSWER)
        yield from self.driver.db_clear(bells)
        self._answered |= bells


class Answerer(Client):
    """Port 2."""

    def run(self) -> Steps:
        yield from self.driver.db_change_mask(clear_bits=sum(ASK))
        self.guest.state = "done"  # it has no end of its own

    def on_bell(self) -> Steps:
        bells = (yield from db_read(self.driver)) & sum(ASK)
        yield from self.driver.db_clear(bells)
        for ask, answer in zip(ASK, ANSWER, strict=True):
            if bells & ask:
                yield from self.driver.peer_db_set(answer)


def record(path: Path) -> None:
    profile = device.DEFAULT
    with patch.object(Doorbells, "write_outdbellset", assign):
        recorder = Recorder(
            path,
            profile,
            command="python traces/make_lost_doorbell.py",
            transports={str(number): "simulated" for number in profile.port_numbers},
            guests={"workload": "two queues", "device": "OUTDBELLSET assigns"},
            overwrite=True,
        )
    names = RegisterNames(device.register_table(profile))
    guests = []
    for port, client in zip(recorder.ports.values(), (Asker, Answerer), strict=True):
        guest = SimulatedGuest(port, names, seed=1)
        guest.power_on(client(guest, IdtDriver(guest, list(profile.chip_ports)), Work(JOBS)).life())
        guests.append(guest)
    try:
        why = Session(recorder, Loop(), lambda: None, lambda: False).run_simulated(guests, timeout=60.0)
    finally:
        recorder.close()
    if why:
        raise SystemExit(why)
    print(f"{path}: {recorder.next_seq:,} events")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
