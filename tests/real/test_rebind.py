# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver that probed before ntb_ecfg was there, as one built into the kernel does, and its second chance by sysfs
(docs/your-own-vms.md)."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

from ntbtrace.event import Kind, port_of
from ntbtrace.trace import follow, open_trace
from tests.real.conftest import Recording, Run
from tests.real.test_perf import wait_for_file

TOO_EARLY_AND_AGAIN = """\
rmmod ntb_hw_idt; rmmod ntb_ecfg
insmod /lib/modules/ntb_hw_idt.ko
cd /sys/bus/pci/drivers/ntb_hw_idt
[ -e 0000:* ] || echo refused-$((40 + 2))
insmod /lib/modules/ntb_ecfg.ko
for device in ../../devices/*; do grep -q 0x111d $device/vendor && echo ${device##*/} > bind; done
[ -e 0000:* ] && echo bound-$((40 + 3))
poweroff -f
"""


def test_the_driver_is_refused_too_early_and_binds_again(start: Callable[..., Recording], cli: Run) -> None:
    recording = start("rebind.ntbt", "--workload", "shell")
    deadline = time.monotonic() + 120
    wait_for_file(recording, deadline)
    for event in follow(recording.path, lambda: time.monotonic() > deadline):
        if event.kind == Kind.CONSOLE and event.data == b"ntbtrace: shell" and port_of(event.endpoint) == 0:
            break
    else:
        raise AssertionError("the guest at port 0 has no shell")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(recording.runtime.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "ntbtrace", "console", "0"],
        input=TOO_EARLY_AND_AGAIN, env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "refused-42" in done.stdout
    assert "bound-43" in done.stdout
    recording.process.terminate()
    recording.process.wait(60)
    with open_trace(recording.path) as trace:
        assert trace.closed
    assert cli("replay", recording.path).returncode == 0
