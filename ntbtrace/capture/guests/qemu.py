# SPDX-License-Identifier: GPL-2.0-or-later
"""QemuGuest: a real guest in its own QEMU process, plugged into the switch with one device or more.

It is joined by inherited sockets (the devices', the console's, qtest's), so nothing is left behind on disk; QMP is a
socket in the run's directory. What the guest's init prints as `ntbtrace: STATE key=value ...` is its state.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ntbtrace.capture.console import Console, socket_name
from ntbtrace.capture.guest_pc.guest import CodeFinder
from ntbtrace.capture.guest_pc.monitor import MonitoredCode
from ntbtrace.capture.guest_pc.symbols import WORDS
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.capture.qemu_args import in_option, prepare
from ntbtrace.capture.transport.intx import IntxSink
from ntbtrace.capture.transport.mpqemu import Connection
from ntbtrace.capture.transport.qtest import Qtest, QtestSink
from ntbtrace.errors import SetupError
from ntbtrace.event import IrqMode

PROGRAM = "qemu-system-x86_64"
MEMORY = "512M"
SAYS = b"ntbtrace: "  # what starts a line of the guest's init; the states are in image/init
PANIC = b"Kernel panic"
NO_STATE = WORDS | {"mmiotrace"}
AT_WORK = ("boot", "probe", "run")
GONE = "gone"


@dataclass(frozen=True)
class QemuSpec:
    """What to start. `accel` is "tcg" or "kvm"; `append` goes behind our own kernel command line."""

    program: str = PROGRAM
    kernel: Path | None = None
    initrd: Path | None = None
    drive: Path | None = None
    append: str = ""
    accel: str = "tcg"
    memory: str = MEMORY
    extra: tuple[str, ...] = field(default=())

    def check(self) -> None:
        """Raise SetupError for what is missing on this machine."""
        if shutil.which(self.program) is None:
            raise SetupError(
                f"there is no {self.program} here: `apt-get install qemu-system-x86`, or name yours with --qemu"
            )
        for what, path in (("kernel", self.kernel), ("initrd", self.initrd), ("drive", self.drive)):
            if path is not None and not path.is_file():
                raise SetupError(f"--{what} {path}: there is no such file")


def qmp_name(port: int) -> str:
    """QMP's socket in the run's directory."""
    return f"qmp-{port}"


class QemuGuest:
    """One guest behind `doors`, its devices in the order of their PCI slots; the first is the port it is known by.

    `state` is the last word of its init, or "off"; `alive` until its QEMU has ended. `code` finds which code of it made
    each access.
    """

    def __init__(
        self, doors: Sequence[Port], loop: Loop, spec: QemuSpec, rundir: Path, append: str,
        code: CodeFinder | None = None,
    ) -> None:  # fmt: skip
        self.port = doors[0]
        self.state = "off"
        self.results: dict[str, str] = {}
        self.exit_code: int | None = None
        self.console: Console | None = None
        self._doors = doors
        self._loop = loop
        self._spec = spec
        self._rundir = rundir
        self._append = append
        self._code = code
        self._process: subprocess.Popen[bytes] | None = None
        self._connections: list[Connection] = []
        self._qtest: Qtest | None = None
        self._rounds = 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self.exit_code is None

    def power_on(self) -> None:
        """Start QEMU. Raises SetupError when it does not start."""
        console, console_far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        argv = self._command(console_far.fileno())
        devices, passed = [], [console_far]
        for _ in self._doors:
            device, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            devices.append(device)
            passed.append(far)
        fds = [far.fileno() for far in passed[1:]]
        if self._spec.accel == "tcg":
            qtest, qtest_far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            passed.append(qtest_far)
            # QEMU 7.2 looks the character device up by this very name
            argv += ["-chardev", f"socket,id=qtest,fd={qtest_far.fileno()}", "-qtest", "chardev:qtest"]
            argv += ["-qtest-log", "none"]
            self._qtest = Qtest(self._loop, qtest)
        if self._code is not None:
            words, sockets = self._code.arguments()
            argv += words
            passed += sockets
        argv = prepare(argv, fds)
        self.console = Console(self._loop, console, self._rundir / socket_name(self.port.number), self._console_line)
        self._connections = [self._join(door, device) for door, device in zip(self._doors, devices, strict=True)]
        if isinstance(self._code, MonitoredCode):
            for connection in self._connections:
                connection.watch(self._code.watch)
        log = (self._rundir / f"qemu-{self.port.number}.log").open("wb")
        try:
            self._process = subprocess.Popen(
                [*_die_with_us(), *argv],
                pass_fds=[far.fileno() for far in passed],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, umask=0o077,
            )  # fmt: skip
        except OSError as error:
            raise SetupError(f"cannot start {self._spec.program}: {error.strerror}") from error
        finally:
            log.close()
            for far in passed:
                far.close()
        self.state = "start"

    def _join(self, door: Port, device: socket.socket) -> Connection:
        if self._qtest is None:
            return Connection(self._loop, door, device, IrqMode.INTX, IntxSink(self._loop))
        return Connection(self._loop, door, device, IrqMode.MSI, QtestSink(door, self._qtest))

    def _command(self, console_fd: int) -> list[str]:
        spec = self._spec
        argv = [
            spec.program, "-M", "q35", "-accel", spec.accel, "-m", spec.memory, "-smp", "1",
            "-nodefaults", "-no-user-config", "-display", "none",
            "-chardev", f"socket,id=console,fd={console_fd}", "-serial", "chardev:console",
            "-qmp", f"unix:{in_option(str(self._rundir / qmp_name(self.port.number)))},server=on,wait=off",
        ]  # fmt: skip
        if spec.kernel is not None:
            argv += ["-kernel", str(spec.kernel), "-append", f"console=ttyS0 {self._append} {spec.append}".strip()]
        if spec.initrd is not None:
            argv += ["-initrd", str(spec.initrd)]
        if spec.drive is not None:
            # snapshot: two guests cannot write to one file
            argv += ["-drive", f"file={in_option(str(spec.drive))},if=virtio,snapshot=on"]
        return [*argv, *spec.extra]

    def _console_line(self, line: bytes) -> None:
        if self._code is not None:
            self._code.line(self.port.next_seq, line)
        self.port.console(line)
        if line.startswith(PANIC):
            self.state = "fail reason=kernel-panic"
        if not line.startswith(SAYS):
            return
        words = line[len(SAYS) :].decode("utf-8", "replace").split()
        if not words:
            return
        state, *rest = words
        if state == "result":
            self.results.update(_pairs(rest))
        elif state == "again":
            self._again(_pairs(rest))
        elif state not in NO_STATE:
            self.state = " ".join(words) if state == "fail" else state

    def _again(self, asked: dict[str, str]) -> None:
        """The guest has done a round of `of`=N and restarts, or has done the last: it cannot count that itself."""
        enough = str(self._rounds) == asked.get("of")
        self._rounds += not enough
        self.results["restarts"] = str(self._rounds)
        if self.console is not None:
            self.console.send(b"enough\n" if enough else b"reboot\n")

    def poll(self) -> None:
        """Notice that QEMU has ended."""
        if self._process is not None and self.exit_code is None:
            self.exit_code = self._process.poll()
            if self.exit_code is not None:
                if self.exit_code:
                    self.state = f"{GONE} (QEMU exit code {self.exit_code})"
                elif self.state in AT_WORK:
                    self.state = f"{GONE} (powered off before its workload was done)"
                elif self.port.untouched:
                    self.state = f"{GONE} (it ended without a look at its device)"
                else:
                    self.state = "off"

    def ask_power_off(self) -> None:
        """Tell the guest's init, which waits for this when its workload is done."""
        if self.console is not None:
            self.console.send(b"poweroff\n")

    def terminate(self) -> None:
        """End QEMU as SIGTERM does: at once, its files closed."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End QEMU the hard way, and wait for that."""
        if self._process is not None and self.alive:
            self._process.kill()
            self.exit_code = self._process.wait()
            self.state = "killed"

    def log(self) -> str:
        """What QEMU itself printed: its first line about itself, else its last one; '' if nothing."""
        try:
            lines = (self._rundir / f"qemu-{self.port.number}.log").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        own = [line for line in lines if line.startswith(f"{Path(self._spec.program).name}:")]
        return (own or lines[-1:] or [""])[0]

    def close(self) -> None:
        """Give back what the guest held; its QEMU has ended."""
        if self.console is not None:
            self.console.close()
        for connection in self._connections:
            connection.close("QEMU has ended")
        if self._qtest is not None:
            self._qtest.close()
        if self._code is not None:
            self._code.close()


def _pairs(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if "=" in word)


def _die_with_us() -> list[str]:
    """A prefix that ends QEMU when the recorder is killed, so that no guest is left behind."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv and os.name == "posix" else []
