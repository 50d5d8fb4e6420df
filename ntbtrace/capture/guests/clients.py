# SPDX-License-Identifier: GPL-2.0-or-later
"""The workloads of simulated guests: ping-pong as ntb_pingpong plays it, and a copy as ntb_perf (fixed) makes it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b

from ntbtrace.capture.guests.driver import IdtDriver
from ntbtrace.capture.guests.simulated import RAM_BASE, SimulatedGuest, Steps

INBUF = RAM_BASE + 0x0010_0000  # where a guest takes what its peer copies to it
CMD_SXLAT = 2  # ntb_perf.c, enum perf_cmd: "here is my inbuf"


@dataclass(frozen=True)
class Work:
    """How much a workload does: ping-pongs to reach, bytes to copy (a multiple of 4)."""

    count: int = 10
    size: int = 64 << 10


class Client(ABC):
    """What they have in common: probe, link up, then `run` of the subclass, which calls `finish` when it is done."""

    def __init__(self, guest: SimulatedGuest, driver: IdtDriver, work: Work) -> None:
        self.guest = guest
        self.driver = driver
        self.work = work
        self.linked = False

    def life(self) -> Steps:
        """The whole program of a guest."""
        guest, driver = self.guest, self.driver
        guest.say("probe", "ntb_hw_idt: probing")
        driver.link_event = self._link_event
        driver.msg_event = self.on_message
        driver.db_event = self.on_bell
        yield from driver.probe()
        guest.say("link", "ntb_hw_idt: IDT NTB device is ready")
        yield from driver.db_change_mask(set_bits=0xFFFF_FFFF)
        yield from self.mask_messages()
        yield from driver.link_enable()
        yield from self._link_event()
        yield from guest.wait(lambda: self.linked)
        guest.say("run", f"{type(self).__name__.lower()}: link is up")
        yield from self.run()

    def finish(self, **results: object) -> None:
        """Report the workload's results; the guest stays until it is powered off."""
        self.guest.results = results
        self.guest.say("done", " ".join(f"{key}={value}" for key, value in results.items()))

    def _link_event(self) -> Steps:
        self.linked = bool((yield from self.driver.link_is_up()))

    def mask_messages(self) -> Steps:
        """pp_mask_events: ping-pong takes its messages at the bell."""
        names = self.driver.names
        mask = names.mask("MSGSTSMSK.OUTMSG") | names.mask("MSGSTSMSK.INMSG")
        return self.driver.nt_write("MSGSTSMSK", mask)

    def on_bell(self) -> Steps:
        """The doorbell interrupt of a client that rings no bells: clear it."""
        yield from self.driver.db_clear(0xFFFF_FFFF)

    def on_message(self) -> Steps:
        """The message interrupt of a client that masks messages."""
        yield from ()

    @abstractmethod
    def run(self) -> Steps:
        """The workload itself, once the link is up."""


class PingPong(Client):
    """ntb_pingpong.c: pp_ping writes a count as message 0 and rings the peer's bell, pp_pong takes both."""

    _count = 0
    _turn = True

    def run(self) -> Steps:
        driver, guest = self.driver, self.guest
        ports = [port for port, _ in driver.peers]
        peer = next((i for i, port in enumerate(ports) if port > driver.port), 0)  # pp_find_next_peer
        while True:  # past `count` too, so that the peer reaches it as well
            yield from guest.wait(lambda: self._turn)
            self._turn = False
            for _ in range(guest.random.randrange(4)):  # the timer's delay, here in turns
                yield
            yield from driver.peer_msg_write(peer, 0, self._count)
            yield from driver.peer_db_set(1 << driver.peers[peer][0])
            yield from driver.db_change_mask(clear_bits=1 << driver.port)

    def on_bell(self) -> Steps:
        driver = self.driver
        yield from driver.msg_read(0)
        yield from driver.msg_clear_sts(0xFFFF_FFFF)
        self._count += 1
        yield from driver.db_change_mask(set_bits=1 << driver.port)
        yield from driver.db_clear(1 << driver.port)
        self._turn = True
        if self._count == self.work.count:
            self.finish(pingpong=self._count)


class Perf(Client):
    """ntb_perf.c with its window index mended: the lower port copies a seeded pattern into its peer's buffer."""

    _xlat = 0
    _copied = False

    def mask_messages(self) -> Steps:
        """perf_init_msg: only the command's register interrupts; it is written last."""
        names = self.driver.names
        inbound = names.mask("MSGSTSMSK.INMSG")
        mask = names.mask("MSGSTSMSK.OUTMSG") | inbound & ~(inbound & -inbound)
        return self.driver.nt_write("MSGSTSMSK", mask)

    def run(self) -> Steps:
        driver, guest = self.driver, self.guest
        peer_port, _ = driver.peers[0]
        yield from driver.db_change_mask(clear_bits=1 << driver.port)
        for index, word in ((1, INBUF & 0xFFFF_FFFF), (2, INBUF >> 32), (0, CMD_SXLAT)):
            yield from driver.peer_msg_write(0, index, word)
        yield from guest.wait(lambda: self._xlat != 0)
        window = driver.mws[0]
        yield from driver.peer_mw_set_trans(0, window, self._xlat, self.work.size)
        if driver.port > peer_port:
            yield from guest.wait(lambda: self._copied)
            self.finish(received=_digest(guest.memory.read(INBUF, self.work.size) or b""))
            return
        data = guest.random.randbytes(self.work.size)
        for at in range(0, len(data), 4):
            guest.port.bar_write(window.bar, at, 4, int.from_bytes(data[at : at + 4], "little"))
            yield
        yield from driver.peer_db_set(1 << peer_port)
        self.finish(sent=_digest(data))

    def on_message(self) -> Steps:
        """perf_msg_cmd_recv: a command is whole when its third register is full."""
        driver = self.driver
        full = (yield from driver.nt_read("MSGSTS")) & driver.names.mask("MSGSTS.INMSG")
        if full.bit_count() < 3:
            return
        command = yield from driver.msg_read(0)
        low = yield from driver.msg_read(1)
        high = yield from driver.msg_read(2)
        yield from driver.msg_clear_sts(full)
        if command == CMD_SXLAT:
            self._xlat = high << 32 | low

    def on_bell(self) -> Steps:
        yield from super().on_bell()
        self._copied = True


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=8).hexdigest()


CLIENTS: dict[str, type[Client]] = {"pingpong": PingPong, "perf": Perf}
