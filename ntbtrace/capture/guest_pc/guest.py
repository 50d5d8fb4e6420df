# SPDX-License-Identifier: GPL-2.0-or-later
"""GuestCode: all that `--guest-pc` does for one guest in QEMU; Annotator: for all of them, block by block."""

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ntbtrace.capture.guest_pc.match import Matcher
from ntbtrace.capture.guest_pc.stream import Records, Stream
from ntbtrace.capture.guest_pc.symbols import SymbolNotes
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.event import endpoint_of
from ntbtrace.trace.frame import Annotation
from ntbtrace.trace.sites import SiteCounts, Sites, encode_sites, join, site_counts
from ntbtrace.trace.summary import Rows

LOW, HIGH = 0xC000_0000, 0xFEC0_0000  # q35's room for BARs: behind the configuration space, before the I/O APIC
LATE_S = 0.2  # for the record of an access that was answered just now
STEP_S = 0.001


class CodeFinder(Protocol):
    """What finds the code of one guest's accesses: GuestCode, or monitor.MonitoredCode."""

    def arguments(self) -> tuple[list[str], list[socket.socket]]:
        """What QEMU's command line needs, and the sockets that it must inherit."""

    def line(self, seq: int, line: bytes) -> None:
        """A line of the guest's console, event `seq`."""

    def sites(self, first_seq: int, rows: Rows) -> Sites | None:
        """Of its accesses in a block; called by the writer thread."""

    def symbols(self) -> Iterator[Annotation]:
        """What is new about its kernel; called by the writer thread."""

    def close(self) -> None:
        """Its QEMU has ended."""


class GuestCode(SymbolNotes):
    """By QEMU's plugin: of the guest behind `doors`."""

    def __init__(self, loop: Loop, doors: Sequence[Port], plugin: Path) -> None:
        super().__init__(sorted({door.number for door in doors}))
        self._loop = loop
        self._plugin = plugin
        self._matcher = Matcher({endpoint_of(door.number, door.function): door.endpoint.bar_size for door in doors})
        self._stream: Stream | None = None

    def arguments(self) -> tuple[list[str], list[socket.socket]]:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream = Stream(self._loop, near)
        return ["-plugin", f"{self._plugin},fd={far.fileno()},low={LOW:#x},high={HIGH:#x}"], [far]

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    # The writer thread

    def sites(self, first_seq: int, rows: Rows) -> Sites | None:
        return self._matcher.sites(rows, self._more)

    def _more(self) -> Records:
        stream = self._stream
        assert stream is not None
        deadline = time.monotonic() + LATE_S
        while not len(records := stream.take()) and stream.open and time.monotonic() < deadline:
            time.sleep(STEP_S)
        return records


class Annotator:
    """TraceWriter.annotator for these guests. `counts`: what it has written so far."""

    def __init__(self, guests: Sequence[CodeFinder]) -> None:
        self._guests = guests
        self.counts = SiteCounts(0, 0)

    def __call__(self, first_seq: int, rows: Rows) -> Iterator[Annotation]:
        parts = [sites for guest in self._guests if (sites := guest.sites(first_seq, rows)) is not None]
        if parts:
            note = encode_sites(first_seq, _in_order(join([(0, sites) for sites in parts])))
            known, unknown = site_counts(note.summary)
            self.counts = SiteCounts(self.counts.known + known, self.counts.unknown + unknown)
            yield note
        for guest in self._guests:
            yield from guest.symbols()


def _in_order(sites: Sites) -> Sites:
    order = sites.rows.argsort(kind="stable")
    return Sites(sites.rows[order], sites.numbers[order], sites.chains)
