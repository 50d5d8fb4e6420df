# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever bytes a file has: the right events, or one TraceFormatError that names the place. Nothing else."""

import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import lz4.block
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.event import Event
from ntbtrace.trace import layout, open_trace, salvage
from ntbtrace.trace.frame import encode_frame
from tests.trace.making import header, small_writer, traffic, write


def read_all(path: Path) -> list[Event]:
    with open_trace(path, partial=True) as trace:
        for index in range(len(trace.blocks)):
            block = trace.block(index)
            assert isinstance(block.columns, dict)
        for target in range(12):
            trace.registers.fields(target)
        return list(trace)


def read_or_refuse(path: Path) -> list[Event] | None:
    try:
        return read_all(path)
    except TraceFormatError as error:
        text = str(error)
        assert "\n" not in text
        assert str(path) in text
        return None


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(traffic(60))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, events: list[Event]) -> bytes:
    return write(tmp_path_factory.mktemp("whole") / "a.ntbt", events).read_bytes()


def test_every_length(whole: bytes, events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "cut.ntbt"
    opened = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        got = read_or_refuse(path)
        if got is not None:
            opened += 1
            assert got == events[: len(got)]
    assert opened > 100  # everything behind the header


def test_every_byte(whole: bytes, events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "flipped.ntbt"
    for at in range(len(whole)):
        for bits in (0x01, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :])
            assert read_or_refuse(path) in (None, events), at


def test_every_byte_of_an_unclosed_file(whole: bytes, events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "flipped.ntbt"
    (index,) = struct.unpack("<Q", whole[-24:-16])
    for at in range(index):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 : index])
        got = read_or_refuse(path)
        assert got is None or got == events[: len(got)], at


def test_salvage_of_any_damage(whole: bytes, events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "damaged.ntbt"
    for at in range(0, len(whole), 7):
        changed = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        path.write_bytes(changed)
        try:
            report = salvage(path, lambda line: None)
        except TraceFormatError:
            assert path.read_bytes() == changed, "a file that cannot be saved must stay as it is"
            continue
        got = read_all(path)
        assert got == events[: len(got)]
        assert report.events == len(got)
        original = path.with_name("damaged.ntbt.damaged")
        assert original.exists() == (report.original is not None)
        if len(got) < len(events):
            assert original.read_bytes() == changed
        original.unlink(missing_ok=True)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_random_files(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.ntbt"
    for start in (b"", layout.HEADER_MAGIC, layout.HEADER_MAGIC + b"\1\0\0\0"):
        path.write_bytes(start + data)
        assert read_or_refuse(path) is None


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_random_frames(tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject) -> None:
    """Frames that somebody forged, checksums and all."""
    path = tmp_path_factory.getbasetemp() / "forged.ntbt"
    start = whole[: layout.HEADER.size + struct.unpack("<I", whole[12:16])[0]]
    kind = data.draw(st.sampled_from((1, 2, 3)))
    summary = data.draw(st.one_of(st.binary(max_size=60), st.just(SUMMARY), st.just(layout.INDEX.pack(1, 1, 0))))
    frame = encode_frame(kind, summary, data.draw(st.binary(max_size=200)))
    path.write_bytes(start + frame)
    got = read_or_refuse(path)
    assert got is None or kind != 1


SUMMARY = layout.SUMMARY.pack(0, 1, 0, 0) + b"".join(
    layout.ENTRY.pack(tag, len(data)) + data for tag, data in ((1, layout.KIND_COUNT.pack(4, 1)), (2, b""), (3, b""))
)


def forged(path: Path, parts: dict[int, tuple[int, int, bytes, int]], count: int = 1) -> Path:
    """A file of one block of `count` mmio_writes whose parts are replaced: encoding | codec << 8, width, stored, raw
    length.
    """
    whole = {
        number: (1, layout.ROW_DTYPE[name].itemsize, bytes([4 if name == "kind" else 0] * 8), 0)
        for name, number in layout.COLUMNS.items()
    }
    plain = {number: (e, w, data[:w], w) for number, (e, w, data, _) in whole.items()}
    plain |= {32: (0, 1, b"", 0), 33: (0, 1, b"", 0), **parts}
    summary = layout.SUMMARY.pack(0, count, 0, 0) + b"".join(
        layout.ENTRY.pack(tag, len(data)) + data
        for tag, data in ((1, layout.KIND_COUNT.pack(4, count)), (2, b"\0"), (3, b""))
    )
    body = [layout.PARTS.pack(len(plain))]
    body += [
        layout.PART.pack(number, e & 255, w, e >> 8, len(data), raw) for number, (e, w, data, raw) in plain.items()
    ]
    body += [data for _, _, data, _ in plain.values()]
    writer = small_writer(path)
    writer.close()
    start = path.read_bytes()
    end = struct.unpack("<Q", start[-24:-16])[0]
    path.write_bytes(start[:end] + encode_frame(1, summary, *body))
    return path


def test_the_forged_block_is_good_when_nothing_is_changed(tmp_path: Path) -> None:
    assert read_all(forged(tmp_path / "a.ntbt", {})) == [Event(0, 0, 4, 0, 0, 0, 0, 0, 0, 0, None, None)]


BOMB = lz4.block.compress(bytes(200 << 20), store_size=False)


@pytest.mark.parametrize(
    "parts",
    [
        {10: (1, 1, b"\x21", 1), 4: (1, 4, b"\x09\0\0\0", 4), 33: (0, 1, BOMB, 200 << 20)},
        {32: (0, 1, BOMB, 200 << 20)},
        {3: (0, 8, BOMB, 200 << 20)},
        {3: (0, 8, BOMB, 8)},
        {1: (1, 3, b"abc", 3)},
        {1: (32, 8, bytes(8), 8)},
        {3: (16, 8, b"\0\0" + bytes(8) + b"\1", 11)},
        {3: (16, 8, b"\1\0" + bytes(8) + b"\0", 11)},
        {3: (16, 8, b"", 0)},
        {3: (512, 8, bytes(7), 8)},
        {3: (256, 8, bytes(7), 8)},
        {3: (256, 8, zlib.compress(bytes(200 << 20)), 8)},
        {3: (16, 8, BOMB, 200 << 20)},
        {10: (8, 1, b"\4", 1)},
        {5: (9, 4, bytes(4), 4)},
        {10: (1, 1, b"\x10", 1), 1: (8, 8, bytes(8), 8)},
        {4: (1, 8, bytes(8), 8)},
        {5: (1, 4, b"\1\0\0\0", 4)},
        {10: (1, 1, b"\x21", 1), 4: (1, 4, b"\xff\xff\0\0", 4)},
        {10: (1, 1, b"\x21", 1), 4: (1, 4, b"\x09\0\0\0", 4), 3: (1, 8, b"\xff" * 8, 8)},
        {10: (1, 1, b"\x21", 1), 4: (1, 4, b"\xff\xff\xff\xff", 4), 33: (0, 1, bytes(100), 100)},
    ],
    ids=["payload bomb", "snapshot bomb", "column bomb", "too much", "odd width", "unknown encoding",
         "no such number", "dictionary too long", "no dictionary", "no such codec", "not zlib", "zlib bomb",
         "dictionary bomb", "kind by its causes",
         "cause by its causes", "cause not in the block", "too wide",
         "cause before 0", "data without payload", "data far behind", "data too long"],
)  # fmt: skip
def test_forged_parts(tmp_path: Path, parts: dict[int, tuple[int, int, bytes, int]]) -> None:
    path = forged(tmp_path / "a.ntbt", parts)
    tracemalloc.start()
    try:
        with pytest.raises(TraceFormatError, match=r"byte \d+"):
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_unknown_parts_frames_and_map_entries_are_passed_over(tmp_path: Path) -> None:
    path = forged(tmp_path / "a.ntbt", {77: (9, 9, b"later", 5)})
    path.write_bytes(path.read_bytes() + encode_frame(99, b"later", b"still later"))
    assert len(read_all(path)) == 1
    salvage(path, lambda line: None)
    assert len(read_all(path)) == 1


def with_body(path: Path, body: object) -> Path:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    start = layout.HEADER.pack(layout.HEADER_MAGIC, 1, 0, len(raw), len(raw), 0)[:-4]
    path.write_bytes(start + struct.pack("<I", zlib.crc32(raw, zlib.crc32(start))) + raw)
    return path


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"9" * 10_000, {}, {**vars(header()), "profile": 3},
     {**vars(header()), "model_version": "1"}, {**vars(header()), "boot_id": None}],
    ids=str,
)  # fmt: skip
def test_forged_headers(tmp_path: Path, body: object) -> None:
    with pytest.raises(TraceFormatError, match="the header is damaged"):
        open_trace(with_body(tmp_path / "a.ntbt", body))


@pytest.mark.parametrize(
    "registers",
    [{}, {"registers": 3}, {"registers": [{}]}, {"registers": [None]},
     {"registers": [{"id": 0, "name": "A", "indices": None, "fields": []}]},
     {"registers": [{"id": 1, "name": "A", "indices": {"a": 1}, "fields": [[1]]}]},
     {"registers": [{"id": 1, "name": "A{}", "indices": [0, 1], "fields": []},
                    {"id": 2, "name": "B", "indices": None, "fields": []}]},
     {"registers": [{"id": 1, "name": "A", "indices": None, "fields": [["F", 99, 1, "RW", {}, 0]]}]},
     {"registers": [{"id": 1, "name": "A", "indices": None, "fields": [["F", 0, 1, "RW", {"x": "y"}, 0]]}]}],
    ids=str,
)  # fmt: skip
def test_forged_register_tables(tmp_path: Path, registers: object) -> None:
    path = with_body(tmp_path / "a.ntbt", {**vars(header()), "registers": registers})
    with (
        open_trace(path, partial=True) as trace,
        pytest.raises(TraceFormatError, match="the register table is damaged"),
    ):
        assert trace.registers


def test_a_name_cannot_format_its_way_out(tmp_path: Path) -> None:
    row = {"id": 1, "name": "A{:>999999999}{}", "indices": [0], "fields": []}
    path = with_body(tmp_path / "a.ntbt", {**vars(header()), "registers": {"registers": [row]}})
    with open_trace(path, partial=True) as trace:
        assert trace.registers.name(1) == "A{:>999999999}0"


def test_newer_version(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "new.ntbt"
    path.write_bytes(whole[:8] + b"\7\0" + whole[10:])
    with pytest.raises(TraceFormatError, match="trace is of format version 7, this ntbtrace reads up to 2: upgrade"):
        open_trace(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "is empty"), (b"PK\3\4 a zip file that is long enough", "is not a trace"), (b"\x89NT", "ends inside")],
)
def test_not_a_trace(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "other.ntbt"
    path.write_bytes(data)
    with pytest.raises(TraceFormatError, match=says):
        open_trace(path)


def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(NtbTraceError, match="No such file"):
        open_trace(tmp_path / "none.ntbt")
    with pytest.raises(NtbTraceError, match="Is a directory"):
        open_trace(tmp_path)


def test_something_behind_the_end(whole: bytes, events: list[Event], tmp_path: Path) -> None:
    path = tmp_path / "longer.ntbt"
    path.write_bytes(whole + b"more")
    assert read_or_refuse(path) is None
    salvage(path, lambda line: None)
    assert read_all(path) == events
