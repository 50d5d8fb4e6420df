# SPDX-License-Identifier: GPL-2.0-or-later
"""pcapng: a trace as packets for Wireshark and scapy, one interface a port, times in nanoseconds, marks as comments.

The blocks are those of the PCAP Next Generation specification (draft-ietf-opsawg-pcapng, sections 4.1 to 4.3). scapy's
own writer keeps microseconds and has no options of interfaces.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ntbtrace.event import ACCESSES, NO_ENDPOINT, Kind, port_of
from ntbtrace.exporters.packet import DTYPE, LINKTYPE, fill
from ntbtrace.query import Expression
from ntbtrace.trace import Trace
from ntbtrace.trace.block import Block
from ntbtrace.trace.header import Header

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_END, _COMMENT = 0, 1  # options of every block
_HARDWARE, _APPLICATION = 2, 4  # of a section
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of an interface
_NANOSECONDS = 9
_MAX_OPTION = 0xFFFC
_WORD = (1 << 64) - 1

_EPB = np.dtype(
    [("type", "<u4"), ("total", "<u4"), ("interface", "<u4"), ("high", "<u4"), ("low", "<u4"), ("captured", "<u4"),
     ("original", "<u4"), *((name, DTYPE[name]) for name in DTYPE.names or ()), ("end", "<u4")]
)  # fmt: skip
_END_BYTES = 4
_LENGTHS = struct.Struct("<II")  # captured, original
_TOTAL = struct.Struct("<I")
_TOTAL_AT, _LENGTHS_AT = 4, 20  # in an enhanced packet block


def write_pcapng(
    trace: Trace,
    out: BinaryIO,
    expression: "str | Expression | None" = None,
    first: int = 0,
    last: int | None = None,
    say: Callable[[int], None] = lambda done: None,
    comment: Callable[[int], str] | None = None,
) -> int:
    """Write the events that Trace.where() or events() would give; how many.

    `say` is told the seq that it has come to. `comment` gives an access's comment by its seq, '' for none. Raises
    TraceFormatError, OSError.
    """
    ports = sorted({port_of(one) for info in trace.blocks for one in info.endpoints})
    out.write(_section(trace.header))
    for port in ports:
        out.write(_interface(f"port {port}", str(trace.header.transports.get(str(port), ""))))
    out.write(_interface("switch", "what is about no port"))
    interfaces = np.full(256, len(ports), np.uint32)
    for endpoint in range(NO_ENDPOINT):
        interfaces[endpoint] = ports.index(port_of(endpoint)) if port_of(endpoint) in ports else len(ports)
    start, count = trace.header.start_wall_ns & _WORD, 0
    for block, rows in trace.select(expression, first, last):
        packets = _packets(trace, block, rows, start, interfaces)
        for piece in _pieces(packets, block, rows, comment):
            out.write(piece)
        count += len(rows)
        say(block.info.last_seq)
    return count


def _packets(
    trace: Trace, block: Block, rows: NDArray[Any], start: int, interfaces: NDArray[np.uint32]
) -> NDArray[Any]:
    """The enhanced packet blocks of these rows, as if none had data or a comment."""
    packets = np.zeros(len(rows), _EPB)
    fill(packets, block, rows, trace.registers)
    times = packets["t"] + np.uint64(start)
    packets["type"] = _PACKET
    packets["total"] = packets["end"] = _EPB.itemsize
    packets["interface"] = interfaces[block.column("endpoint")[rows]]
    packets["high"], packets["low"] = times >> np.uint64(32), times & np.uint64(0xFFFF_FFFF)
    packets["captured"] = packets["original"] = DTYPE.itemsize
    return packets


def _pieces(
    packets: NDArray[Any], block: Block, rows: NDArray[Any], comment: Callable[[int], str] | None
) -> Iterator[bytes]:
    done = 0
    special = block.with_data[rows]
    if comment is not None:
        special = special | np.isin(packets["kind"], list(ACCESSES))
    for at in np.flatnonzero(special).tolist():
        data = block.data(int(rows[at])) or b""
        kind = packets["kind"][at]
        text = data if kind == Kind.MARK else b""
        if comment is not None and kind in ACCESSES:
            text = comment(int(packets["seq"][at])).encode()
        if not data and not text:
            continue
        yield packets[done:at].tobytes()
        yield _with_data(packets[at].tobytes()[:-_END_BYTES], data, _option(_COMMENT, text) if text else b"")
        done = at + 1
    yield packets[done:].tobytes()


def _with_data(head: bytes, data: bytes, options: bytes) -> bytes:
    length = DTYPE.itemsize + len(data)
    rest = _padded(data) + (options + _option(_END, b"") if options else b"")
    total = _TOTAL.pack(len(head) + len(rest) + _END_BYTES)
    lengths = _LENGTHS.pack(length, length)
    return b"".join((
        head[:_TOTAL_AT], total, head[_TOTAL_AT + len(total) : _LENGTHS_AT], lengths,
        head[_LENGTHS_AT + len(lengths) :], rest, total,
    ))  # fmt: skip


def _section(header: Header) -> bytes:
    chip = str(header.profile.get("chip", ""))
    options = (
        _option(_COMMENT, header.command.encode()),
        _option(_HARDWARE, chip.encode()),
        _option(_APPLICATION, header.tool.encode()),
        _option(_END, b""),
    )
    return _block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1), *options)


def _interface(name: str, description: str) -> bytes:
    options = (
        _option(_NAME, name.encode()),
        _option(_DESCRIPTION, description.encode()),
        _option(_RESOLUTION, bytes((_NANOSECONDS,))),
        _option(_END, b""),
    )
    return _block(_INTERFACE, struct.pack("<HHI", LINKTYPE, 0, 0), *options)


def _block(kind: int, body: bytes, *options: bytes) -> bytes:
    content = body + b"".join(options)
    total = 12 + len(content)
    return struct.pack("<II", kind, total) + content + struct.pack("<I", total)


def _option(code: int, value: bytes) -> bytes:
    value = value[:_MAX_OPTION]
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
