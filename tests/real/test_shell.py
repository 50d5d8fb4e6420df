# SPDX-License-Identifier: GPL-2.0-or-later
"""`--workload shell` with a kernel and a disk of one's own: people join the guests' consoles; the run ends when the
guests have powered off, and the disk, which both have, is as before.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ntbtrace.capture.guests import image
from ntbtrace.event import Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import wait_for_file


def test_a_person_joins_both_consoles(
    start: Callable[..., Recording], cli: Run, guest_image: image.GuestImage, tmp_path: Path
) -> None:
    disk = tmp_path / "disk,with a comma"
    disk.write_bytes(bytes(1 << 20))
    own = ("--kernel", str(guest_image.kernel), "--initrd", str(guest_image.initrd), "--drive", str(disk))
    recording = start("shell.ntbt", "--workload", "shell", *own)
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
        assert "0x1af4" in done.stdout  # virtio, the disk
    said, _ = recording.process.communicate(timeout=60)
    assert recording.process.returncode == 0, said
    with open_trace(recording.path) as trace:
        assert trace.closed
        assert any(event.kind == Kind.CONSOLE and event.data == b"who-42" for event in trace)
    assert cli("replay", recording.path).returncode == 0
