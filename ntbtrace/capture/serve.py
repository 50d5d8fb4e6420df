# SPDX-License-Identifier: GPL-2.0-or-later
"""Server: the switch for VMs that others start. A socket per port; guests come, go and reboot as they like."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.capture.transport.intx import IntxSink
from ntbtrace.capture.transport.mpqemu import Connection
from ntbtrace.capture.transport.qtest import Qtest, QtestSink
from ntbtrace.errors import SetupError
from ntbtrace.event import IrqMode, endpoint_of

if TYPE_CHECKING:  # `exec` and `inject` need not wait for it
    from ntbtrace.capture.recorder import Recorder

FORM = "PORT[.1]=SOCKET[,irq=intx|qtest[:PATH]]"


def qtest_path(device: Path) -> Path:
    """Where `irq=qtest` without a path listens for QEMU's qtest, beside the device's socket."""
    return device.with_name(device.name + ".qtest")


@dataclass(frozen=True)
class PortSpec:
    """One `--port`; `function` 1 is its DMA engine. `qtest` is None for INTx."""

    number: int
    path: Path
    qtest: Path | None
    function: int = 0

    @property
    def name(self) -> str:
        """As on the command line: "0", "0.1"."""
        return f"{self.number}.{self.function}" if self.function else str(self.number)

    @staticmethod
    def parse_all(texts: Sequence[str]) -> "list[PortSpec]":
        """From all `--port`; a DMA engine has the interrupts of its port if nothing else is said. Raises SetupError."""
        specs: dict[str, PortSpec] = {}
        for text in sorted(texts, key=lambda text: text.partition("=")[0]):  # "0" before "0.1"
            spec = PortSpec.parse(text, specs.get(text.partition(".")[0]))
            if spec.name in specs:
                raise SetupError(f"--port {spec.name} is given twice")
            if spec.function and str(spec.number) not in specs:
                raise SetupError(f"--port {spec.name} is the DMA engine of a guest: give --port {spec.number} too")
            specs[spec.name] = spec
        return list(specs.values())

    @staticmethod
    def parse(text: str, beside: "PortSpec | None" = None) -> "PortSpec":
        """From `FORM`. If no irq is named: that of `beside`, else MSI over qtest, which works with any QEMU. Raises
        SetupError.
        """
        name, equals, rest = text.partition("=")
        number, dot, function = name.partition(".")
        place, *options = rest.split(",")
        if not equals or not number.isdecimal() or len(number) > 3 or not place or (dot and function not in ("0", "1")):
            raise SetupError(f"--port must be {FORM}, not {text[:200]!r}")
        path = Path(place).absolute()
        qtest: Path | None = beside.qtest if beside else qtest_path(path)
        for option in options:
            key, _, value = option.partition("=")
            kind, colon, where = value.partition(":")
            if key != "irq" or kind not in ("intx", "qtest") or (kind == "intx" and colon) or (colon and not where):
                raise SetupError(f"--port {name}: irq must be intx, qtest or qtest:PATH, not {option!r}")
            qtest = None if kind == "intx" else Path(where).absolute() if where else qtest_path(path)
        return PortSpec(int(number), path, qtest, int(function or 0))


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A socket that listens at `path`, for the owner only; removed afterwards. Raises SetupError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        _clear(path)
        listener.bind(os.fspath(path))
        listener.listen(4)
    except OSError as error:
        listener.close()
        raise SetupError(f"cannot listen at {path}: {error.strerror or error}") from error
    finally:
        os.umask(before)
    listener.setblocking(False)
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens at any more. Raises SetupError if the place is taken."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SetupError(f"{path} exists and is not a socket: name another place")
    if _bound(path):
        raise SetupError(f"socket {path} is in use by a running server: end that one, or name another place")
    path.unlink()


def _bound(path: Path) -> bool:
    """Whether a process has this socket. A datagram socket asks, which a server of streams does not notice."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:  # the wrong type, so there is one
                raise
    return True


class QtestListener:
    """The way to the qtest of a QEMU that connects it when it starts; the latest that came counts."""

    def __init__(self, loop: Loop, listener: socket.socket) -> None:
        self._loop = loop
        self._listener = listener
        self._qtest: Qtest | None = None
        self.lost = 0  # interrupts for which there was no connection
        loop.add(listener.fileno(), self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self._listener.accept()
            self.close()
            self._qtest = Qtest(self._loop, peer)

    def writel(self, address: int, data: int) -> None:
        if self._qtest is None:
            self.lost += 1
        else:
            self._qtest.writel(address, data)

    def close(self) -> None:
        if self._qtest is not None:
            self._qtest.close()
            self._qtest = None


class PortServer:
    """Takes one guest at a time at one port; `changed` is told what happens, in words."""

    def __init__(
        self,
        loop: Loop,
        port: Port,
        listener: socket.socket,
        qtest: QtestListener | None,
        changed: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._port = port
        self._listener = listener
        self.qtest = qtest
        self._changed = changed
        self._connection: Connection | None = None
        loop.add(listener.fileno(), self._accept)

    @property
    def attached(self) -> bool:
        return self._port.attached

    @property
    def endpoint(self) -> int:
        """Its id in the trace."""
        return endpoint_of(self._port.number, self._port.function)

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        if self._connection is not None and self._connection.open:
            self._port.fault("a second guest came to this port while one is attached; refused")
            peer.close()
            self._changed("a second guest was refused")
            return
        mode = IrqMode.INTX if self.qtest is None else IrqMode.MSI
        sink = IntxSink(self._loop) if self.qtest is None else QtestSink(self._port, self.qtest)
        self._connection = Connection(self._loop, self._port, peer, mode, sink)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close("the server ended")


@contextmanager
def serving(
    loop: Loop, recorder: "Recorder", specs: list[PortSpec], changed: Callable[[str, str], None]
) -> Iterator[dict[str, PortServer]]:
    """Listen for the guests of all `specs`; `changed(port, what)`. Servers by name, as PortSpec gives it. Raises
    SetupError; closes all at the end.
    """
    with contextlib.ExitStack() as stack:
        servers: dict[str, PortServer] = {}
        lines: dict[Path, QtestListener] = {}  # ports that name the same one are in one VM
        for spec in specs:
            port = recorder.port(spec.number, spec.function)
            if spec.qtest is not None and spec.qtest not in lines:
                lines[spec.qtest] = QtestListener(loop, stack.enter_context(listening(spec.qtest)))
                stack.callback(lines[spec.qtest].close)
            qtest = lines[spec.qtest] if spec.qtest is not None else None
            listener = stack.enter_context(listening(spec.path))

            def told(what: str, name: str = spec.name) -> None:
                changed(name, what)

            servers[spec.name] = PortServer(loop, port, listener, qtest, told)
            stack.callback(servers[spec.name].close)
        yield servers
