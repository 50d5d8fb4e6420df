# SPDX-License-Identifier: GPL-2.0-or-later
"""The archive, read back by the layout that the kernel documents (buffer-format.rst)."""

import gzip
import stat

from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.capture.guests.image import cpio

HEADER = 110  # the magic and 13 hexadecimal numbers of 8 digits
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)


def entries_of(archive: bytes) -> list[cpio.Entry]:
    data, at, found = gzip.decompress(archive), 0, []
    while True:
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + i : at + i + 8], 16) for i in range(6, HEADER, 8)]
        mode, mtime, size, major, minor, name_size = (numbers[i] for i in (1, 5, 6, 9, 10, 11))
        name = data[at + HEADER : at + HEADER + name_size]
        assert name.endswith(b"\0")
        assert mtime == 0
        at = -(-(at + HEADER + name_size) // 4) * 4
        content = data[at : at + size]
        at = -(-(at + size) // 4) * 4
        if name == b"TRAILER!!!\0":
            assert at == len(data)
            return found
        found.append(cpio.Entry(name[:-1].decode(), mode, content, (major, minor)))


@given(st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=5))
def test_what_goes_in_comes_out(files: list[tuple[str, bytes]]) -> None:
    entries = [cpio.executable(name, data) for name, data in files if name != "TRAILER!!!"]
    assert entries_of(cpio.archive(entries)) == entries


def test_a_device_node_and_a_directory() -> None:
    entries = [cpio.directory("dev"), cpio.character_device("dev/console", 5, 1)]
    directory, console = entries_of(cpio.archive(entries))
    assert stat.S_ISDIR(directory.mode)
    assert stat.S_ISCHR(console.mode)
    assert console.rdev == (5, 1)


def test_the_same_entries_give_the_same_bytes() -> None:
    assert cpio.archive([cpio.executable("init", b"x")]) == cpio.archive([cpio.executable("init", b"x")])
