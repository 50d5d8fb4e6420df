# SPDX-License-Identifier: GPL-2.0-or-later
"""What an access takes in the file, and how fast files are written and read, beside what others make of the same.

Recordings of real guests (recordings.py; left out where they were not made) and of simulated ones. Ours is written as
the recorder's thread does it, block by block. Reading is all columns as arrays; of the text, every line in words.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import ntbtrace
import peers
import recordings
from ntbtrace.event import ACCESSES, NO_BAR, Kind
from ntbtrace.trace import Trace
from ntbtrace.trace.block import encode_block
from ntbtrace.trace.derive import Gathered, derived, rows_of
from ntbtrace.trace.packing import recording
from table import Figure, report

EVENTS = (1_000_000, 10_000_000)
LEAST_REAL = 200_000  # accesses
MOST_OF_REGISTERS = 5  # bytes an access, its effects included
MOST_BEYOND_PAYLOAD = 3
MOST_OF_TEXT = 0.6


def write_ours(trace: Trace, path: Path) -> float:
    """The file that the recorder makes of these events; seconds of making it, without those of reading them."""
    seconds, packer = 0.0, recording()
    with derived(path, trace.source.start, [trace], overwrite=True) as sink:
        for number, info in enumerate(trace.blocks):
            block = trace.block(number)
            rows = Gathered(info.first_seq, block.snapshot)
            rows.add(rows_of(block), block.data)
            whole, payload = rows.rows, bytes(rows.payload)
            start = perf_counter()
            sink.block(*encode_block(info.first_seq, whole, payload, block.snapshot, packer))
            seconds += perf_counter() - start
    return seconds


def read_ours(path: Path) -> None:
    with ntbtrace.open(path) as trace:
        for number in range(len(trace.blocks)):
            block = trace.block(number)
            for name in peers.COLUMNS:
                block.column(name)


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def payload_bytes(trace: Trace) -> int:
    """Bytes that were written through windows, with those of the first BAR's registers left out."""
    columns = trace.arrays("bar", "size", where=f"kind == {int(Kind.MMIO_WRITE)}")
    return int(columns["size"][(columns["bar"] > 0) & (columns["bar"] != NO_BAR)].sum())


def compare(name: str, trace: Trace, directory: Path) -> list[Figure]:
    """The figures of one recording, in all formats."""
    ours, text, pcap, parquet = (directory / f"one.{end}" for end in ("ntbt", "gz", "pcapng", "parquet"))
    accesses = sum(n for block in trace.blocks for kind, n in block.counts.items() if kind in ACCESSES)
    events = len(trace)
    write = {"ours": write_ours(trace, ours)}
    read = {"ours": timed(lambda: read_ours(ours))}
    write["mmiotrace"] = timed(lambda: peers.write_text(trace, text))
    read["mmiotrace"] = timed(lambda: peers.read_text(text))
    write["pcapng"] = timed(lambda: peers.write_pcap(trace, pcap))
    sizes = {"ours": ours, "mmiotrace": text, "pcapng": pcap}
    try:
        write["Parquet"] = timed(lambda: peers.write_parquet(trace, parquet))
        read["Parquet"] = timed(lambda: peers.read_parquet(parquet))
        sizes["Parquet"] = parquet
    except ImportError:
        print("bench: Parquet is left out: pip install -e '.[bench]' installs pyarrow", file=sys.stderr)
    bytes_of = {form: path.stat().st_size for form, path in sizes.items()}
    for path in sizes.values():
        path.unlink()
    real = name in recordings.REAL
    figures = [Figure(f"{name}: accesses", accesses, "", LEAST_REAL if real else None)]
    for form, size in bytes_of.items():
        limit = MOST_OF_REGISTERS if form == "ours" and name == "pingpong" else None
        figures.append(Figure(f"{name}: {form}", size / accesses, "bytes/access", limit, at_most=True))
    if name == "perf":
        beyond = (bytes_of["ours"] - payload_bytes(trace)) / accesses
        figures.append(Figure(f"{name}: ours, beyond the payload", beyond, "bytes/access", MOST_BEYOND_PAYLOAD, True))
    of_text = bytes_of["ours"] / bytes_of["mmiotrace"]
    figures.append(Figure(f"{name}: ours, of mmiotrace's gzip", of_text, "", MOST_OF_TEXT if real else None, True))
    figures += [Figure(f"{name}: {form}, written", events / s / 1e6, "million events/s") for form, s in write.items()]
    figures += [Figure(f"{name}: {form}, read", events / s / 1e6, "million events/s") for form, s in read.items()]
    return figures


def measure() -> list[Figure]:
    figures = []
    found = recordings.real()
    if found.keys() != recordings.REAL.keys():
        print("bench: recordings of real guests are left out: `make bench-guest` makes them", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="ntbtrace-bench-") as place:
        directory = Path(place)
        for name, path in found.items():
            with ntbtrace.open(path) as trace:
                figures += compare(name, trace, directory)
        for events in EVENTS:
            path = directory / "simulated.ntbt"
            recordings.simulated(path, events)
            with ntbtrace.open(path) as trace:
                figures += compare(f"simulated, {events // 1_000_000}M events", trace, directory)
            path.unlink()
    return figures


if __name__ == "__main__":
    sys.exit(report(measure()))
