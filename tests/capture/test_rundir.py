# SPDX-License-Identifier: GPL-2.0-or-later
"""The run's directory: the owner's alone, found by others of the owner's processes, cleared of dead runs."""

import os
from pathlib import Path

import pytest

from ntbtrace.capture import rundir
from ntbtrace.errors import SetupError


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_it_is_for_the_owner_only() -> None:
    own = rundir.create()
    assert own.name == str(os.getpid())
    assert own.stat().st_mode & 0o777 == 0o700
    assert own.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_open_to_others_is_refused() -> None:
    rundir.base().mkdir(mode=0o777)
    rundir.base().chmod(0o755)
    with pytest.raises(SetupError, match="belong to you alone"):
        rundir.create()
    with pytest.raises(SetupError, match="belong to you alone"):
        rundir.runs()


def test_a_place_too_long_for_sockets_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(SetupError, match="too long for sockets"):
        rundir.create()


def test_a_place_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/proc")
    with pytest.raises(SetupError, match="cannot make /proc/ntbtrace"):
        rundir.create()


def test_dead_runs_are_cleared_and_live_ones_found() -> None:
    dead = rundir.base() / "4194305"  # over the largest pid there can be
    rundir.create()
    dead.mkdir()
    assert [path.name for path in rundir.runs()] == [str(os.getpid())]
    rundir.create()
    assert not dead.exists()
