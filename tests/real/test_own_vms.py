# SPDX-License-Identifier: GPL-2.0-or-later
"""`serve` and `exec`, as in docs/your-own-vms.md: VMs that somebody else starts, and starts again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ntbtrace.capture.guests import image
from ntbtrace.commands.record import QUIET
from ntbtrace.event import Kind, endpoint_of, port_of
from ntbtrace.trace import open_trace
from tests.real.conftest import Run

PROGRAM = [sys.executable, "-m", "ntbtrace"]
WAIT_S = 120


@contextlib.contextmanager
def running(argv: list[str], **how: object) -> Iterator["subprocess.Popen[str]"]:
    """The process, ended with the block."""
    process = subprocess.Popen(argv, text=True, **how)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def wait_for(path: Path, text: str) -> None:
    """Until the file has the text."""
    deadline = time.monotonic() + WAIT_S
    while not path.exists() or text not in path.read_text(errors="replace"):
        if time.monotonic() > deadline:
            pytest.fail(f"no {text!r} in {path.name}: {path.read_text(errors='replace') if path.exists() else ''}")
        time.sleep(0.1)


def test_own_vms_ping_pong_and_one_comes_again(guest_image: image.GuestImage, cli: Run, tmp_path: Path) -> None:
    trace_path = tmp_path / "serve.ntbt"
    sockets = {port: tmp_path / f"port{port}" for port in (0, 2)}

    def vm(port: int, console: Path) -> list[str]:
        words = f"console=ttyS0 {' '.join(QUIET)} ntbtrace.workload=pingpong ntbtrace.count=5 ntbtrace.port={port}"
        return [
            *PROGRAM, "exec", str(sockets[port]), "--",
            "qemu-system-x86_64", "-accel", "tcg", "-m", "512M", "-nodefaults", "-display", "none",
            "-serial", f"file:{console}", "-kernel", str(guest_image.kernel), "-initrd", str(guest_image.initrd),
            "-append", words,
        ]  # fmt: skip

    ports = [word for port, path in sockets.items() for word in ("--port", f"{port}={path}")]
    serve = [*PROGRAM, "serve", *ports, "-o", str(trace_path)]
    said = tmp_path / "said"
    with said.open("w") as log, running(serve, stdout=log, stderr=log, env=os.environ) as server:
        wait_for(said, "port 2: waiting at")
        with running(vm(0, tmp_path / "console0")):
            with running(vm(2, tmp_path / "console2")):
                wait_for(tmp_path / "console0", "ntbtrace: done")
                wait_for(tmp_path / "console2", "ntbtrace: done")
            wait_for(said, "port 0: attached | port 2: waiting")
            with running(vm(2, tmp_path / "again")):
                wait_for(tmp_path / "again", "ntbtrace: done")
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0, said.read_text()
    with open_trace(trace_path) as trace:
        assert trace.closed
        attached = [port_of(event.endpoint) for event in trace if event.kind == Kind.ATTACH]
    assert sorted(attached) == [0, 2, 2]
    done = cli("replay", trace_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_vm_with_a_dma_engine_beside_its_port(guest_image: image.GuestImage, cli: Run, tmp_path: Path) -> None:
    trace_path, said, console = tmp_path / "dma.ntbt", tmp_path / "said", tmp_path / "console"
    port, engine = tmp_path / "port", tmp_path / "engine"
    serve = [*PROGRAM, "serve", "--port", f"0={port}", "--port", f"0.1={engine}", "-o", str(trace_path)]
    words = f"console=ttyS0 {' '.join(QUIET)} ntbtrace.workload=dmatest ntbtrace.count=100 ntbtrace.order=12"
    vm = [
        *PROGRAM, "exec", str(port), str(engine), "--",
        "qemu-system-x86_64", "-accel", "tcg", "-m", "512M", "-nodefaults", "-display", "none",
        "-serial", f"file:{console}", "-kernel", str(guest_image.kernel), "-initrd", str(guest_image.initrd),
        "-append", words,
    ]  # fmt: skip
    with said.open("w") as log, running(serve, stdout=log, stderr=log, env=os.environ) as server:
        wait_for(said, "port 0.1: waiting at")
        with running(vm):
            wait_for(console, "ntbtrace: done")
        wait_for(said, "port 0: waiting | port 0.1: waiting")
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0, said.read_text()
    assert "tests=100 failures=0" in console.read_text()
    with open_trace(trace_path) as trace:
        attached = [event.endpoint for event in trace if event.kind == Kind.ATTACH]
    assert attached == [endpoint_of(0), endpoint_of(0, 1)]
    done = cli("replay", trace_path)
    assert done.returncode == 0, done.stdout + done.stderr
