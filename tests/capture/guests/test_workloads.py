# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of workloads agrees with what guests can do; a switch that cannot carry one is refused."""

import shutil
import subprocess
from pathlib import Path

import pytest

import device
from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.clients import CLIENTS
from ntbtrace.capture.guests.workloads import WORKLOADS, Workload, check_driver
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
    workload.check_ports(workload.default_profile())
    check_driver(workload.default_profile())


@pytest.mark.parametrize(
    ("bars", "says"),
    [
        ({"BAR2": {"size": "32K", "type": "lut24"}, "BAR4": {"size": "16K", "type": "lut12"}}, "port 2 has 36 windows"),
        ({"BAR1": "1M", "BAR3": "2G"}, "port 2 BAR3: .* of 0x40000000 bytes at most, not 0x80000000"),
    ],
)
def test_what_the_driver_refuses_is_said_before_it_does(bars: dict[str, object], says: str) -> None:
    ports = [{"number": 0, "partition": 0}, {"number": 2, "partition": 1, "bars": {"BAR0": "registers", **bars}}]
    with pytest.raises(SetupError, match=says):
        check_driver(device.Profile.from_mapping({"port": ports}))


def test_as_many_windows_as_the_driver_takes() -> None:
    bars = {
        "BAR0": "registers",
        "BAR1": "1G",
        "BAR2": {"size": "32K", "type": "lut24"},
        "BAR3": "1M",
        "BAR4": "1M",
        "BAR5": "1M",
    }
    check_driver(device.Profile.from_mapping({"port": [{"number": 0, "partition": 0, "bars": bars}]}))


def test_record_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text('[[port]]\nnumber = 0\npartition = 0\nbars = { BAR0 = "registers", BAR2 = "2G" }\n')
    words = ["record", "--guests", "qemu", "--profile", str(profile), "-o", str(tmp_path / "a.ntbt")]
    assert main(words) == 2
    assert "ntb_hw_idt takes windows" in capsys.readouterr().err
    assert not (tmp_path / "a.ntbt").exists()


def test_a_count_that_no_guest_can_count_to_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["record", "--guests", "qemu", "--count", str(1 << 31), "-o", str(tmp_path / "a.ntbt")]
    assert main(words) == 2
    assert "--count must be at most 2147483647 with --guests qemu, not 2147483648" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [-4, 0, 2, 6, 1 << 31])
def test_a_size_that_no_guest_takes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int) -> None:
    words = ["record", "--guests", "qemu", "--size", str(size), "-o", str(tmp_path / "a.ntbt")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert f"--size must be a power of two from 4 to 1073741824 with --guests qemu, not {size}" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["dmatest", "perf-dma"])
def test_without_an_engine_there_is_no_dma(name: str) -> None:
    with pytest.raises(SetupError, match=rf"{name} needs `dma = true` at each port, not ports \[0, 2\] without it"):
        WORKLOADS[name].check(device.DEFAULT)


@pytest.mark.parametrize(
    ("name", "ports", "says"),
    [
        ("pingpong", [0], "--workload pingpong needs a switch with 2 to 8 ports, not 1"),
        ("tool", [0, 2, 4], "--workload tool needs a switch with 2 ports, not 3"),
        ("reload", [0, 2, 4], "--workload reload needs a switch with 2 ports, not 3"),
        ("selftest", [0, 2, 4], "--workload selftest needs a switch with 2 ports, not 3"),
        ("storm", [0], "--workload storm needs a switch with 2 ports, not 1"),
        ("three", [0, 2, 4, 6, 8], "--workload three needs a switch with 2 to 4 ports, not 5"),
    ],
)
def test_a_switch_with_too_few_or_too_many_guests_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, ports: list[int], says: str
) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text("".join(f"[[port]]\nnumber = {port}\npartition = {i}\n" for i, port in enumerate(ports)))
    words = ["record", "--guests", "qemu", "--workload", name, "--profile", str(profile)]
    assert main([*words, "-o", str(tmp_path / "a.ntbt")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "a.ntbt").exists()


def test_simulated_guests_refuse_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", "--workload", "tool", "-o", str(tmp_path / "a.ntbt")]) == 2
    assert "--workload tool needs --guests qemu" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [IMAGE / "init", *SCRIPTS.values()], ids=lambda path: path.stem)
def test_a_shell_can_read_it(path: Path) -> None:
    assert subprocess.run([shutil.which("sh") or "sh", "-n", path], check=False).returncode == 0
