# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory as files: an access may lie in several regions, if there is no gap between them."""

import fcntl
import mmap
import os
import threading
from collections.abc import Iterator

import pytest

from ntbtrace.capture import memory as memory_module
from ntbtrace.capture.memory import RELEASE, RELEASE_STEP, RELEASES, MappedMemory, Region
from tests.capture.transport.peer import memfd, open_fds

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


SIZE = RELEASE_STEP + PAGE


def use(fd: int) -> None:
    """Map SIZE bytes of it, touch them, and let go."""
    made = MappedMemory([Region(0, SIZE, 0, os.dup(fd))])
    assert made.write(SIZE - 4, b"kept")
    made.close()
    assert made.read(0, 4) is None


def releases() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == RELEASE]


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
def test_much_memory_is_let_go_of_elsewhere(monkeypatch: pytest.MonkeyPatch, sealed: bool) -> None:
    """Who serves the guests does not wait for it, but does itself what comes faster than it goes."""
    go_on, right = threading.Event(), memory_module._release

    def slow(maps: list[mmap.mmap], fds: list[int]) -> None:
        assert threading.current_thread().name != RELEASE or go_on.wait(20)
        right(maps, fds)

    monkeypatch.setattr(memory_module, "_release", slow)
    before = open_fds()
    fd = memfd(SIZE, sealed=sealed)
    for _ in range(RELEASES):
        use(fd)
    held = os.listdir("/proc/self/fd")
    use(fd)
    assert os.listdir("/proc/self/fd") == held
    assert len(releases()) == RELEASES
    go_on.set()
    for thread in releases():
        thread.join()
    assert os.pread(fd, 4, SIZE - 4) == b"kept"
    os.close(fd)
    assert open_fds() == before


def test_terabytes_with_nothing_in_them_are_let_go_of_soon() -> None:
    before, fd = open_fds(), memfd(1 << 44)
    made = MappedMemory([Region(0, 1 << 44, 0, fd)])
    assert made.write(1 << 43, b"here")
    made.close()
    for thread in releases():
        thread.join(20)
        assert not thread.is_alive()
    assert open_fds() == before


def test_without_a_thread_it_is_let_go_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    before = open_fds()
    fd = memfd(SIZE)
    for _ in range(RELEASES + 1):
        use(fd)
    os.close(fd)
    assert open_fds() == before
