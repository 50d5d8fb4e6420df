# SPDX-License-Identifier: GPL-2.0-or-later
"""A column of a block as bytes, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntbtrace.trace.guard import compress
from ntbtrace.trace.layout import Encoding

Array = NDArray[Any]

_WIDTHS = (1, 2, 4, 8)
_SIGN = np.uint64(63)
_ONE = np.uint64(1)

# What is tried; the shortest is kept. A column that is not here: as it is, it compresses well in any form.
_PLAIN, _PLANES, _DELTA = Encoding(0), Encoding.PLANES, Encoding.DELTA
_TRIED = {
    "t": (_DELTA | _PLANES,),
    "offset": (_PLANES, _DELTA, _DELTA | _PLANES),  # registers; copies through a window
    "value": (_PLAIN, _PLANES),  # a few values again and again; payload
    "target": (_PLANES,),
}


def encode(name: str, column: Array) -> tuple[Encoding, int, int, bytes]:
    """Encoding, width, raw length and compressed bytes of `column`: at least one unsigned integer."""
    column = np.ascontiguousarray(column)
    if (column == column[0]).all():
        return _encode(Encoding.CONSTANT, column[:1])
    tried = (_encode(encoding, column) for encoding in _TRIED.get(name, (_PLAIN,)))
    return min(tried, key=lambda result: len(result[-1]))


def _encode(encoding: Encoding, column: Array) -> tuple[Encoding, int, int, bytes]:
    items = _zigzag(column) if encoding & Encoding.DELTA else column
    needed = int(items.max()).bit_length()
    width = next(width for width in _WIDTHS if needed <= 8 * width)
    items = items.astype(f"<u{width}", copy=False)
    if encoding & Encoding.PLANES:
        items = items.view(np.uint8).reshape(-1, width).T
    raw = items.tobytes()
    return encoding, width, len(raw), compress(raw)


def raw_length(encoding: int, width: int, count: int) -> int:
    """How many raw bytes `count` rows have. Raises ValueError for an encoding that does not exist."""
    if width not in _WIDTHS or encoding & ~int(Encoding.CONSTANT | Encoding.DELTA | Encoding.PLANES):
        raise ValueError(f"there is no column encoding {encoding} with items of {width} bytes")
    return width if encoding & Encoding.CONSTANT else width * count


def decode(encoding: int, width: int, raw: bytes, dtype: np.dtype[Any], count: int) -> Array:
    """Undo encode(), from the raw bytes. Raises ValueError when an item does not fit `dtype`."""
    if width > dtype.itemsize:
        raise ValueError(f"items of {width} bytes where there can be {dtype.itemsize}")
    if encoding & Encoding.PLANES:
        planes = np.frombuffer(raw, np.uint8).reshape(width, -1)
        items = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(-1)
    else:
        items = np.frombuffer(raw, f"<u{width}")
    if encoding & Encoding.CONSTANT:
        items = np.repeat(items, count)
    if encoding & Encoding.DELTA:
        items = _unzigzag(items)
    return items.astype(dtype, copy=False)


def _zigzag(column: Array) -> Array:
    """Differences, small ones in either direction as small numbers; modulo 2^64."""
    wide = column.astype(np.uint64, copy=False)
    steps = np.empty_like(wide)
    steps[0] = wide[0]
    np.subtract(wide[1:], wide[:-1], out=steps[1:])
    return (steps << _ONE) ^ (np.uint64(0) - (steps >> _SIGN))


def _unzigzag(items: Array) -> Array:
    wide = items.astype(np.uint64, copy=False)
    steps = (wide >> _ONE) ^ (np.uint64(0) - (wide & _ONE))
    return steps.cumsum(dtype=np.uint64)
