# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder: effects after their cause, what is hidden stays hidden, what fails is in the trace."""

from pathlib import Path

import pytest

import device
from ntbtrace.capture.guests.simulated import SimulatedMemory
from ntbtrace.capture.recorder import MAX_TEXT, Recorder
from ntbtrace.event import Inject, IrqMode, Kind, Status, endpoint_of
from tests.support import PORTS, events, recorder


def _linked(trace: Recorder) -> SimulatedMemory:
    """Both guests attached, their links enabled, port 0's BAR2 open to 0x100000 of port 2's memory."""
    memory = SimulatedMemory()
    for number in PORTS:
        port = trace.port(number)
        port.attach(IrqMode.MSI, {})
        port.set_ram(memory if number == 2 else SimulatedMemory(), [(0x100000, 0x400000)])
        port.cfg_write(0x18, 4, 0x10000000)
        port.cfg_write(0x04, 2, 6)
        port.bar_write(0, 0x400, 4, 2)
        port.bar_write(0, 0x4D0, 4, PORTS.index(number))
        port.bar_write(0, 0x4D8, 4, 1)
    port = trace.port(0)
    port.bar_write(0, 0x490, 4, port.bar_read(0, 0x490, 4) | 1 << 13)
    port.bar_write(0, 0x498, 4, 0x100000)
    port.bar_write(0, 0x494, 4, 0x10000000 + 0x100000)
    return memory


def test_an_effect_follows_its_cause_and_shares_its_time(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    memory = _linked(trace)
    trace.port(0).bar_write(2, 0x10, 8, 0x1122334455667788)
    assert trace.port(0).bar_read(2, 0x10, 4) == 0x55667788
    trace.close()
    write, effect, read, answer = events(tmp_path / "a.ntbt")[-4:]
    assert (write.kind, effect.kind, read.kind, answer.kind) == (3 + 1, 17, 3, 16)
    assert (effect.cause, answer.cause) == (write.seq, read.seq)
    assert (effect.t, effect.offset, effect.size, effect.value) == (write.t, 0x100010, 8, write.value)
    assert effect.endpoint == endpoint_of(2)
    assert memory.read(0x100010, 8) == write.value.to_bytes(8, "little")


def test_memory_that_is_not_there_is_refused_and_reads_as_ones(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    _linked(trace)
    trace.port(2).set_ram(None, [])
    trace.port(0).bar_write(2, 0, 4, 1)
    assert trace.port(0).bar_read(2, 0, 4) == 0xFFFFFFFF
    trace.close()
    effects = [event for event in events(tmp_path / "a.ntbt") if event.kind in (Kind.MEM_READ, Kind.MEM_WRITE)]
    assert [event.status for event in effects] == [Status.REFUSED, Status.REFUSED]


def test_no_payload_hides_the_guests_bytes_but_not_that_they_are_equal(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    secret = 0x5EC12E75EC12E700
    trace = Recorder(path, device.DEFAULT, command="test", transports={}, hashed=True)
    memory = _linked(trace)
    for offset in (0, 8):
        trace.port(0).bar_write(2, offset, 8, secret)
    assert trace.port(0).bar_read(2, 0, 8) == secret
    trace.close()
    assert memory.read(0x100000, 8) == secret.to_bytes(8, "little")
    accesses = [event for event in events(path) if event.bar == 2 or event.kind in (Kind.MEM_READ, Kind.MEM_WRITE)]
    assert len(accesses) == 6
    assert len({event.value for event in accesses}) == 1
    assert accesses[0].value != secret


def test_a_model_that_raises_leaves_a_fault_and_a_trace_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    port = trace.port(0)
    port.attach(IrqMode.MSI, {})

    def broken(bar: int, offset: int, size: int) -> int:
        raise RuntimeError

    monkeypatch.setattr(port.endpoint, "bar_read", broken)
    with pytest.raises(RuntimeError):
        port.bar_read(0, 0, 4)
    port.fault("what the loop does then")
    port.detach("so")
    trace.close()
    assert [event.kind for event in events(tmp_path / "a.ntbt")] == [
        Kind.ATTACH, Kind.FAULT, Kind.FAULT, Kind.DETACH,
    ]  # fmt: skip


def test_long_text_is_cut(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    trace.port(0).console(b"x" * (MAX_TEXT + 1))
    trace.close()
    assert events(tmp_path / "a.ntbt")[0].data == b"x" * MAX_TEXT


def test_an_injection_is_recorded_with_what_it_did(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    trace.inject(0, Inject.TEMPERATURE, 85)
    trace.close()
    (event,) = events(tmp_path / "a.ntbt")
    assert (event.kind, event.bar, event.value) == (Kind.INJECT, Inject.TEMPERATURE, 85)
