# SPDX-License-Identifier: GPL-2.0-or-later
"""The same recording in the formats of others: mmiotrace's text in gzip, pcapng, Parquet."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ntbtrace.event import Event, Kind
from ntbtrace.exporters.pcapng import write_pcapng
from ntbtrace.trace import Block, Trace

GZIP_LEVEL = 6  # what `gzip` does unasked
ZSTD_LEVEL = 3
GROUP = 32  # blocks in a row group, so that ten million events need little memory
COLUMNS = tuple(name for name in Event._fields if name != "data")


def write_text(trace: Trace, path: Path) -> None:
    """As mmiotrace does (Documentation/trace/mmiotrace.rst): MMIO accesses alone, microseconds, no effects."""
    with gzip.open(path, "wb", GZIP_LEVEL) as out:
        for number in range(len(trace.blocks)):
            out.write(_lines(trace.block(number)))


def _lines(block: Block) -> bytes:
    kinds = block.column("kind")
    rows = np.flatnonzero((kinds == Kind.MMIO_READ) | (kinds == Kind.MMIO_WRITE))
    microseconds = block.column("t")[rows] // 1000
    maps = block.column("endpoint")[rows].astype(np.uint64) + block.column("bar")[rows]  # each BAR is a mapping
    addresses = (maps << np.uint64(20)) + np.uint64(0xC000_0000) + block.column("offset")[rows]
    columns = (
        np.where(kinds[rows] == Kind.MMIO_READ, "R", "W"), block.column("size")[rows], microseconds // 1_000_000,
        microseconds % 1_000_000, maps, addresses, block.column("value")[rows],
    )  # fmt: skip
    lines = zip(*(column.tolist() for column in columns), strict=True)
    return "".join(["%s %d %d.%06d %d 0x%x 0x%x 0x0 0\n" % line for line in lines]).encode()  # noqa: UP031, the fastest


def read_text(path: Path) -> None:
    """The least that a reader does: every line, in words."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            line.split()


def write_pcap(trace: Trace, path: Path) -> None:
    with path.open("wb", buffering=1 << 20) as out:
        write_pcapng(trace, out)


def write_parquet(trace: Trace, path: Path) -> None:
    """Every column of every event, and its data. Raises ImportError without pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for group in _groups(trace):
        table = pa.table({name: np.concatenate([block.column(name) for block in group]) for name in COLUMNS})
        data = [block.data(row) if there else None for block in group for row, there in enumerate(block.with_data)]
        table = table.append_column("data", pa.array(data, pa.binary()))
        if writer is None:
            writer = pq.ParquetWriter(
                path, table.schema, compression="zstd", compression_level=ZSTD_LEVEL,
                use_dictionary=[name for name in table.column_names if name not in ("seq", "t", "cause")],
                column_encoding=dict.fromkeys(("seq", "t", "cause"), "DELTA_BINARY_PACKED"),
            )  # fmt: skip
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _groups(trace: Trace) -> Iterator[list[Block]]:
    for first in range(0, len(trace.blocks), GROUP):
        yield [trace.block(number) for number in range(first, min(first + GROUP, len(trace.blocks)))]


def read_parquet(path: Path) -> None:
    """All of it into arrays."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        for column in file.read_row_group(group, columns=list(COLUMNS)).columns:
            column.to_numpy()
