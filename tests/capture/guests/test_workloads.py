# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of workloads agrees with what guests can do; a switch that cannot carry one is refused."""

import shutil
import subprocess
from pathlib import Path

import pytest

import device
from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.clients import CLIENTS
from ntbtrace.capture.guests.workloads import WORKLOADS, Workload
from ntbtrace.cli import main
from ntbtrace.errors import SetupError

IMAGE = Path(image.__file__).parent
SCRIPTS = {path.stem: path for path in (IMAGE / "workloads").glob("*.sh")}


def test_each_has_a_script_and_each_script_a_row() -> None:
    assert set(WORKLOADS) == set(SCRIPTS) - {"common"}


def test_simulated_guests_do_what_the_table_says() -> None:
    assert {name for name, workload in WORKLOADS.items() if workload.simulated} == set(CLIENTS)


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_its_own_switch_carries_it(workload: Workload) -> None:
    assert workload.default_profile().ports
    workload.check(workload.default_profile())


@pytest.mark.parametrize("name", ["dmatest", "perf-dma"])
def test_without_an_engine_there_is_no_dma(name: str) -> None:
    with pytest.raises(SetupError, match=rf"{name} needs `dma = true` at each port, not ports \[0, 2\] without it"):
        WORKLOADS[name].check(device.DEFAULT)


def test_simulated_guests_refuse_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--workload", "tool", "-o", str(tmp_path / "a.ntbt")]) == 2
    assert "--workload tool needs --guests qemu" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [IMAGE / "init", *SCRIPTS.values()], ids=lambda path: path.stem)
def test_a_shell_can_read_it(path: Path) -> None:
    assert subprocess.run([shutil.which("sh") or "sh", "-n", path], check=False).returncode == 0
