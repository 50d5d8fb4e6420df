# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/format.md is enough: a reader written from it alone, with struct and lz4, reads what the writer wrote."""

import json
import tempfile
import zlib
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from struct import calcsize, unpack_from

import lz4.block
from hypothesis import given, settings

from ntbtrace.event import Event
from ntbtrace.trace import TraceWriter, open_trace
from ntbtrace.trace.repack import repack
from tests.trace.making import ROWS, Snapshots, event_lists, header, small_writer, traffic

COLUMNS = ("t", "offset", "value", "size", "cause", "target", "endpoint", "bar", "status", "kind")
WIDTHS = (64, 64, 64, 32, 32, 32, 8, 8, 8, 8)
CARRY = {6, 7, 8, 32, 33, 35}


def expand(stored: bytes, raw: int, codec: int = 0) -> bytes:
    if len(stored) == raw:
        return stored
    return zlib.decompress(stored) if codec == 1 else lz4.block.decompress(stored, uncompressed_size=raw)


def read_header(data: bytes) -> tuple[dict, int]:
    magic, version, zero, stored, raw, crc = unpack_from("<8sHHIII", data)
    assert (magic, version, zero) == (b"\x89NTB\r\n\x1a\n", 2, 0)
    assert crc == zlib.crc32(data[24 : 24 + stored], zlib.crc32(data[:20]))
    return json.loads(expand(data[24 : 24 + stored], raw)), 24 + stored


def read_frames(data: bytes, at: int, end: int) -> list[tuple[int, int, bytes, bytes]]:
    frames = []
    while at < end:
        magic, kind, _, length, summary = unpack_from("<4sHHII", data, at)
        frame = data[at : at + length]
        assert (magic, len(frame)) == (b"NTBB", length)
        assert zlib.crc32(frame[:-4]) == int.from_bytes(frame[-4:], "little")
        frames.append((kind, at, frame[16 : 16 + summary], frame[16 + summary : -4]))
        at += length
    return frames


def read_column(encoding: int, width: int, raw: bytes, count: int) -> list[int]:
    """In the order in which the items are stored."""
    if encoding & 16:
        different = int.from_bytes(raw[:2], "little") + 1
        table = [int.from_bytes(raw[2 + i * width :][:width], "little") for i in range(different)]
        numbers = raw[2 + different * width :]
        step = 1 if different <= 256 else 2
        items = [table[int.from_bytes(numbers[i : i + step], "little")] for i in range(0, len(numbers), step)]
        assert len(items) == count
    else:
        number = len(raw) // width
        if encoding & 4:
            raw = bytes(raw[plane * number + item] for item in range(number) for plane in range(width))
        items = [int.from_bytes(raw[at : at + width], "little") for at in range(0, len(raw), width)]
    if encoding & 1:
        items *= count
    if encoding & 2:
        value, values = 0, []
        for z in items:
            value = (value + (-(z + 1) // 2 if z & 1 else z // 2)) % 2**64
            values.append(value)
        items = values
    return items


def read_columns(parts: dict[int, tuple[int, int, bytes]], count: int) -> dict[str, list[int]]:
    columns = {name: read_column(*parts[i], count) for i, name in enumerate(COLUMNS, 1)}
    effects = [row for row in range(count) if 16 <= columns["kind"][row] < 32]
    others = [row for row in range(count) if row not in set(effects)]
    for i, (name, bits) in enumerate(zip(COLUMNS, WIDTHS, strict=True), 1):
        if parts[i][0] & 8:
            stored = columns[name]
            items = dict(zip([*others, *effects], stored, strict=True))
            for row in effects:
                items[row] = (items[row] + items[row - columns["cause"][row]]) % 2**bits
            columns[name] = [items[row] for row in range(count)]
    return columns


def read_block(summary: bytes, body: bytes) -> tuple[list[Event], bytes]:
    first, count, low, high = unpack_from("<QIQQ", summary)
    entries, at = {}, 28
    while at < len(summary):
        tag, length = unpack_from("<HI", summary, at)
        entries[tag] = summary[at + 6 : at + 6 + length]
        at += 6 + length
    (number,) = unpack_from("<H", body)
    parts, at = {}, 2 + 12 * number
    for part in range(number):
        name, encoding, width, codec, stored, raw = unpack_from("<BBBBII", body, 2 + 12 * part)
        parts[name] = (encoding, width, expand(body[at : at + stored], raw, codec))
        at += stored
    assert at == len(body)
    columns = read_columns(parts, count)
    payload = parts[33][2]
    events = []
    for row in range(count):
        one = {name: values[row] for name, values in columns.items()}
        cause = first + row - one.pop("cause")
        data, size, value = None, one["size"], one["value"]
        if one["kind"] in CARRY or (one["kind"] in (16, 17) and size > 8):
            data = value.to_bytes(8, "little")[:size] if size <= 8 else payload[value : value + size]
            one["value"] = value if size <= 8 else 0
        events.append(Event(first + row, cause=None if cause == first + row else cause, data=data, **one))
    assert (low, high) == (min(columns["t"]), max(columns["t"]))
    kinds = [(kind, columns["kind"].count(kind)) for kind in sorted(set(columns["kind"]))]
    assert [unpack_from("<BI", entries[1], 5 * i) for i in range(len(entries[1]) // 5)] == kinds
    assert list(entries[2]) == sorted(set(columns["endpoint"]) - {255})
    targets = [int.from_bytes(entries[3][i : i + 4], "little") for i in range(0, len(entries[3]), 4)]
    assert targets == sorted(set(columns["target"]) - {0})
    return events, parts[32][2]


def read_file(data: bytes) -> tuple[dict, list[Event], list[bytes], tuple[int, ...]]:
    body, begin = read_header(data)
    index, length, crc, magic = unpack_from("<QII8s", data, len(data) - 24)
    assert (magic, crc) == (b"NTBTEND\n", zlib.crc32(data[-24:-12]))
    *frames, (kind, at, summary, entries) = read_frames(data, begin, len(data) - 24)
    assert (kind, at) == (2, index)
    assert index + length == len(data) - 24
    events, snapshots, place = [], [], 0
    for kind, offset, inside, block in frames:
        there, _, of, _, size = unpack_from("<QIHHI", entries, place)
        assert (there, of, entries[place + 20 : place + 20 + size]) == (offset, kind, inside)
        place += 20 + size
        if kind != 1:
            continue
        some, snapshot = read_block(inside, block)
        events += some
        snapshots.append(snapshot)
    assert place == len(entries)
    return body, events, snapshots, unpack_from("<IIQ", summary)


@settings(max_examples=100, deadline=None)
@given(event_lists())
def test_reads_any_events(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as name:
        writer = small_writer(Path(name) / "a.ntbt")
        for event in events:
            writer.append(event)
        writer.close()
        _, got, snapshots, index = read_file(writer.path.read_bytes())
        with open_trace(writer.path) as trace:
            repack(trace, Path(name) / "b.ntbt", lambda done: None)
        _, again, _, _ = read_file((Path(name) / "b.ntbt").read_bytes())
    assert got == events == again
    assert snapshots == [f"state {i + 1}".encode() for i in range(len(snapshots))]
    assert index == (1, len(snapshots), 0)


def test_reads_the_header(tmp_path: Path) -> None:
    written = header()
    TraceWriter(tmp_path / "a.ntbt", written, bytes).close()
    body, *_ = read_file((tmp_path / "a.ntbt").read_bytes())
    text = json.dumps(written.registers, sort_keys=True, separators=(",", ":"))
    assert body.pop("registers_digest") == blake2b(text.encode(), digest_size=16).hexdigest()
    assert {**body, "merged": []} == vars(written)


def read_sites(summary: bytes, body: bytes) -> dict[int, tuple[int, list[int]]]:
    """By seq: how the chain was found, and its addresses."""
    first, known, unknown, number = unpack_from("<QIII", summary)
    (count,) = unpack_from("<H", body)
    at, parts = 2 + 12 * count, {}
    for i in range(count):
        part, encoding, width, codec, stored, raw = unpack_from("<BBBBII", body, 2 + 12 * i)
        parts[part] = (encoding, width, expand(body[at : at + stored], raw, codec))
        at += stored
    rows, chains = (read_column(*parts[part], known + unknown) for part in (1, 2))
    depths, vias = (read_column(*parts[part], number) for part in (3, 4))
    addresses = iter(read_column(*parts[5], sum(depths)) if sum(depths) else ())
    table = [(via, [next(addresses) for _ in range(depth)]) for via, depth in zip(vias, depths, strict=True)]
    assert table[0] == (0, [])
    assert chains.count(0) == unknown
    return {first + row: table[chain] for row, chain in zip(rows, chains, strict=True)}


def test_reads_annotations() -> None:
    path = Path(__file__).parent.parent.parent / "traces/guest-pc.ntbt"
    data = path.read_bytes()
    _, begin = read_header(data)
    sites: dict[int, tuple[int, list[int]]] = {}
    symbols: dict[int, dict] = {}
    for kind, _, summary, body in read_frames(data, begin, len(data) - 24):
        if kind == 3:
            sites |= read_sites(summary, body)
        elif kind == 4:
            port, _ = unpack_from("<BQ", summary)
            symbols[port] = json.loads(expand(body[4:], *unpack_from("<I", body)))
    with open_trace(path) as trace:
        expected = {event.seq: trace.annotations.chain(event.seq) for event in trace if event.kind in (3, 4)}
        assert sites == {seq: (chain.via, list(chain.frames)) for seq, chain in expected.items()}
        assert json.dumps(symbols[2]) == json.dumps(asdict(trace.annotations.symbols[2]))
    assert len(read_file(data)[1]) == len(sites) + 841


def read_half(data: bytes, base: int, rows: int, payload: int, snapshot: int) -> tuple[int, bytes, list]:
    magic, first, length, crc = unpack_from("<4sQII", data, base)
    if magic != b"NTBH":
        return -1, b"", []
    pages = lambda size: -(-size // 4096) * 4096  # noqa: E731
    state = data[base + 4096 : base + 4096 + length]
    assert crc == zlib.crc32(state, zlib.crc32(data[base : base + 16]))
    rows_at = base + pages(4096 + snapshot)
    found = []
    for row in range(rows):
        values = unpack_from("<QQQIIIBBBB", data, rows_at + 40 * row)
        if not values[-1]:
            break
        found.append(values)
    return first, state, found


def test_reads_the_journal(tmp_path: Path) -> None:
    events = list(traffic(40))
    writer = small_writer(tmp_path / "a.ntbt")
    for event in events:
        writer.append(event)
    data, trace = (tmp_path / "a.ntbt.journal").read_bytes(), writer.path.read_bytes()
    magic, version, row, ident, rows, payload, snapshot, crc = unpack_from("<8sHH16sIIII", data)
    assert (magic, version, row, rows) == (b"\x89NTBJ\r\n\n", 2, 40, ROWS)
    assert crc == zlib.crc32(data[:40])
    assert ident == blake2b(trace[: read_header(trace)[1]], digest_size=16).digest()
    half = sum(-(-size // 4096) * 4096 for size in (4096 + snapshot, rows * 40, payload))
    assert len(data) == 4096 + 2 * half
    first, state, found = read_half(data, 4096, rows, payload, snapshot)
    assert (first, state) == (0, Snapshots()())
    assert [(values[0], values[-1]) for values in found] == [(event.t, event.kind) for event in events]
    assert calcsize("<QQQIIIBBBB") == row
    assert read_half(data, 4096 + half, rows, payload, snapshot) == (-1, b"", [])
    writer.close()
