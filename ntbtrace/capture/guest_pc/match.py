# SPDX-License-Identifier: GPL-2.0-or-later
"""Matching: the plugin's records and the recorded accesses of one guest, in order, by address, size and direction.

With one vCPU they come in the same order, one to one. Where they differ nothing is guessed: the accesses between two
stretches that fit are unknown.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntbtrace.capture.guest_pc.stream import FRAMES, RECORD, Records
from ntbtrace.event import Kind
from ntbtrace.trace.pace import Pace, Pause, no_pause
from ntbtrace.trace.sites import UNKNOWN, Chain, Sites, Via
from ntbtrace.trace.summary import Rows

WINDOW = 64  # accesses or records that may be passed over to find where they fit again
CONFIRM = 8  # that must fit then, or all that are left
MMIO = (Kind.MMIO_READ, Kind.MMIO_WRITE)
BARS = 6
_FIRST_BAR, _BAR_FLAGS = 0x10, 0xF  # PCI Local Bus Specification 3.0, 6.1
_ADDRESS = np.uint64(0xFFFF_FFFF)  # x-pci-proxy-dev has BARs below 4 GiB only

Keys = NDArray[np.uint64]
BarSize = Callable[[int], int]


def align(wanted: Keys, given: Keys, pause: Pause = no_pause) -> tuple[NDArray[np.int64], int]:
    """For each of `wanted` the place in `given` of what fits it, -1 for none; and how many of `given` are done with."""
    found = np.full(len(wanted), -1, np.int64)
    i = j = 0
    while i < len(wanted) and j < len(given):
        same = _run(wanted, i, given, j, min(len(wanted) - i, len(given) - j))
        found[i : i + same] = np.arange(j, j + same)
        i, j = i + same, j + same
        if i < len(wanted) and j < len(given):
            skip = _next_fit(wanted, i, given, j, pause)
            if skip is None:
                return found, len(given)
            i, j = i + skip[0], j + skip[1]
    return found, j


def _run(wanted: Keys, i: int, given: Keys, j: int, most: int) -> int:
    """How many fit from these places on, up to `most`."""
    differ = np.flatnonzero(wanted[i : i + most] != given[j : j + most])
    return int(differ[0]) if len(differ) else most


def _next_fit(wanted: Keys, i: int, given: Keys, j: int, pause: Pause) -> tuple[int, int] | None:
    """How many of both to pass over, as few as can be."""
    for total in range(1, WINDOW):
        pause()
        for skipped in range(total + 1):
            a, b = i + skipped, j + total - skipped
            most = min(CONFIRM, len(wanted) - a, len(given) - b)
            if most > 0 and _run(wanted, a, given, b, most) == most:
                return skipped, total - skipped
    return None


class Matcher:
    """Of one guest. `endpoints`: by endpoint id, what gives the sizes of its BARs."""

    def __init__(self, endpoints: Mapping[int, BarSize]) -> None:
        self._sizes = endpoints
        self._bases: dict[tuple[int, int], int] = {}  # by endpoint and BAR, as the guest wrote them last
        self._stood: set[tuple[int, int, int]] = set()  # endpoint, BAR and address: where they were in this block
        self._pending: Records = np.empty(0, RECORD)
        self._pace = Pace()

    def sites(self, rows: Rows, more: Callable[[], Records]) -> Sites | None:
        """The code of this guest's accesses among `rows`, a block's; None if there are no accesses. `more` gives the
        records that have come, and waits a while for one if there is none.
        """
        where = np.flatnonzero(np.isin(rows["endpoint"], list(self._sizes)) & np.isin(rows["kind"], MMIO))
        wanted = self._keys(rows, where)
        if not len(where):
            return None
        records = self._pending
        while True:
            new = more()
            records = np.concatenate((records, self._ours(new)))
            self._pace()
            if not len(new) or len(records) >= len(where):
                break
        found, done = align(wanted, _record_keys(records), self._pace)
        self._pending = records[done:]
        known = found >= 0
        numbers = np.zeros(len(where), np.int64)
        matched = records[found[known]]
        self._pace()
        chains, numbers[known] = _chains(matched, self._pace)
        return Sites(where, numbers, chains)

    def _keys(self, rows: Rows, where: NDArray[np.intp]) -> Keys:
        """Address, size and direction of these rows; learns where the BARs are."""
        base = np.zeros(len(where), np.uint64)
        endpoints, bars = rows["endpoint"][where], rows["bar"][where]
        starts = [(0, *place, address) for place, address in self._bases.items()]
        written = (rows["kind"] == Kind.CFG_WRITE) & (rows["size"] == 4) & np.isin(rows["endpoint"], list(self._sizes))
        written &= (rows["offset"] >= _FIRST_BAR) & (rows["offset"] < _FIRST_BAR + 4 * BARS) & (rows["offset"] % 4 == 0)
        for row in np.flatnonzero(written).tolist():
            place = (int(rows["endpoint"][row]), (int(rows["offset"][row]) - _FIRST_BAR) // 4)
            address = int(rows["value"][row]) & ~_BAR_FLAGS
            self._bases[place] = address
            starts.append((row, *place, address))
        self._stood = {(endpoint, bar, address) for _, endpoint, bar, address in starts if address}
        for row, endpoint, bar, address in starts:
            base[(where >= row) & (endpoints == endpoint) & (bars == bar)] = address
        address_of = (base + rows["offset"][where]) & _ADDRESS
        return _key(address_of, rows["size"][where], rows["kind"][where] == Kind.MMIO_WRITE)

    def _ours(self, records: Records) -> Records:
        """Those that are in a BAR of the device: there are other devices."""
        inside = np.zeros(len(records), bool)
        for endpoint, bar, base in self._stood:
            size = self._sizes[endpoint](bar)
            inside |= (records["physical"] >= base) & (records["physical"] < base + size)
        return records[inside]


def _key(address: NDArray[Any], size: NDArray[Any], write: NDArray[Any]) -> Keys:
    found: Keys = address.astype(np.uint64) & _ADDRESS
    found |= size.astype(np.uint64) << np.uint64(32) | write.astype(np.uint64) << np.uint64(48)
    return found


def _record_keys(records: Records) -> Keys:
    return _key(records["physical"], records["size"], records["store"])


_WEIGHTS = np.random.default_rng(1).integers(1, 1 << 63, FRAMES, np.uint64) | np.uint64(1)


def _chains(records: Records, pause: Pause) -> tuple[list[Chain], NDArray[np.int64]]:
    """The different chains, from 1, behind UNKNOWN; and each record's."""
    depths = np.minimum(records["depth"], FRAMES)
    frames = np.where(np.arange(FRAMES) < depths[:, None], records["frames"], np.uint64(0))
    pause()
    hashes = (frames * _WEIGHTS).sum(axis=1, dtype=np.uint64) + depths
    pause()
    _, first, numbers = np.unique(hashes, return_index=True, return_inverse=True)
    numbers = numbers.reshape(-1)
    pause()
    if len(first) and not (frames == frames[first][numbers]).all():  # two chains with one hash
        _, first, numbers = np.unique(frames, axis=0, return_index=True, return_inverse=True)
        numbers = numbers.reshape(-1)
    lists = zip(frames[first].tolist(), depths[first].tolist(), strict=True)
    return [UNKNOWN, *(Chain(Via.PLUGIN, tuple(one[:depth])) for one, depth in lists)], numbers + 1
