# SPDX-License-Identifier: GPL-2.0-or-later
"""Work in progress: gone at the end, and after a kill -9 with the next that comes."""

import subprocess
import sys
from pathlib import Path

from ntbtrace.capture.guests.image.scratch import scratch

WORKS = """
import sys
from pathlib import Path
from ntbtrace.capture.guests.image.scratch import scratch
with scratch(Path(sys.argv[1]), "build-") as place:
    (place / "file").touch()
    print(place, flush=True)
    sys.stdin.read()
"""


def test_it_is_gone_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path, "build-") as place:
        (place / "file").touch()
        assert place.parent == tmp_path
    assert not list(tmp_path.iterdir())


def test_what_is_in_use_stays_and_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    argv = [sys.executable, "-c", WORKS, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().rstrip())
        with scratch(tmp_path, "build-") as ours:
            assert (theirs / "file").exists()
            process.kill()
            process.wait(30)
            assert (theirs / "file").exists()
        with scratch(tmp_path, "build-") as ours:
            assert sorted(tmp_path.iterdir()) == sorted([ours, tmp_path / "other"])
