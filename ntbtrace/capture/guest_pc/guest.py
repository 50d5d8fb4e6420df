# SPDX-License-Identifier: GPL-2.0-or-later
"""GuestCode: all that `--guest-pc` does for one guest in QEMU; Annotator: for all of them, block by block."""

import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ntbtrace.capture.guest_pc.match import Matcher
from ntbtrace.capture.guest_pc.stream import Records, Stream
from ntbtrace.capture.guest_pc.symbols import ConsoleSymbols
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.event import endpoint_of
from ntbtrace.trace.frame import Annotation
from ntbtrace.trace.guest_symbols import encode_symbols
from ntbtrace.trace.sites import Sites, encode_sites, join
from ntbtrace.trace.summary import Rows

LOW, HIGH = 0xC000_0000, 0xFEC0_0000  # q35's room for BARs: behind the configuration space, before the I/O APIC
LATE_S = 0.2  # for the record of an access that was answered just now
STEP_S = 0.001


class GuestCode:
    """Of the guest behind `doors`, the first of which it is known by."""

    def __init__(self, loop: Loop, doors: Sequence[Port], plugin: Path) -> None:
        self._loop = loop
        self._plugin = plugin
        self._matcher = Matcher({endpoint_of(door.number, door.function): door.endpoint.bar_size for door in doors})
        self._ports = sorted({door.number for door in doors})
        self._symbols = ConsoleSymbols(doors[0].number)
        self._told: tuple[int, list[Annotation]] | None = None  # changes, and what they came to, for each port
        self._written = 0
        self._stream: Stream | None = None

    def arguments(self) -> tuple[list[str], socket.socket]:
        """What QEMU's command line needs, and the socket that it must inherit."""
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._stream = Stream(self._loop, near)
        return ["-plugin", f"{self._plugin},fd={far.fileno()},low={LOW:#x},high={HIGH:#x}"], far

    def line(self, seq: int, line: bytes) -> None:
        """A line of the guest's console, event `seq`."""
        symbols = self._symbols
        symbols.line(seq, line)
        if symbols.changes and (self._told is None or self._told[0] != symbols.changes):
            each = [encode_symbols(replace(symbols.guest, port=port), seq) for port in self._ports]
            self._told = symbols.changes, each

    def close(self) -> None:
        """The guest's QEMU has ended."""
        if self._stream is not None:
            self._stream.close()

    # The writer thread

    def sites(self, rows: Rows) -> Sites | None:
        return self._matcher.sites(rows, self._more)

    def symbols(self) -> Iterator[Annotation]:
        """What is known now of the guest's kernel, if more is known than the last time."""
        told = self._told
        if told is not None and told[0] != self._written:
            self._written = told[0]
            yield from told[1]

    def _more(self) -> Records:
        stream = self._stream
        assert stream is not None
        deadline = time.monotonic() + LATE_S
        while not len(records := stream.take()) and stream.open and time.monotonic() < deadline:
            time.sleep(STEP_S)
        return records


class Annotator:
    """TraceWriter.annotator for these guests."""

    def __init__(self, guests: Sequence[GuestCode]) -> None:
        self._guests = guests

    def __call__(self, first_seq: int, rows: Rows) -> Iterator[Annotation]:
        parts = [sites for guest in self._guests if (sites := guest.sites(rows)) is not None]
        if parts:
            yield encode_sites(first_seq, _in_order(join([(0, sites) for sites in parts])))
        for guest in self._guests:
            yield from guest.symbols()


def _in_order(sites: Sites) -> Sites:
    order = sites.rows.argsort(kind="stable")
    return Sites(sites.rows[order], sites.numbers[order], sites.chains)
