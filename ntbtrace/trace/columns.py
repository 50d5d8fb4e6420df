# SPDX-License-Identifier: GPL-2.0-or-later
"""A column of a block as raw bytes, and back. packing.py chooses how, and compresses them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntbtrace.event import EFFECTS
from ntbtrace.trace.layout import DICT_COUNT, MAX_DICT, Encoding
from ntbtrace.trace.pace import Pause, no_pause

Array = NDArray[Any]

_WIDTHS = (1, 2, 4, 8)
_SIGN = np.uint64(63)
_ONE = np.uint64(1)
IS_EFFECT = np.isin(np.arange(256), [int(kind) for kind in EFFECTS])

# What is tried. A column that is not here: as it is, it compresses well in any form.
_PLAIN, _PLANES, _DELTA = Encoding(0), Encoding.PLANES, Encoding.DELTA
_CAUSED, _DICT = Encoding.CAUSED, Encoding.DICT
_TRIED = {
    "t": (_CAUSED | _DELTA | _PLANES,),  # effects have their cause's time
    "offset": (_PLANES, _DICT, _CAUSED | _DELTA | _PLANES),  # registers; copies through a window
    "value": (_DICT, _CAUSED | _PLANES, _PLAIN),  # a few values again and again; payload
    "target": (_PLANES, _DICT),
    "rows": (_DELTA | _PLANES,),
    "chains": (_PLANES, _DICT),
    "frames": (_PLANES,),
}
_ALL = Encoding.CONSTANT | Encoding.DELTA | Encoding.PLANES | Encoding.CAUSED | Encoding.DICT


class Causes(NamedTuple):
    """The rows of a block that are effects, those that are not, and for each effect the row of its cause."""

    others: Array
    effects: Array
    owners: Array


def causes(kinds: Array, distances: Array, pause: Pause = no_pause) -> Causes | None:
    """From the columns kind and cause (seq - its seq, 0 for none); None where an effect's cause is not in the block."""
    effects = np.flatnonzero(IS_EFFECT[kinds])
    pause()
    owners = effects - distances[effects].astype(np.int64)
    pause()
    if len(effects) and (owners.min() < 0 or (owners >= effects).any() or IS_EFFECT[kinds[owners]].any()):
        return None
    pause()
    return Causes(np.flatnonzero(~IS_EFFECT[kinds]), effects, owners)


def tried(name: str, of: Causes | None) -> tuple[Encoding, ...]:
    """The encodings that may pay for this column."""
    encodings = _TRIED.get(name, (_PLAIN,))
    if of is None:
        return (*(encoding for encoding in encodings if not encoding & _CAUSED), _PLANES)
    return encodings


def encode(
    encoding: Encoding, column: Array, of: Causes | None, pause: Pause = no_pause
) -> tuple[Encoding, int, bytes]:
    """The encoding (without DICT, where the column has too many different items), the width of an item, raw bytes.

    `column`: at least one unsigned integer; for CONSTANT the one alone.
    """
    items = column
    if encoding & Encoding.CAUSED and of is not None:
        own = column[of.others]
        pause()
        items = np.concatenate((own, column[of.effects] - column[of.owners]))
        pause()
    if encoding & Encoding.DELTA:
        items = _zigzag(items)
        pause()
    different = None
    if encoding & Encoding.DICT:
        different, numbers = numbered(items, pause)
        if len(different) > MAX_DICT:
            return encode(encoding & ~Encoding.DICT, column, of, pause)
        pause()
    needed = int(items.max()).bit_length()
    width = next(width for width in _WIDTHS if needed <= 8 * width)
    if different is not None:
        table = DICT_COUNT.pack(len(different) - 1) + different.astype(f"<u{width}").tobytes()
        return encoding, width, table + numbers.astype(_number_type(len(different))).tobytes()
    items = items.astype(f"<u{width}", copy=False)
    if encoding & Encoding.PLANES:
        items = items.view(np.uint8).reshape(-1, width).T
    return encoding, width, items.tobytes()


def numbered(items: Array, pause: Pause) -> tuple[Array, Array]:
    """The different items in order, and for each item its number among them: np.unique's inverse, in steps."""
    order = items.argsort()
    pause()
    ordered = items[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    pause()
    numbers = np.empty(len(items), np.int64)
    numbers[order] = first.cumsum() - 1
    return ordered[first], numbers


def _number_type(count: int) -> str:
    return "<u1" if count <= 256 else "<u2"


def check(encoding: int, width: int, raw: int, count: int) -> None:
    """Raise ValueError unless `raw` bytes can hold `count` rows in this way, which they are then expanded to."""
    if width not in _WIDTHS or encoding & ~int(_ALL):
        raise ValueError(f"there is no column encoding {encoding} with items of {width} bytes")
    if encoding & Encoding.DICT:
        fits = DICT_COUNT.size + width + count <= raw <= DICT_COUNT.size + MAX_DICT * width + 2 * count
    else:
        fits = raw == (width if encoding & Encoding.CONSTANT else width * count)
    if not fits:
        raise ValueError(f"{raw} bytes do not hold {count} items")


def decode(
    encoding: int, width: int, raw: bytes, dtype: np.dtype[Any], count: int, of: Callable[[], Causes | None]
) -> Array:
    """Undo encode(), from the raw bytes that check() has passed. `of` is asked for CAUSED columns only.

    Raises ValueError when the bytes are not what encode() makes.
    """
    if width > dtype.itemsize:
        raise ValueError(f"items of {width} bytes where there can be {dtype.itemsize}")
    if encoding & Encoding.DICT:
        items = _look_up(raw, width, count)
    elif encoding & Encoding.PLANES:
        planes = np.frombuffer(raw, np.uint8).reshape(width, -1)
        items = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(-1)
    else:
        items = np.frombuffer(raw, f"<u{width}")
    if encoding & Encoding.CONSTANT:
        items = np.repeat(items, count)
    if encoding & Encoding.DELTA:
        items = _unzigzag(items)
    items = items.astype(dtype, copy=False)
    return _restore(items, of()) if encoding & Encoding.CAUSED else items


def _look_up(raw: bytes, width: int, count: int) -> Array:
    different = DICT_COUNT.unpack_from(raw)[0] + 1
    table = np.frombuffer(raw, f"<u{width}", different, DICT_COUNT.size)
    numbers = np.frombuffer(raw, _number_type(different), offset=DICT_COUNT.size + different * width)
    if len(numbers) != count or numbers.max() >= different:
        raise ValueError(f"{len(numbers)} numbers of {different} items for {count} rows")
    items: Array = table[numbers]
    return items


def _restore(items: Array, of: Causes | None) -> Array:
    if of is None:
        raise ValueError("it is told by its causes, and they are not in the block")
    column = np.empty_like(items)
    split = len(of.others)
    column[of.others] = items[:split]
    column[of.effects] = items[split:] + column[of.owners]
    return column


def _zigzag(column: Array) -> Array:
    """Differences, small ones in either direction as small numbers; modulo 2^64."""
    wide = column.astype(np.uint64, copy=False)
    steps = np.empty_like(wide)
    steps[0] = wide[0]
    np.subtract(wide[1:], wide[:-1], out=steps[1:])
    signs = steps >> _SIGN
    np.subtract(np.uint64(0), signs, out=signs)
    np.left_shift(steps, _ONE, out=steps)
    np.bitwise_xor(steps, signs, out=steps)
    return steps


def _unzigzag(items: Array) -> Array:
    wide = items.astype(np.uint64, copy=False)
    steps = (wide >> _ONE) ^ (np.uint64(0) - (wide & _ONE))
    return steps.cumsum(dtype=np.uint64)
