# SPDX-License-Identifier: GPL-2.0-or-later
"""`--workload shell`: people join the guests' consoles; the run ends when the guests have powered off."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from ntbtrace.event import Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import wait_for_file


def test_a_person_joins_both_consoles(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("shell.ntbt", "--workload", "shell")
    deadline = time.monotonic() + 120
    wait_for_file(recording, deadline)
    waiting = {0, 2}
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        if event.kind == Kind.CONSOLE and event.data == b"ntbtrace: shell":
            waiting.discard(port_of(event.endpoint))
        if not waiting:
            break
    assert not waiting
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(recording.runtime.parent)}
    for port in (0, 2):
        argv = [sys.executable, "-m", "ntbtrace", "console", str(port)]
        typed = "echo who-$((40 + 2)); cat /sys/bus/pci/devices/0000:00:0*.0/vendor; poweroff -f\n"
        done = subprocess.run(
            argv, input=typed, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "who-42" in done.stdout
        assert "0x111d" in done.stdout
    said, _ = recording.process.communicate(timeout=60)
    assert recording.process.returncode == 0, said
    with open_trace(recording.path) as trace:
        assert trace.closed
        assert any(event.kind == Kind.CONSOLE and event.data == b"who-42" for event in trace)
    assert cli("replay", recording.path).returncode == 0
