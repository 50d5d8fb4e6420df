# SPDX-License-Identifier: GPL-2.0-or-later
"""TraceWriter: rows into the journal in place, by whoever records; blocks into the file, by a thread."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import EFFECTS, INLINE, NO_BAR, NO_ENDPOINT, ROW, Event, Kind
from ntbtrace.trace.block import block_of_rows, encode_block
from ntbtrace.trace.frame import Annotation
from ntbtrace.trace.header import Header, encode_header
from ntbtrace.trace.journal import Geometry, Half, create_journal, identity, journal_path
from ntbtrace.trace.layout import MAX_DATA
from ntbtrace.trace.pace import Pace
from ntbtrace.trace.packing import recording
from ntbtrace.trace.storage import WHOLE, Storage
from ntbtrace.trace.summary import Rows

ROWS = 32768  # of a half: the most that a block holds
EFFECT_ROWS = 1024  # that one stimulus may have
PAYLOAD = 1 << 20  # bytes of a half: compressing them, which is done in one step, takes up to 1.3 ms
PAYLOAD_ROOM = 256 << 10  # bytes that one stimulus with its effects may have
MIN_SNAPSHOT = 64 << 10  # bytes set aside for a snapshot; four times the first one if that is more
OLD_S = 10.0  # rows older than this become a block

_SIZE = ROW.size


class TraceWriter:
    """A recording in the making. All methods are for one thread, the one that records.

    Hot path: pack a row (event.ROW) into `rows` at `pos`, then add ROW.size to `pos`. Its seq is
    first_seq + pos // ROW.size. A stimulus begins only while pos <= limit, else call roll() first; its own
    row is packed after those of its effects, because a row whose kind is not 0 counts as complete.

    `error` is set when the file cannot grow any more; recording then goes on without it and `lost` counts.

    `annotator` is called by the writer thread with the first seq and the rows of each block, when that is in the file,
    for what is known of its events. If it fails, `annotator_error` says why, and recording goes on without it.
    """

    rows: memoryview
    pos: int
    limit: int
    first_seq: int

    def __init__(
        self,
        path: Path,
        header: Header,
        snapshot: Callable[[], bytes],
        *,
        overwrite: bool = False,
        rows: int = ROWS,
        effect_rows: int = EFFECT_ROWS,
        storage: Storage = WHOLE,
        drop: bool = False,
    ) -> None:
        """Create PATH and PATH.journal. `snapshot` gives the device's state; called in roll(). `drop`: when the disk
        cannot follow, events are dropped (counted by `dropped`, and by a LOST event in their place), else we wait.

        Raises NtbTraceError if PATH exists (unless `overwrite`) or cannot be made.
        """
        self.path = path
        self.error: NtbTraceError | None = None
        self.annotator: Callable[[int, Rows], Iterable[Annotation]] | None = None
        self.annotator_error: Exception | None = None
        self.lost = 0
        self.dropped = 0
        self._gap = 0  # dropped since the last rows that were kept
        self._drop = drop
        self._snapshot = snapshot
        first = snapshot()
        encoded = encode_header(header)
        self._sink = storage.open(path, header, encoded, overwrite)
        geometry = Geometry(rows, PAYLOAD, max(MIN_SNAPSHOT, 4 * len(first)))
        try:
            self._halves = create_journal(self._sink.path, identity(encoded), geometry)
        except NtbTraceError:
            self._sink.discard()
            raise
        self._row_limit = (rows - effect_rows) * _SIZE
        self._free = threading.Semaphore(1)  # counts the free half
        self._writing = False  # the half that is not active is not in the file yet
        self._sealed: SimpleQueue[tuple[Half, int, int] | None] = SimpleQueue()
        self._closed = False
        self._use(0, 0, first)
        self._thread = threading.Thread(target=self._write, name="trace writer", daemon=True)
        self._thread.start()

    @property
    def file(self) -> Path:
        """The file that is being written: `path`, or the present one of several."""
        return self._sink.path

    def _use(self, number: int, first_seq: int, snapshot: bytes) -> None:
        half = self._halves[number]
        half.start(first_seq, snapshot)
        self._active = number
        self._payload_used = 0
        self._places: dict[bytes, int] = {}
        self._since = monotonic()
        self.first_seq = first_seq
        self.pos = 0
        self.limit = self._row_limit
        self.rows = half.rows

    @property
    def behind(self) -> bool:
        """Half of the room is gone, and the other half of the journal is not written yet. Whoever can wait should: what
        is recorded when no room is left waits for the disk, and with it every guest.
        """
        return self._writing and (2 * self.pos > self.limit or 2 * self._payload_used > PAYLOAD)

    def roll(self) -> None:
        """Between stimuli: give the rows so far to the writer thread, go on in the other half.

        While that one is not written yet (the disk is slower than the guests) it waits, or drops these rows.
        """
        count = self.pos // _SIZE
        if not count:
            return
        snapshot = self._snapshot()
        if self._free.acquire(blocking=not self._drop):
            full = self._full(count)
            self._writing = True
            self._gap = 0
            self._use(1 - self._active, self.first_seq + count, snapshot)
            self._sealed.put(full)  # last: the writer thread takes the interpreter as soon as anything lets go of it
        else:
            self._drop_rows(count, snapshot)

    def _drop_rows(self, count: int, snapshot: bytes) -> None:
        """Begin the same half anew, with an event that says how many before it are gone."""
        half = self._halves[self._active]
        (t,) = half.array(count)["t"][-1:].tolist()
        half.free(count)
        self.dropped += count
        self._gap += count
        self._use(self._active, self.first_seq + count, snapshot)
        ROW.pack_into(self.rows, 0, t, 0, self._gap, 0, 0, 0, NO_ENDPOINT, NO_BAR, 0, Kind.LOST)
        self.pos = _SIZE

    def _full(self, count: int) -> tuple[Half, int, int]:
        """The active half with its rows and the bytes of its payload: what the writer thread takes."""
        half = self._halves[self._active]
        kinds = half.array(count)["kind"]
        if not kinds.all():  # the model raised an error inside a stimulus and nobody said so
            for row in (kinds == 0).nonzero()[0].tolist():
                ROW.pack_into(self.rows, row * _SIZE, 0, 0, 1, 0, 0, 0, NO_ENDPOINT, NO_BAR, 0, Kind.LOST)
        return half, count, self._payload_used

    def add_payload(self, data: bytes) -> int:
        """Keep `data` (more than 8 bytes) beside the rows; returns what the row's value must be.

        Raises NtbTraceError for more than 128 KiB, or more than 256 KiB within one stimulus.
        """
        place = self._places.get(data)
        if place is not None:
            return place
        place = self._payload_used
        end = place + len(data)
        if len(data) > MAX_DATA or end > PAYLOAD:
            raise NtbTraceError(
                f"an event may carry {MAX_DATA} bytes, a stimulus with its effects {PAYLOAD_ROOM}: "
                f"{len(data)} more are too much"
            )
        self._halves[self._active].payload[place:end] = data
        self._places[data] = place
        self._payload_used = end
        if end > PAYLOAD - PAYLOAD_ROOM:
            self.limit = -1  # the next stimulus finds a fresh half
        return place

    def tick(self) -> None:
        """Between stimuli, now and then: rolls when the rows are 10 s old."""
        if not self.pos:
            self._since = monotonic()
        elif monotonic() - self._since >= OLD_S:
            self.roll()

    def append(self, event: Event) -> None:
        """Record `event` as it is; its seq must be the next one. For tools; effects follow their stimulus."""
        if self.pos > self.limit and event.kind not in EFFECTS:
            self.roll()
        seq = self.first_seq + self.pos // _SIZE
        if event.seq != seq:
            raise NtbTraceError(f"the next event must be number {seq}, not {event.seq}")
        if self.pos >= len(self.rows):
            raise NtbTraceError(f"event {seq}: a stimulus with more effects than a block can hold")
        value, size = event.value, event.size
        if event.data is not None:
            size = len(event.data)
            value = int.from_bytes(event.data, "little") if size <= INLINE else self.add_payload(event.data)
        cause = 0 if event.cause is None else seq - event.cause
        ROW.pack_into(
            self.rows, self.pos, event.t, event.offset, value, size, cause, event.target,
            event.endpoint, event.bar, event.status, event.kind,
        )  # fmt: skip
        self.pos += _SIZE

    def close(self) -> None:
        """Write what is left and the index, remove the journal: "closed cleanly". Then look at `error`."""
        if self._closed:
            return
        self._closed = True
        count = self.pos // _SIZE
        if count:
            self._sealed.put(self._full(count))
        self._sealed.put(None)
        self._thread.join()
        hint = ""
        try:
            self._index()
        except (OSError, NtbTraceError) as error:
            self._fail(error)
            if not isinstance(error, FileNotFoundError):
                hint = f"; run `ntbtrace salvage {self.path}` when there is room again"
        self._sink.close()
        journal_path(self._sink.path).unlink(missing_ok=True)
        if self.error is not None:
            self.error = NtbTraceError(f"{self.error}; {self.lost:,} events were lost{hint}")

    def _index(self) -> None:
        """Write the index; on a full disk the room of the journal, which is not needed any more, may do for it."""
        try:
            self._sink.finish(lost=self.lost + self.dropped)
        except OSError:
            with suppress(OSError):
                os.truncate(journal_path(self._sink.path), 0)
            self._sink.finish(lost=self.lost + self.dropped)

    # The writer thread

    def _write(self) -> None:
        packer, pace = recording(), Pace()
        while (job := self._sealed.get()) is not None:
            half, count, payload_used = job
            if self.error is None:
                try:
                    rows, payload = half.array(count), half.payload[:payload_used]
                    info, frame = encode_block(half.first_seq, rows, payload, half.snapshot, packer, pace)
                    block = partial(block_of_rows, info, rows, payload, half.snapshot, self.path)
                    self._sink.block(info, frame, block)
                    for note in self._annotations(half.first_seq, rows):
                        self._sink.annotate(note)
                except Exception as error:
                    self._fail(error)
            if self.error is not None:
                self.lost += count
            half.free(count)
            self._writing = False
            self._free.release()

    def _annotations(self, first_seq: int, rows: Rows) -> Iterable[Annotation]:
        if self.annotator is None:
            return ()
        try:
            return tuple(self.annotator(first_seq, rows))
        except Exception as error:
            self.annotator, self.annotator_error = None, error
            return ()

    def _fail(self, error: Exception) -> None:
        if self.error is not None:
            return
        if isinstance(error, FileNotFoundError):
            self.error = NtbTraceError(f"{self.path} was removed while it was being recorded")
            return
        why = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError | NtbTraceError):
            why = (isinstance(error, OSError) and error.strerror) or str(error)
        self.error = NtbTraceError(f"{self.path} cannot grow any more: {why}; what is in it is kept")
