# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace salvage`: a killed recording becomes a file that replays to its end."""

import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.trace import open_trace
from tests.support import simulate

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.support import random_accesses, simulate
def die(trace):
    random_accesses(1, 1000)(trace)
    print(trace.next_seq, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
simulate(Path(sys.argv[1]), after=die)
"""


def test_killed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "killed.ntbt"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -9, done.stderr
    assert cli.main(["salvage", str(path)]) == 0
    assert capsys.readouterr().out
    with open_trace(path) as trace:
        assert len(trace) == int(done.stdout)
        assert not trace.closed
    assert cli.main(["replay", str(path)]) == 0
    assert "identical" in capsys.readouterr().out


def test_nothing_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = simulate(tmp_path / "run.ntbt")
    before = path.read_bytes()
    assert cli.main(["salvage", str(path)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert path.read_bytes() == before
