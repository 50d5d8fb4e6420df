# SPDX-License-Identifier: GPL-2.0-or-later
"""Header: how and of what a trace was recorded; the first bytes of the file."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_origin

from ntbtrace.errors import TraceFormatError
from ntbtrace.trace.guard import checksum, compress, damaged, expand, reading
from ntbtrace.trace.layout import FORMAT_VERSION, HEADER, HEADER_MAGIC, MAX_HEADER

PAYLOADS = ("full", "hashed")
_Made = TypeVar("_Made", "Header", "MergedFrom")
_CHECKED = HEADER.size - 4  # bytes before the CRC


@dataclass
class MergedFrom:
    """One of the recordings that a merged trace was made of."""

    file: str
    ports: dict[str, Any]  # its port numbers -> those in the merged trace
    shift: int  # ns from the merged trace's start to its own
    placed: str  # by which clock
    header: dict[str, Any]  # its header, without the registers


@dataclass
class Header:
    """`profile` and `registers` are what device.Profile and device.register_table make; JSON-able."""

    model_version: int
    profile: dict[str, Any]
    registers: dict[str, Any]
    command: str
    tool: str
    transports: dict[str, str]  # port -> "mpqemu" | "simulated"
    guests: dict[str, Any]
    start_wall_ns: int
    start_mono_ns: int
    boot_id: str
    payloads: str  # "full" | "hashed": guest memory replaced by keyed hashes
    merged: list[MergedFrom] = field(default_factory=list)  # of several switches: such a trace is not replayed


def registers_digest(registers: dict[str, Any]) -> str:
    """32 hex digits that tell two register tables apart."""
    from hashlib import blake2b  # slow to load, and only a writer needs it

    text = json.dumps(registers, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def encode_header(header: Header) -> bytes:
    body = {**asdict(header), "registers_digest": registers_digest(header.registers)}
    if not header.merged:
        del body["merged"]
    raw = json.dumps(body, separators=(",", ":")).encode()
    stored = compress(raw)
    return _start(len(stored), len(raw), stored) + stored


def renewed(start: bytes) -> bytes:
    """A whole header, with its body, of any version: the same of the present version."""
    _, _, _, stored, raw, _ = HEADER.unpack(start[: HEADER.size])
    return _start(stored, raw, start[HEADER.size :]) + start[HEADER.size :]


def _start(stored_length: int, raw_length: int, body: bytes) -> bytes:
    start = HEADER.pack(HEADER_MAGIC, FORMAT_VERSION, 0, stored_length, raw_length, 0)[:_CHECKED]
    return start + checksum(start, body).to_bytes(4, "little")


def decode_header(path: Path, start: bytes, body: bytes) -> Header:
    """`start`: the first HEADER.size bytes; `body`: body_length() bytes behind them."""
    _, _, _, _, raw_length, crc = HEADER.unpack(start)
    with reading(path, 0, "the header"):
        if checksum(start[:_CHECKED], body) != crc:
            raise ValueError("wrong checksum")
        loaded = json.loads(expand(body, raw_length, MAX_HEADER))
        merged = [_typed(MergedFrom, one) for one in loaded.get("merged", ())]
        header = _typed(Header, {**loaded, "merged": merged})
    return header


def _typed(kind: type[_Made], loaded: dict[str, Any]) -> _Made:
    """A dataclass from JSON. Raises ValueError, TypeError."""
    made = kind(**{one.name: loaded[one.name] for one in fields(kind) if one.name in loaded})
    for one in fields(kind):
        wanted: Any = get_origin(one.type) or one.type
        value = getattr(made, one.name)
        if not isinstance(value, wanted):
            raise ValueError(f"{one.name} is of type {type(value).__name__}")
    return made


def version_of(start: bytes) -> int:
    """The format version of a file that begins with `start`: HEADER.size bytes that body_length has passed."""
    version: int = HEADER.unpack(start)[1]
    return version


def body_length(path: Path, start: bytes, size: int) -> int:
    """The length of the header's body, when `start` begins a trace that this version reads.

    `size`: of the file. Raises TraceFormatError.
    """
    if size == 0:
        raise TraceFormatError(f"{path} is empty: nothing was recorded")
    if not start.startswith(HEADER_MAGIC[: len(start)]):
        raise TraceFormatError(f"{path} is not a trace of ntbtrace: it begins with {start[:8].hex(' ')}")
    if len(start) < HEADER.size:
        raise damaged(path, len(start), "the file ends inside its header")
    _, version, _, stored, raw_length, _ = HEADER.unpack(start)
    if version > FORMAT_VERSION:
        raise TraceFormatError(
            f"{path}: trace is of format version {version}, this ntbtrace reads up to {FORMAT_VERSION}: upgrade"
        )
    if version == 0:
        raise damaged(path, 8, "there is no format version 0")
    if stored > size - HEADER.size:
        raise damaged(path, 12, f"the header says {stored} bytes of body, the file has {size - HEADER.size}")
    if raw_length > MAX_HEADER:
        raise damaged(path, 16, f"a header of {raw_length} bytes is more than the {MAX_HEADER} there can be")
    length: int = stored
    return length
