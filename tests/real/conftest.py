# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests: Linux in QEMU. In CI (CI=true) they must run; elsewhere they skip and say what is missing."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from re import search
from typing import NamedTuple

import pytest

from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.qemu import PROGRAM
from ntbtrace.event import Kind, port_of
from tests.support import events

WORKLOAD_S = 300
IN_CI = os.environ.get("CI") == "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("guest")
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def guest_image() -> image.GuestImage:
    """The guest image; built here in CI."""
    if IN_CI:
        return image.build(print)
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"no {PROGRAM} here: `make vm` installs it, or `apt-get install qemu-system-x86`")
    found = image.find()
    if found is None:
        pytest.skip("no guest image here: run `ntbtrace guest build` (or `make vm`)")
    return found


def ntbtrace(*words: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does."""
    argv = [sys.executable, "-m", "ntbtrace", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cli() -> Run:
    return ntbtrace


class Recorded(NamedTuple):
    """A recording that ended well: the file, and each port's results as the guest reported them."""

    path: Path
    results: dict[int, dict[str, str]]


@pytest.fixture
def record(cli: Run, guest_image: image.GuestImage, tmp_path: Path) -> Callable[..., Recorded]:
    """`record("tool", "--size", 4096)`: it succeeds, no guest's kernel complains, and it replays identical."""

    def run(workload: str, *words: object) -> Recorded:
        path = tmp_path / f"{workload}.ntbt"
        argv = ["--guests", "qemu", "--workload", workload, "-o", path, "--timeout", WORKLOAD_S, *words]
        done = cli("record", *argv, timeout=WORKLOAD_S + 60)
        assert done.returncode == 0, done.stdout + done.stderr
        no_oops(path)
        replays(path, cli)
        lines = (line.split() for line in done.stdout.splitlines() if line.startswith("port "))
        return Recorded(path, {int(n[:-1]): dict(word.split("=") for word in r if "=" in word) for _, n, *r in lines})

    return run


def no_oops(path: Path, but: int | None = None) -> None:
    """No guest's kernel complained, `but` perhaps that of the guest at this port."""
    lines = [event for event in events(path) if event.kind == Kind.CONSOLE and port_of(event.endpoint) != but]
    said = [line.data.decode(errors="replace") for line in lines if line.data]
    assert said
    assert not [line for line in said if search(r"Oops|BUG:|WARNING:|Kernel panic", line)]


def replays(path: Path, cli: Run) -> None:
    done = cli("replay", path, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout


class Recording:
    """A `record --guests qemu` that is still running; ended with the test, whatever happens."""

    def __init__(self, path: Path, runtime: Path, words: tuple[str, ...]) -> None:
        self.path = path
        self.runtime = runtime / "ntbtrace"
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
        argv = [sys.executable, "-m", "ntbtrace", "record", "--guests", "qemu", "-o", str(path), *words]
        self.process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    @property
    def rundir(self) -> Path:
        return self.runtime / str(self.process.pid)

    def qemu_pids(self) -> list[int]:
        """The recorder's children: its guests, in the order of their ports."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def start(tmp_path: Path, guest_image: image.GuestImage) -> Iterator[Callable[..., Recording]]:
    """Start a recording of real guests in the background: `start("pingpong.ntbt", "--workload", "pingpong")`."""
    running: list[Recording] = []

    def begin(name: str, *words: str) -> Recording:
        running.append(Recording(tmp_path / name, tmp_path, words))
        return running[-1]

    yield begin
    for recording in running:
        recording.end()
