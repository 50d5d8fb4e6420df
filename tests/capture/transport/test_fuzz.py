# SPDX-License-Identifier: GPL-2.0-or-later
"""A peer that sends anything: the loop lives, the other guest is served, nothing leaks, the trace replays."""

import contextlib
import os
import tempfile
from pathlib import Path
from struct import pack

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntbtrace.capture.transport.mpqemu import PAYLOADS, Command
from tests.capture.transport.peer import BARS, Bench, access, config, memfd, message, open_fds, sysmem

numbers = st.one_of(st.integers(0, 64), st.integers(0, 2**64 - 1), st.sampled_from([2**31, 2**32 - 1, 2**63]))
addresses = st.one_of(
    st.builds(lambda bar, offset: bar + offset, st.sampled_from(list(BARS.values())), st.integers(0, 0x1100)), numbers
)


def _word(bits: int) -> st.SearchStrategy[int]:
    return numbers.map(lambda value: value & ((1 << bits) - 1))


well_formed = st.one_of(
    st.builds(
        lambda command, address, value, size: access(command, address, value, size),
        st.sampled_from([Command.BAR_READ, Command.BAR_WRITE]), addresses, numbers, st.sampled_from([1, 2, 4, 8, 3]),
    ),
    st.builds(
        lambda command, offset, value, length: config(command, offset, value, length),
        st.sampled_from([Command.PCI_CFGREAD, Command.PCI_CFGWRITE]),
        st.one_of(st.integers(0, 255), _word(32)), _word(32), st.sampled_from([1, 2, 4, 4, 4, 0, -4, 8]),
    ),
    st.just(message(Command.DEVICE_RESET)),
    st.integers(0, 3).map(lambda count: sysmem([(index << 16, 0x1000, 0) for index in range(count)])),
    st.builds(sysmem, st.lists(st.tuples(numbers, numbers, numbers), max_size=8)),
)  # fmt: skip
malformed = st.one_of(
    st.binary(max_size=400),
    st.builds(
        lambda command, size, payload: pack("=i4xQ", command, size) + payload,
        st.one_of(st.sampled_from(list(PAYLOADS)), st.integers(-(2**31), 2**31 - 1)), numbers, st.binary(max_size=256),
    ),
)  # fmt: skip
fd_kinds = st.sampled_from(["sealed", "unsealed", "empty", "pipe", "socket", "null", "eventfd", "readonly"])


def _open(kind: str) -> int:
    match kind:
        case "sealed" | "unsealed":
            return memfd(1 << 16, sealed=kind == "sealed")
        case "empty":
            return memfd(0)
        case "pipe":
            reader, writer = os.pipe()
            os.close(writer)
            return reader
        case "socket":
            return os.dup(0)
        case "null":
            return os.open("/dev/null", os.O_RDWR)
        case "eventfd":
            return os.eventfd(0)
    return os.open("/proc/self/exe", os.O_RDONLY)


def _attack(path: Path, messages: list[tuple[bytes, list[str], bool]]) -> None:
    bench = Bench(path)
    for peer in bench.peers.values():
        peer.boot()
    for data, kinds, truncate in messages:
        if not bench.connections[0].open:
            bench.peers[0].socket.close()
            bench.connect(0).socket.settimeout(0)
        fds = [_open(kind) for kind in kinds if data]
        with contextlib.suppress(OSError):
            bench.peers[0].send(data, fds)
        for fd, kind in zip(fds, kinds, strict=False):
            if truncate and kind == "unsealed":
                os.ftruncate(fd, 0)
            os.close(fd)
        assert bench.peers[2].cfg_read(0) == 0x8091111D
    bench.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.one_of(well_formed, well_formed, malformed), st.lists(fd_kinds, max_size=3), st.booleans()),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_anything_may_come(messages: list[tuple[bytes, list[str], bool]]) -> None:
    before = open_fds()
    with tempfile.TemporaryDirectory() as place:
        _attack(Path(place) / "a.ntbt", messages)
    assert open_fds() == before
