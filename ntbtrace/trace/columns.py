# SPDX-License-Identifier: GPL-2.0-or-later
"""A column of a block as bytes, and back: numpy arrays to (encoding, width, raw bytes)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntbtrace.trace.layout import Encoding

Array = NDArray[Any]

_WIDTHS = (1, 2, 4, 8)
DELTA_COLUMNS = frozenset(("t", "offset"))
_SIGN = np.uint64(63)
_ONE = np.uint64(1)


def encode(name: str, column: Array) -> tuple[Encoding, int, bytes]:
    """`column`: at least one unsigned integer."""
    column = np.ascontiguousarray(column)
    if (column == column[0]).all():
        encoding, items = Encoding.CONSTANT, column[:1]
    elif name in DELTA_COLUMNS:
        encoding, items = Encoding.DELTA, _zigzag(column)
    else:
        encoding, items = Encoding(0), column
    needed = int(items.max()).bit_length()
    width = next(width for width in _WIDTHS if needed <= 8 * width)
    items = items.astype(f"<u{width}", copy=False)
    if width > 1 and encoding != Encoding.CONSTANT:
        encoding |= Encoding.PLANES
        items = items.view(np.uint8).reshape(-1, width).T
    return encoding, width, items.tobytes()


def raw_length(encoding: int, width: int, count: int) -> int:
    """How many raw bytes `count` rows have. Raises ValueError for an encoding that does not exist."""
    if width not in _WIDTHS or encoding & ~int(Encoding.CONSTANT | Encoding.DELTA | Encoding.PLANES):
        raise ValueError(f"there is no column encoding {encoding} with items of {width} bytes")
    return width if encoding & Encoding.CONSTANT else width * count


def decode(encoding: int, width: int, raw: bytes, dtype: np.dtype[Any], count: int) -> Array:
    """Undo encode(). Raises ValueError when an item does not fit `dtype`."""
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
