# SPDX-License-Identifier: GPL-2.0-or-later
"""The wire protocol of x-pci-proxy-dev, message by message."""

import fcntl
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntbtrace.capture.transport.mpqemu import MAX_FDS, Command
from ntbtrace.event import NO_BAR, Event, Kind, Status
from tests.capture.transport.peer import BARS, Bench, access, config, memfd, message, open_fds, sysmem
from tests.support import events

NTCTL, NTMTBLADDR, NTMTBLDATA, BARSETUP2, BARLIMIT2, BARLTBASE2 = 0x400, 0x4D0, 0x4D8, 0x490, 0x494, 0x498
RAM = 0x100000


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "a.ntbt")
    yield made
    made.close()


def link(bench: Bench) -> None:
    """Both guests up, port 0's BAR2 open to port 2's memory at RAM."""
    for partition, peer in enumerate(bench.peers.values()):
        peer.boot()
        for offset, value in ((NTCTL, 2), (NTMTBLADDR, partition), (NTMTBLDATA, 1)):
            peer.write(BARS[0] + offset, value)
    peer = bench.peers[0]
    peer.write(BARS[0] + BARSETUP2, peer.read(BARS[0] + BARSETUP2) | 1 << 13)
    peer.write(BARS[0] + BARLTBASE2, RAM)
    peer.write(BARS[0] + BARLIMIT2, BARS[2] + (1 << 20))


def last(bench: Bench, kind: Kind) -> Event:
    bench.close()
    return [event for event in events(bench.path) if event.kind == kind][-1]


def test_realize_reads_ids_and_sizes_bars(bench: Bench) -> None:
    peer = bench.peers[0]
    assert peer.cfg_read(0) == 0x8091111D
    assert peer.cfg_read(0, 2) == 0x111D
    for bar, size in ((0, 0x1000), (1, 0), (2, 0x100000), (3, 0x100000), (4, 0), (5, 0)):
        peer.cfg_write(0x10 + 4 * bar, 0xFFFFFFFF)
        assert peer.cfg_read(0x10 + 4 * bar) == (-size & 0xFFFFFFFF)


def test_an_absolute_address_finds_its_bar_wherever_the_guest_moves_it(bench: Bench) -> None:
    peer = bench.peers[2]
    peer.boot()
    assert peer.read(BARS[0] + 0x4C) >> 24 == 2
    peer.cfg_write(0x10, 0xD0000000)
    assert peer.read(0xD0000000 + 0x4C) >> 24 == 2
    assert peer.read(BARS[0] + 0x4C) == 0xFFFFFFFF
    missed = last(bench, Kind.MMIO_READ)
    assert (missed.bar, missed.offset, missed.status) == (NO_BAR, BARS[0] + 0x4C, Status.UNKNOWN)


def test_memory_comes_and_goes_with_its_fds(bench: Bench) -> None:
    link(bench)
    before = open_fds()
    for sealed in (True, False):
        fd = memfd(1 << 20, sealed=sealed)
        bench.peers[2].send(sysmem([(RAM, 0x1000, 0), (RAM + 0x1000, 0x1000, 0x1000)]), [fd, os.dup(fd)])
        bench.peers[0].write(BARS[2] + 0x10, 0xCAFE0001)
        bench.peers[0].write(BARS[2] + 0x1008, 0x1122334455667788, 8)
        assert os.pread(fd, 4, 0x10) == bytes.fromhex("0100feca")
        assert bench.peers[0].read(BARS[2] + 0x1008, 8) == 0x1122334455667788
        os.close(fd)
    bench.peers[2].send(sysmem([]))
    assert bench.peers[0].read(BARS[2]) == 0xFFFFFFFF
    assert open_fds() <= before + 2  # the copies that dup made and send_fds left to us
    assert last(bench, Kind.MEM_READ).status == Status.REFUSED


def test_memory_that_shrinks_under_us_is_refused_and_is_no_sigbus(bench: Bench) -> None:
    link(bench)
    fd = memfd(0x2000, sealed=False)
    bench.peers[2].send(sysmem([(RAM, 0x2000, 0)]), [fd])
    bench.peers[0].write(BARS[2] + 0x1000, 7)
    os.ftruncate(fd, 0)
    bench.peers[0].write(BARS[2] + 0x1000, 8)
    assert bench.peers[0].read(BARS[2] + 0x1000) == 0xFFFFFFFF
    assert os.fstat(fd).st_size == 0
    os.close(fd)


def test_messages_may_come_in_pieces_and_together(bench: Bench) -> None:
    peer = bench.peers[0]
    for byte in config(Command.PCI_CFGREAD, 0):
        peer.send(bytes([byte]))
    assert peer.socket.recv(100)[16:20] == bytes.fromhex("1d119180")
    fds = [os.eventfd(0) for _ in range(2)]
    memory = memfd(0x1000)
    peer.send(sysmem([(0, 0x1000, 0)]), [memory])
    peer.send(message(Command.SET_IRQFD), fds)
    peer.send(config(Command.PCI_CFGREAD, 0) + config(Command.PCI_CFGREAD, 8))
    assert len(peer.socket.recv(100)) == 48
    for fd in (*fds, memory):
        os.close(fd)


def test_intx_goes_through_the_eventfds(bench: Bench) -> None:
    asserted, resample = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
    peer = bench.peers[0]
    peer.send(message(Command.SET_IRQFD), [asserted, resample])
    peer.boot()
    peer.write(BARS[0] + 0x408, 0)  # NTINTMSK: all causes
    peer.write(BARS[0] + 0x420, 1)  # OUTDBELLSET: our own bell comes back
    assert os.eventfd_read(asserted) == 1
    os.eventfd_write(resample, 1)
    bench.serve()
    assert os.eventfd_read(asserted) == 1  # acknowledged, but still raised
    peer.write(BARS[0] + 0x428, 1)  # INDBELLSTS: clear
    os.eventfd_write(resample, 1)
    bench.serve()
    with pytest.raises(BlockingIOError):
        os.eventfd_read(asserted)
    os.close(asserted)
    os.close(resample)


def test_reset_is_answered_and_forgets_the_bars(bench: Bench) -> None:
    peer = bench.peers[0]
    peer.boot()
    assert peer.ask(message(Command.DEVICE_RESET)) == 0
    assert peer.cfg_read(0x10) == 0
    assert peer.read(BARS[0]) == 0xFFFFFFFF


def test_a_guest_that_goes_is_detached_and_may_come_again(bench: Bench) -> None:
    bench.peers[0].socket.close()
    bench.serve()
    assert not bench.recorder.port(0).attached
    assert bench.connect(0).cfg_read(0) == 0x8091111D
    assert bench.recorder.port(0).attached


WRONG = {
    "an unknown command": message(9),
    "a reply": message(Command.RET, bytes(8)),
    "a wrong size": message(Command.BAR_READ, bytes(23)),
    "an absurd size": message(Command.BAR_READ, b"", size=1 << 63),
    "an access of 3 bytes": access(Command.BAR_READ, 0, 0, 3),
    "an access of 0 bytes": access(Command.BAR_WRITE, 0, 0, 0),
    "a configuration access of 8 bytes": config(Command.PCI_CFGREAD, 0, 0, 8),
    "a configuration access of -1 bytes": config(Command.PCI_CFGWRITE, 0, 0, -1),
    "memory without an fd": sysmem([(0, 0x1000, 0)]),
    "eventfds missing": message(Command.SET_IRQFD),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_malformed_message_ends_that_connection_alone(bench: Bench, what: str) -> None:
    bench.peers[0].send(WRONG[what])
    assert bench.peers[0].gone()
    assert bench.peers[2].cfg_read(0) == 0x8091111D
    fault = last(bench, Kind.FAULT)
    assert fault.endpoint == 0
    assert b"connection ended" in (fault.data or b"")


def _bad_regions(kind: str) -> tuple[list[tuple[int, int, int]], list[int]]:
    match kind:
        case "behind the file's end":
            return [(0, 0x2000, 0)], [memfd(0x1000)]
        case "over the top":
            return [((1 << 64) - 0x1000, 0x2000, 0)], [memfd(0x2000)]
        case "overlapping":
            return [(0, 0x2000, 0), (0x1000, 0x2000, 0)], [memfd(0x2000), memfd(0x2000)]
        case "not aligned":
            return [(0, 0x1000, 1)], [memfd(0x3000)]
        case "a pipe":
            reader, writer = os.pipe()
            os.close(writer)
            return [(0, 0x1000, 0)], [reader]
        case "read only":
            return [(0, 0x1000, 0)], [os.open("/proc/self/exe", os.O_RDONLY)]
        case "a directory":
            return [(0, 0x1000, 0)], [os.open("/", os.O_RDONLY)]
        case "too many":
            return [(0, 0x1000, 0)], [memfd(0x1000) for _ in range(3)]
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    ["behind the file's end", "over the top", "overlapping", "not aligned", "a pipe", "read only", "a directory",
     "too many"],
)  # fmt: skip
def test_memory_that_cannot_be_trusted_is_refused_and_its_fds_closed(bench: Bench, kind: str) -> None:
    before = open_fds()
    regions, fds = _bad_regions(kind)
    bench.peers[0].send(sysmem(regions), fds)
    for fd in fds:
        os.close(fd)
    assert bench.peers[0].gone()
    assert open_fds() == before - 1  # that connection's own
    assert bench.peers[2].cfg_read(0) == 0x8091111D
    assert b"connection ended" in (last(bench, Kind.FAULT).data or b"")


def test_fds_where_none_belong_are_refused(bench: Bench) -> None:
    fds = [memfd(0x1000) for _ in range(2)]
    before = open_fds()
    bench.peers[0].send(config(Command.PCI_CFGREAD, 0), fds)
    assert bench.peers[0].gone()
    assert open_fds() == before - 1
    for fd in fds:
        os.close(fd)


def test_a_peer_that_reads_no_replies_is_let_go(bench: Bench) -> None:
    peer = bench.peers[0]
    one = config(Command.PCI_CFGREAD, 0)
    peer.socket.setblocking(False)
    try:
        for _ in range(100_000):
            peer.send(one)
            if not bench.connections[0].open:
                break
    except OSError:
        pass
    assert not bench.connections[0].open
    assert bench.peers[2].cfg_read(0) == 0x8091111D


def _fds_that_are_no_irqfds(kind: str) -> list[int]:
    match kind:
        case "pipes":
            return list(os.pipe())
        case "a socket":
            ours, theirs = socket.socketpair()
            theirs.close()
            return [os.eventfd(0), ours.detach()]
        case "one twice":
            fd = os.eventfd(0)
            return [fd, os.dup(fd)]
        case "an epoll":
            with select.epoll() as epoll:
                return [os.eventfd(0), os.dup(epoll.fileno())]
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["pipes", "a socket", "one twice", "an epoll"])
def test_interrupts_go_to_two_eventfds_and_to_nothing_else(bench: Bench, kind: str) -> None:
    fds = _fds_that_are_no_irqfds(kind)
    bench.peers[0].send(message(Command.SET_IRQFD), fds)
    for fd in fds:
        os.close(fd)
    assert bench.peers[0].gone()
    assert bench.peers[2].cfg_read(0) == 0x8091111D
    assert b"must come with two eventfds" in (last(bench, Kind.FAULT).data or b"")


def test_an_eventfd_that_is_full_and_blocking_stops_nobody(bench: Bench) -> None:
    """The peer has the same open file: it can fill the counter, and make it blocking, at any time."""
    asserted, resample = os.eventfd(0), os.eventfd(0)
    peer = bench.peers[0]
    peer.send(message(Command.SET_IRQFD), [asserted, resample])
    peer.boot()
    peer.write(BARS[0] + 0x408, 0)
    os.set_blocking(asserted, True)
    os.eventfd_write(asserted, 2**64 - 2)
    peer.write(BARS[0] + 0x420, 1)
    assert bench.peers[2].cfg_read(0) == 0x8091111D
    os.close(asserted)
    os.close(resample)


def test_fds_are_counted_over_a_whole_message(bench: Bench) -> None:
    """A message that comes byte by byte, each with descriptors: the connection ends before they fill our table."""
    before = open_fds()
    fds = [os.eventfd(0) for _ in range(MAX_FDS)]
    for byte in sysmem([(0, 0x1000, 0)])[:2]:
        bench.peers[0].send(bytes([byte]), fds)
    assert bench.peers[0].gone()
    for fd in fds:
        os.close(fd)
    assert open_fds() <= before
    assert b"file descriptors came with one message" in (last(bench, Kind.FAULT).data or b"")


@pytest.mark.parametrize("size", [(1 << 63) - 4096, 1 << 46])
def test_memory_that_cannot_be_mapped_costs_its_own_guest_alone(bench: Bench, size: int) -> None:
    """Sparse, sealed, and larger than our address space: port 0 writes into it through its window."""
    fd = os.memfd_create("huge", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    link(bench)
    bench.peers[2].send(sysmem([(0, size, 0)]), [fd])
    os.close(fd)
    bench.peers[0].write(BARS[2] + 8, 0x1234)
    assert bench.peers[0].read(BARS[2] + 8) == 0x1234
