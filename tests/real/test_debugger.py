# SPDX-License-Identifier: GPL-2.0-or-later
"""The debugger on real guests: the walk of docs/debugger.md to the two lines of ntb_perf that disagree."""

import re
from collections.abc import Callable

from tests.real.conftest import Recorded, Run

WALK = ("break window if status == closed", "continue", "why", "list source", "delete", "goto start",
        "break at perf_setup_outbuf", "continue", "list source", "list perf_setup_peer_mw")  # fmt: skip


def test_the_walk_ends_at_the_two_lines_that_disagree(record: Callable[..., Recorded], cli: Run) -> None:
    run = record("perf", "--size", 4096, "--guest-pc")
    words = [word for line in WALK for word in ("--command", line)]
    done = cli("repl", run.path, "--batch", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"BAR\d\+0x0 .*\[closed\] by memcpy_toio\+0x\w+ <- perf_copy_chunk", done.stdout), done.stdout
    assert "which closes it" in done.stdout
    assert re.search(r"^> +\d+  +memcpy_toio\(dst, src, len\);", done.stdout, re.M), done.stdout
    assert re.search(r"^> +\d+  .*ntb_peer_mw_set_trans\(perf->ntb, peer->pidx, peer->gidx,", done.stdout, re.M)
    assert re.search(r"^  +\d+  .*ntb_peer_mw_get_addr\(perf->ntb, perf->gidx, &phys_addr,", done.stdout, re.M)
