# SPDX-License-Identifier: GPL-2.0-or-later
"""When the file cannot be made or cannot grow: one clear line, and the guests go on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace.errors import NtbTraceError, TraceFormatError
from ntbtrace.trace import open_trace, salvage
from tests.trace.making import same_directory, small_writer, traffic

TIMEOUT_S = 60
COUNT = 20_000

# The limit of a file's size stands for a full disk: a write fails, in the middle of a block.
FULL = """
import resource, sys
from pathlib import Path
from tests.trace.making import small_writer, traffic
writer = small_writer(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
events = 0
for event in traffic(int(sys.argv[2])):
    writer.append(event)
    events += 1
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.close()
print(events, writer.lost, writer.error, sep="|")
"""


def fill(path: Path, *more: str) -> tuple[int, int, str]:
    done = subprocess.run(
        [sys.executable, "-c", FULL, path, str(COUNT), *more],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    events, lost, error = done.stdout.strip().split("|")
    return int(events), int(lost), error


def test_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.ntbt"
    events, lost, error = fill(path)
    assert error == (
        f"{path} cannot grow any more: File too large; what is in it is kept; {lost:,} events were lost; "
        f"run `ntbtrace salvage {path}` when there is room again"
    )
    wanted = list(traffic(COUNT))
    assert events == len(wanted)
    with pytest.raises(TraceFormatError, match="the file is cut off here; `ntbtrace salvage"):
        open_trace(path)
    with open_trace(path, partial=True) as trace:
        got = list(trace)
    assert 0 < len(got) == events - lost
    assert got == wanted[: len(got)]
    assert same_directory(path) == ["a.ntbt"]
    salvage(path, lambda line: None)
    with open_trace(path) as trace:
        assert list(trace) == got


def test_the_number_of_lost_events_is_in_the_file(tmp_path: Path) -> None:
    """When at least the index fits in the end."""
    path = tmp_path / "a.ntbt"
    events, lost, _ = fill(path, "room")
    with open_trace(path) as trace:
        assert trace.closed
        assert trace.lost == lost > 0
        assert len(trace) + trace.lost == events


def test_removed_while_it_was_being_recorded(tmp_path: Path) -> None:
    writer = small_writer(tmp_path / "a.ntbt")
    writer.path.unlink()
    for event in traffic(500):
        writer.append(event)
    writer.close()
    assert str(writer.error) == f"{writer.path} was removed while it was being recorded; {writer.lost} events were lost"
    assert writer.lost >= 500
    assert os.listdir(tmp_path) == []


def test_no_room_for_the_journal(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from ntbtrace.errors import NtbTraceError
from tests.trace.making import small_writer
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    small_writer(Path(sys.argv[1]))
except NtbTraceError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.ntbt"],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    assert re.match(r"cannot make the journal of \d+ MiB in ", done.stdout)
    assert str(tmp_path) in done.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "says"),
    [("none/a.ntbt", "No such file or directory"), ("a" * 300, "File name too long"), (".", "exists")],
)
def test_cannot_be_made(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(NtbTraceError, match=says):
        small_writer(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_the_journals_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.ntbt.journal").mkdir()
    with pytest.raises(NtbTraceError, match="cannot make the journal"):
        small_writer(tmp_path / "a.ntbt")
    assert os.listdir(tmp_path) == ["a.ntbt.journal"]
