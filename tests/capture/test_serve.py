# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets for VMs of one's own: whose they are, when they are taken, who may come."""

import socket
from pathlib import Path

import pytest

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.serve import PortSpec, listening, qtest_path, serving
from ntbtrace.errors import SetupError
from ntbtrace.event import IrqMode, Kind
from tests.support import events, recorder, serve


@pytest.mark.parametrize(
    ("text", "qtest"),
    [
        ("2=/a/b", Path("/a/b.qtest")),
        ("2=/a/b,irq=qtest", Path("/a/b.qtest")),
        ("2=/a/b,irq=qtest:/c", Path("/c")),
        ("2=/a/b,irq=intx", None),
    ],
)
def test_port_is_parsed(text: str, qtest: Path | None) -> None:
    assert PortSpec.parse(text) == PortSpec(2, Path("/a/b"), qtest)


@pytest.mark.parametrize(
    "text", ["", "2", "2=", "=/a", "x=/a", "2=/a,irq=", "2=/a,irq=msi", "2=/a,irq=qtest:", "2=/a,b", "2.=/a", "2.2=/a"]
)
def test_a_wrong_port_says_what_it_must_be(text: str) -> None:
    with pytest.raises(SetupError, match="must be"):
        PortSpec.parse(text)


def test_a_socket_is_for_the_owner_and_goes_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "port"
    with listening(path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


@pytest.mark.parametrize("name", ["port", "a port", "other/port"])
def test_a_socket_in_use_is_refused_and_a_stale_one_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "other").symlink_to(tmp_path)
    path = tmp_path / name
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    with pytest.raises(SetupError, match="in use by a running server"), listening(path):
        pass
    stale.close()
    with listening(path), pytest.raises(SetupError, match="in use"), listening(path.resolve()):
        pass


@pytest.mark.parametrize("name", ["x" * 200, "no/such/directory"])
def test_an_impossible_place_is_one_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match="cannot listen at"), listening(tmp_path / name):
        pass


def test_a_file_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("mine")
    with pytest.raises(SetupError, match="is not a socket"), listening(path):
        pass
    assert path.read_text() == "mine"


def test_guests_come_one_at_a_time_go_and_come_again(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    loop = Loop()
    said: list[tuple[str, str]] = []
    specs = [PortSpec.parse(f"0={tmp_path / 'zero'},irq=intx"), PortSpec.parse(f"2={tmp_path / 'two'}")]

    with serving(loop, trace, specs, lambda port, what: said.append((port, what))) as servers:
        first = _connect(tmp_path / "zero")
        other = _connect(tmp_path / "two")
        qtest = _connect(qtest_path(tmp_path / "two"))
        serve(loop)
        assert all(server.attached for server in servers.values())
        second = _connect(tmp_path / "zero")
        serve(loop)
        assert second.recv(1) == b""
        assert said == [("0", "a second guest was refused")]
        first.close()
        serve(loop)
        assert not servers["0"].attached
        assert servers["2"].attached
        first = _connect(tmp_path / "zero")
        serve(loop)
        assert servers["0"].attached
        for peer in (first, second, other, qtest):
            peer.close()
    trace.close()
    kinds = [(event.kind, event.bar) for event in events(tmp_path / "a.ntbt") if event.kind != Kind.IRQ]
    attach = {mode: (int(Kind.ATTACH), int(mode)) for mode in IrqMode}
    assert sorted(kinds[:2]) == [attach[IrqMode.INTX], attach[IrqMode.MSI]]
    assert [kind for kind, _ in kinds[2:]] == [Kind.FAULT, Kind.DETACH, Kind.ATTACH, Kind.DETACH, Kind.DETACH]


def _connect(path: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(5)
    peer.connect(str(path))
    return peer


def test_a_dma_engine_is_in_the_vm_of_its_port() -> None:
    engine, port = PortSpec.parse_all(["0.1=/e", "0=/p"]), PortSpec(0, Path("/p"), Path("/p.qtest"))
    assert engine == [port, PortSpec(0, Path("/e"), Path("/p.qtest"), 1)]
    assert PortSpec.parse_all(["0=/p,irq=intx", "0.1=/e"])[1].qtest is None
    assert PortSpec.parse_all(["0=/p", "0.1=/e,irq=qtest:/q"])[1].qtest == Path("/q")


def test_two_ports_of_one_vm_share_its_qtest(tmp_path: Path) -> None:
    trace = recorder(tmp_path / "a.ntbt")
    loop = Loop()
    line = tmp_path / "zero.qtest"
    specs = PortSpec.parse_all([f"0={tmp_path / 'zero'}", f"2={tmp_path / 'two'},irq=qtest:{line}"])
    with serving(loop, trace, specs, lambda port, what: None) as servers:
        first, second, qtest = _connect(tmp_path / "zero"), _connect(tmp_path / "two"), _connect(line)
        serve(loop)
        assert all(server.attached for server in servers.values())
        for number in (0, 2):
            trace.port(number).cfg_write(0xD4, 4, 0xFEE00000 | number << 12)
            trace.irq(number, 0)
        first.close()
        serve(loop)
        assert not servers["0"].attached
        trace.irq(2, 0)
        lines = b"writel 0xfee00000 0x0\n" + 2 * b"writel 0xfee02000 0x0\n"
        assert qtest.recv(200) == lines
        for peer in (second, qtest):
            peer.close()
    trace.close()
