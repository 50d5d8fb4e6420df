# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory as files: an access may lie in several regions, if there is no gap between them."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from ntbtrace.capture.memory import MappedMemory, Region

PAGE = 4096


@pytest.fixture(params=["sealed", "unsealed"])
def memory(request: pytest.FixtureRequest) -> Iterator[MappedMemory]:
    """Three pages at 0x10000: the first from one file, the two behind it from another; then a hole and one more."""
    regions = []
    for at, pages in ((0x10000, 1), (0x11000, 2), (0x20000, 1)):
        fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, pages * PAGE)
        if request.param == "sealed":
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        regions.append(Region(at, pages * PAGE, 0, fd))
    made = MappedMemory(regions)
    yield made
    made.close()


def test_an_access_across_regions_that_touch(memory: MappedMemory) -> None:
    data = bytes(range(256)) * 40
    assert memory.write(0x10800, data)
    assert memory.read(0x10800, len(data)) == data
    assert memory.read(0x11000, 4) == data[0x800:0x804]
    assert memory.read(0x10000, 3 * PAGE) == bytes(0x800) + data + bytes(3 * PAGE - 0x800 - len(data))


@pytest.mark.parametrize("address", [0x12FFC, 0xFFFC, 0x20FFC, 0x1FFFC, 0x30000, 0])
def test_an_access_that_reaches_into_a_hole_is_none(memory: MappedMemory, address: int) -> None:
    before = memory.read(0x10000, 3 * PAGE), memory.read(0x20000, PAGE)
    assert memory.read(address, 8) is None
    assert not memory.write(address, b"12345678")
    assert (memory.read(0x10000, 3 * PAGE), memory.read(0x20000, PAGE)) == before
