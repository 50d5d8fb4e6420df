# SPDX-License-Identifier: GPL-2.0-or-later
"""Annotations: what a trace holds beside its events, read when it is asked for.

A search, a replay or `info` without such a question reads none of it: the frames stand apart.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ntbtrace.trace.frame import Annotation, Frame, FrameInfo, read_frame
from ntbtrace.trace.guard import damaged, reading
from ntbtrace.trace.guest_symbols import GuestSymbols, decode_symbols, told_up_to
from ntbtrace.trace.layout import FrameType
from ntbtrace.trace.sink import Sink
from ntbtrace.trace.sites import Chain, SiteCounts, Sites, decode_sites, first_seq, site_counts

if TYPE_CHECKING:
    from ntbtrace.trace.reader import Trace


class Annotations:
    """Of `trace`. What is damaged is a TraceFormatError when it is asked for."""

    def __init__(self, trace: "Trace") -> None:
        self._trace = trace
        self._cached: tuple[int, Sites | None] | None = None

    @cached_property
    def _sites(self) -> dict[int, FrameInfo]:
        """By the first seq of the block."""
        found = {}
        for one in self.of(FrameType.SITES):
            with reading(self._trace.path, one.offset, "the block's code sites"):
                found[first_seq(one.summary)] = one
        return found

    def of(self, kind: FrameType) -> list[FrameInfo]:
        """The annotations of a kind, in the order of the file."""
        return [one for one in self._trace.others if one.type == kind]

    @property
    def counts(self) -> SiteCounts:
        """Accesses whose code is known, and those where it is not though it was recorded: of the whole trace."""
        counts = [site_counts(one.summary) for one in self._sites.values()]
        return SiteCounts(sum(c.known for c in counts), sum(c.unknown for c in counts))

    def sites(self, index: int) -> Sites | None:
        """Of block number `index`; None where nothing was recorded."""
        if self._cached is None or self._cached[0] != index:
            info = self._trace.blocks[index]
            one = self._sites.get(info.first_seq)
            sites = None if one is None else decode_sites(self.frame(one), self._trace.path, info.count)
            self._cached = (index, sites)
        return self._cached[1]

    def chain(self, seq: int) -> Chain | None:
        """The code that made access `seq`, as addresses; UNKNOWN when it could not be told, None where none was
        recorded.
        """
        index = self._trace.block_at(seq)
        sites = None if index is None else self.sites(index)
        return None if index is None or sites is None else sites.chain(seq - self._trace.blocks[index].first_seq)

    @cached_property
    def symbols(self) -> dict[int, GuestSymbols]:
        """By port: what is where in its guest. The last one in the file counts."""
        found = (decode_symbols(self.frame(one), self._trace.path) for one in self.of(FrameType.SYMBOLS))
        return {guest.port: guest for guest in found}

    def frame(self, one: FrameInfo) -> Frame:
        """One of them, read."""
        path = self._trace.path
        frame = read_frame(path, self._trace.source.fd, one.offset, self._trace.source.size())
        if frame is None or (frame.type, frame.summary) != (one.type, one.summary):
            raise damaged(path, one.offset, "the annotation that the index names should be here")
        return frame

    # For what is made of traces

    def copy_sites(self, index: int, sink: Sink) -> None:
        """Append those of block number `index`, which was appended before. Raises TraceFormatError, OSError."""
        one = self._sites.get(self._trace.blocks[index].first_seq)
        if one is not None:
            self.sites(index)  # damaged ones are refused here, and not by who reads the copy
            sink.annotate(_as_it_is(self.frame(one)))


def copy_symbols(traces: Sequence["Trace"], sink: Sink) -> None:
    """Append what the traces, pieces of one recording, know of their guests. Raises TraceFormatError, OSError."""
    best: dict[int, tuple[int, Annotation]] = {}
    for trace in traces:
        for one in trace.annotations.of(FrameType.SYMBOLS):
            frame = trace.annotations.frame(one)
            port, last_seq = decode_symbols(frame, trace.path).port, told_up_to(frame.summary)
            if port not in best or best[port][0] <= last_seq:
                best[port] = (last_seq, _as_it_is(frame))
    for _, note in best.values():
        sink.annotate(note)


def _as_it_is(frame: Frame) -> Annotation:
    return Annotation(frame.type, frame.summary, bytes(frame.body))
