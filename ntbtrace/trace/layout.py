# SPDX-License-Identifier: GPL-2.0-or-later
"""Every number of the file and the journal: magics, structures, ids, limits. docs/format.md explains them.

All integers are little-endian, all checksums CRC-32 (zlib). Lengths are in bytes.
"""

from enum import IntEnum, IntFlag
from struct import Struct

import numpy as np

from ntbtrace.event import ROW, Kind

FORMAT_VERSION = 2  # 1: without Encoding.CAUSED and DICT

# Header: magic, version, reserved, stored and raw length of the body, CRC of all before and the body
HEADER_MAGIC = b"\x89NTB\r\n\x1a\n"
HEADER = Struct("<8sHHIII")

# Frame: head, summary, body, CRC of all of them. Head: magic, type, reserved, length of frame and of summary
FRAME_MAGIC = b"NTBB"
FRAME = Struct("<4sHHII")
CRC = Struct("<I")


class FrameType(IntEnum):
    EVENTS = 1
    INDEX = 2
    SITES = 3  # which code of its guest made each access of a block
    SYMBOLS = 4  # what is where in a guest's kernel, and when


# Summary of an EVENTS frame: first seq, count, lowest and highest t; then the map: tag, length, data each
SUMMARY = Struct("<QIQQ")
ENTRY = Struct("<HI")


class Tag(IntEnum):
    KINDS = 1  # KIND_COUNT each
    ENDPOINTS = 2  # u8 each
    TARGETS = 3  # u32 each, ascending


KIND_COUNT = Struct("<BI")

# Body of an EVENTS frame: number of parts, a PART each, then their stored bytes in the same order
PARTS = Struct("<H")
PART = Struct("<BBBBII")  # id, encoding, width of an item, codec, stored length, raw length


class Codec(IntEnum):
    """How raw bytes became stored ones, where that made them shorter."""

    LZ4 = 0
    DEFLATE = 1  # zlib: tighter and slower


class Encoding(IntFlag):
    """How a column became raw bytes: in this order."""

    CAUSED = 8  # first the items of all rows that are no effects, then those of effects, less their cause's item
    DELTA = 2  # difference to the item before (the first: to 0), zigzag: 0, -1, 1, -2 -> 0, 1, 2, 3
    DICT = 16  # number of different items, they themselves, then for each item its number among them
    PLANES = 4  # all items' lowest bytes, then all second bytes, ...
    CONSTANT = 1  # one item stands for all rows


DICT_COUNT = Struct("<H")  # of different items, less one; their numbers are u8 for up to 256, else u16
MAX_DICT = 1 << 16

SNAPSHOT_PART = 32
PAYLOAD_PART = 33

# Summary of a SITES frame: first seq of its block, rows known, rows unknown, chains. Its body: PARTS, as of EVENTS
SITES = Struct("<QIII")


class SitePart(IntEnum):
    ROWS = 1  # u32 each: the rows, ascending
    CHAINS = 2  # u32 each: the row's chain
    DEPTHS = 3  # u8 for each chain: how many frames it has; chain 0 has none
    VIAS = 4  # u8 for each chain: a Via
    FRAMES = 5  # u64 each: the guest's addresses, those of the first chain first; missing when there are none


# Summary of a SYMBOLS frame: the port, seq up to which it tells. Its body: raw length, then JSON, compressed
SYMBOLS = Struct("<BQ")
RAW_LENGTH = Struct("<I")

# Rows of the journal, as numpy sees event.ROW; the ids of the columns are their numbers here, from 1
ROW_DTYPE = np.dtype(
    [
        ("t", "<u8"), ("offset", "<u8"), ("value", "<u8"), ("size", "<u4"), ("cause", "<u4"),
        ("target", "<u4"), ("endpoint", "u1"), ("bar", "u1"), ("status", "u1"), ("kind", "u1"),
    ]
)  # fmt: skip
COLUMNS = {name: number for number, name in enumerate(ROW_DTYPE.names or (), 1)}
KIND_AT = ROW.size - 1  # of the byte whose value says that a row is complete

DATA_KINDS = (  # always have data
    Kind.ATTACH, Kind.DETACH, Kind.RAM_MAP, Kind.MARK, Kind.CONSOLE, Kind.FAULT,
)  # fmt: skip
MEMORY_KINDS = (Kind.MEM_READ, Kind.MEM_WRITE)  # carry data when it is longer than a value

# Summary of an INDEX frame: flags, entries, events lost; body: the entries, each with its frame's summary
INDEX = Struct("<IIQ")
INDEX_ENTRY = Struct("<QIHHI")  # offset, length, type of the frame, reserved, length of its summary


class IndexFlag(IntFlag):
    CLOSED = 1
    SALVAGED = 2


# Tail, the last bytes of a whole file: offset and length of the index frame, CRC of both, magic
TAIL_MAGIC = b"NTBTEND\n"
TAIL = Struct("<QII8s")
TAIL_PLACE = Struct("<QI")

# Journal head: magic, version, size of a row, identity; of a half: rows, payload, snapshot; CRC of all before
JOURNAL_MAGIC = b"\x89NTBJ\r\n\n"
JOURNAL = Struct("<8sHH16sIII")
# Head of a half: magic, first seq, length of the snapshot; then CRC of these and of the snapshot
HALF_MAGIC = b"NTBH"
HALF = Struct("<4sQI")
PAGE = 4096

# What a reader accepts
MAX_HEADER = 16 << 20  # raw
MAX_ROWS = 1 << 20  # of a block
MAX_PART = 64 << 20  # raw: payload, snapshot
MAX_DATA = 128 << 10  # of one event
MAX_SEQ = 1 << 62
MAX_DEPTH = 64  # frames of a chain
MAX_SYMBOLS = 16 << 20  # raw: what is told of a guest
