# SPDX-License-Identifier: GPL-2.0-or-later
"""Without a compiler: what QEMU's monitor answers becomes chains; no answer is unknown."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ntbtrace.capture.guest_pc import monitor
from ntbtrace.capture.guest_pc.guest import Annotator
from ntbtrace.capture.guest_pc.monitor import LATE, Monitor, MonitoredCode
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.transport.mpqemu import ACCESS, CONFIG, PAYLOADS, Command, Connection
from ntbtrace.event import ACCESSES, IrqMode
from ntbtrace.trace import open_trace
from ntbtrace.trace.sites import UNKNOWN, Chain, Via
from tests.support import recorder

PC, RETURN, STACK = 0xFFFF_FFFF_8100_0000, 0xFFFF_FFFF_C000_0105, 0xFFFF_C900_0000_1000
Answer = Callable[[str], str | None]


def well(command: str) -> str:
    if command == "info registers":
        return f"RAX=0000000000000000 RSP={STACK:016x}\r\nRIP={PC:016x} RFL=00000246 [----]\r\n"
    assert command == f"x/1gx 0x{STACK:016x}"
    return f"{STACK:016x}: 0x{RETURN:016x}\r\n"


class Qemu:
    """QMP at `path`, as far as it is needed; `answer` gives the human monitor's, None for no answer at all."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._answer = answer
        self.asked = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        peer, _ = self._listener.accept()
        peer.sendall(b'{"QMP": {"version": {}}}\r\n')
        with peer, peer.makefile("r") as lines:
            for line in lines:
                request = json.loads(line)
                reply: str | dict[str, str] | None = {}
                if request["execute"] != "qmp_capabilities":
                    self.asked += 1
                    reply = self._answer(request["arguments"]["command-line"])
                if reply is not None:
                    peer.sendall(b'{"event": "RESUME"}\r\n')
                    peer.sendall(json.dumps({"return": reply, "id": request["id"]}).encode() + b"\r\n")

    def end(self) -> None:
        self._listener.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Answer], Qemu]]:
    made: list[Qemu] = []

    def begin(answer: Answer) -> Qemu:
        made.append(Qemu(tmp_path / "qmp", answer))
        return made[-1]

    yield begin
    for one in made:
        one.end()


def test_accesses_are_asked_about_before_they_are_answered(tmp_path: Path, start: Callable[[Answer], Qemu]) -> None:
    qemu = start(well)
    trace, loop = recorder(tmp_path / "a.ntbt"), Loop()
    code = MonitoredCode([trace.port(0)], tmp_path / "qmp")
    trace.writer.annotator = Annotator([code])
    near, far = socket.socketpair()
    connection = Connection(loop, trace.port(0), near, IrqMode.MSI, Sink())
    connection.watch(code.watch)
    code.line(trace.next_seq, b"ntbtrace: boot")
    code.line(trace.next_seq, f"ntbtrace: kernel 6.1 {PC:x}-{PC + 16:x}:ioread32".encode())
    config = CONFIG.pack(Command.PCI_CFGWRITE, PAYLOADS[Command.PCI_CFGWRITE], 0x10, 0xFEB0_0000, 4)
    access = ACCESS.pack(Command.BAR_READ, PAYLOADS[Command.BAR_READ], 0xFEB0_0400, 0, 4, True)
    for message in (config, access, config, access):
        far.send(message)
        connection.serve()
        far.recv(100)
    connection.close("done")
    code.close()
    trace.close()
    loop.close()
    with open_trace(tmp_path / "a.ntbt") as opened:
        chains = [opened.annotations.chain(event.seq) for event in opened if event.kind in ACCESSES]
        assert opened.annotations.symbols[0].boots[0].release == "6.1"
    found = Chain(Via.MONITOR, (PC, RETURN - 1))
    assert chains == [None, found, found, found], "nothing before the first access of a BAR"
    assert qemu.asked == 6


class Sink:
    def deliver(self, value: int) -> None: ...
    def set_eventfds(self, assert_fd: int, resample_fd: int) -> None: ...
    def close(self) -> None: ...


def chains_of(code: MonitoredCode, count: int) -> list[Chain | None]:
    for seq in range(count):
        code.watch(seq, True)
    sites = code.sites(0, np.zeros(count, [("kind", "u1")]))
    return [None if sites is None else sites.chain(row) for row in range(count)]


def test_a_block_without_a_helper_has_no_caller(tmp_path: Path, start: Callable[[Answer], Qemu]) -> None:
    start(well)
    trace = recorder(tmp_path / "a.ntbt")
    code = MonitoredCode([trace.port(0)], tmp_path / "qmp")
    assert chains_of(code, 2) == [Chain(Via.MONITOR, (PC,))] * 2
    trace.discard()


@pytest.mark.parametrize("answer", [lambda command: None, lambda command: "no such thing"], ids=["silent", "nonsense"])
def test_no_answer_is_unknown_and_the_guest_goes_on(
    answer: Answer, tmp_path: Path, start: Callable[[Answer], Qemu], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "TIMEOUT_S", 0.01)
    qemu = start(answer)
    trace = recorder(tmp_path / "a.ntbt")
    code = MonitoredCode([trace.port(0)], tmp_path / "qmp")
    assert chains_of(code, 50) == [UNKNOWN] * 50
    assert qemu.asked == (LATE if answer("") is None else 50)
    trace.discard()


def test_there_is_a_cap(tmp_path: Path, start: Callable[[Answer], Qemu], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor, "MOST", 3)
    start(well)
    trace = recorder(tmp_path / "a.ntbt")
    code = MonitoredCode([trace.port(0)], tmp_path / "qmp")
    assert [chain is None for chain in chains_of(code, 5)] == [False] * 3 + [True] * 2
    trace.discard()


def test_without_a_monitor_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    asked = Monitor(tmp_path / "none")
    assert [asked.ask("info registers") for _ in range(10)] == [None] * 10
    assert asked.late == LATE
    asked.close()
