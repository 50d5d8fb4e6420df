# SPDX-License-Identifier: GPL-2.0-or-later
"""--guest-pc without QEMU: what a plugin would send over its socket ends up beside the accesses of the trace."""

import os
import re
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ntbtrace.capture.guest_pc import build
from ntbtrace.capture.guest_pc.guest import Annotator, GuestCode
from ntbtrace.capture.guest_pc.stream import HELLO, RECORD, Stream
from ntbtrace.capture.loop import Loop
from ntbtrace.errors import SetupError
from ntbtrace.event import IrqMode, Kind, port_of
from ntbtrace.trace import open_trace
from ntbtrace.trace.sites import UNKNOWN
from tests.support import recorder

BAR0 = 0xFEB0_0000


def record(offset: int, store: bool, frame: int) -> bytes:
    one = np.zeros(1, RECORD)
    one["physical"], one["size"], one["store"], one["depth"] = BAR0 + offset, 4, store, 1
    one["frames"][0, 0] = frame
    return one.tobytes()


def test_accesses_get_their_code(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    loop = Loop()
    guests = [GuestCode(loop, [trace.port(number)], Path("plugin.so")) for number in (0, 2)]
    fars = []
    for guest in guests:
        words, (far,) = guest.arguments()
        assert re.fullmatch(rf"plugin\.so,fd={far.fileno()},low=0x[0-9a-f]+,high=0xfec00000", words[1])
        fars.append(far)
        far.send(HELLO)
    trace.writer.annotator = Annotator(guests)
    for number, guest, far in zip((0, 2), guests, fars, strict=True):
        port = trace.port(number)
        port.attach(IrqMode.MSI, {})
        guest.line(trace.next_seq, b"ntbtrace: boot workload=test")
        port.cfg_write(0x10, 4, BAR0)
        for i in range(50):
            port.bar_write(0, 0x400 + 4 * (i % 8), 4, i)
            if i != 33:  # this record is missing
                far.send(record(0x400 + 4 * (i % 8), True, number << 32 | i))
        far.close()
        guest.close()
    trace.close()
    loop.close()
    with open_trace(tmp_path / "a.ntbt") as opened:
        chains = [(port_of(e.endpoint), opened.annotations.chain(e.seq)) for e in opened if e.kind == Kind.MMIO_WRITE]
        assert opened.annotations.counts == (98, 2)
        assert {port: guest.boots[0].first for port, guest in opened.annotations.symbols.items()} == {0: 1, 2: 53}
    for port in (0, 2):
        mine = [chain for number, chain in chains if number == port]
        assert [one == UNKNOWN for one in mine] == [i == 33 for i in range(50)]
        assert all(
            one is not None and (one == UNKNOWN or one.frames == (port << 32 | i,)) for i, one in enumerate(mine)
        )


def test_a_stream_takes_pieces_and_its_plugin_must_speak() -> None:
    loop = Loop()
    near, far = socket.socketpair()
    stream = Stream(loop, near)
    assert len(stream.take()) == 0
    data = HELLO + record(0, True, 7)
    for at in range(0, len(data), 50):
        far.send(data[at : at + 50])
        stream._receive()
    assert stream.take()["frames"][:, 0].tolist() == [7]
    assert stream.spoke
    assert stream.open
    far.close()
    stream.close()
    assert not stream.open
    loop.close()


def test_the_plugin_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if build.compiler() is None and os.environ.get("CI") != "true":
        pytest.skip("no C compiler here: `apt-get install gcc`")
    made = build.plugin()
    assert made.read_bytes().startswith(b"\x7fELF")
    strict = [build.compiler() or "", "-Wall", "-Wextra", "-Werror", *build.FLAGS, "-o", str(tmp_path / "a.so")]
    subprocess.run([*strict, str(build.SOURCE)], check=True)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert build.plugin() == made
    made.unlink()
    with pytest.raises(SetupError, match="needs a C compiler: `apt-get install gcc`"):
        build.plugin()
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'plugin.c:1: error: no' >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(SetupError, match=r"failed: plugin\.c:1: error: no"):
        build.plugin()
