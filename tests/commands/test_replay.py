# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace replay`: identical or the explained first divergence, and the exit code."""

import re
from pathlib import Path

import pytest

import device
from ntbtrace import cli
from ntbtrace.event import EFFECTS, STIMULI, Event, Kind
from ntbtrace.trace import open_trace
from tests.support import events, random_accesses, rewrite, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("replay") / "run.ntbt", "perf")


def test_identical(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert cli.main(["replay", str(run)]) == 0
    out, err = capsys.readouterr()
    stimuli = sum(event.kind in STIMULI for event in events(run))
    effects = sum(event.kind in EFFECTS for event in events(run))
    assert re.fullmatch(
        rf"identical: {stimuli:,} accesses, {effects:,} effects \([\d,]+ mem_write, [\d,]+ irq\) "
        r"in [\d.]+ s, [\d,]+ events/s\n",
        out,
    )
    assert err == ""


def test_quiet(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert cli.main(["replay", "--quiet", str(run)]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def differing(run: Path, tmp_path: Path) -> tuple[Path, Event]:
    """The second write of memory has another value."""
    victim = [event for event in events(run) if event.kind == Kind.MEM_WRITE][1]
    path = tmp_path / "differs.ntbt"
    rewrite(run, path, lambda e: e._replace(value=e.value ^ 0x100) if e.seq == victim.seq else e)
    return path, victim


def test_divergence(capsys: pytest.CaptureFixture[str], differing: tuple[Path, Event]) -> None:
    path, victim = differing
    assert cli.main(["replay", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"differs at event {victim.seq}: effect of mmio_write BAR2+")
    recorded, computed = ((victim.value ^ flip).to_bytes(4, "little").hex() for flip in (0x100, 0))
    assert lines[1] == f"  effect {victim.seq}: data: recorded {recorded}, computed {computed}"
    assert next(line for line in lines if line.startswith(">")).split()[1] == str(victim.seq)


def test_divergence_quietly(capsys: pytest.CaptureFixture[str], differing: tuple[Path, Event]) -> None:
    assert cli.main(["replay", "-q", str(differing[0])]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_register_by_field(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    with open_trace(run) as trace:
        cpen = trace.registers.find("NTCTL")
        victim = next(e for e in trace if e.kind == Kind.MMIO_READ and e.target & 0xFFFFFF in cpen and e.value)
    path = tmp_path / "field.ntbt"
    rewrite(run, path, lambda e: e._replace(value=0) if e.seq == victim.seq else e)
    assert cli.main(["replay", str(path)]) == 1
    out = capsys.readouterr().out
    assert f"differs at event {victim.seq}: value of mmio_read NTCTL" in out
    assert "field CPEN: recorded 0x0, computed 0x1" in out
    assert re.search(r"on both sides NTCTL was last written by event \d+ \(port \d, 0x2\)", out)


def test_another_model_version(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path = rewrite(run, tmp_path / "other.ntbt", model_version=device.MODEL_VERSION + 1)
    assert cli.main(["replay", str(path)]) == 0
    remark, verdict = capsys.readouterr().out.splitlines()
    assert remark.startswith(f"recorded with model version {device.MODEL_VERSION + 1}, this is {device.MODEL_VERSION}")
    assert verdict.startswith("identical")


def test_hashed_payloads_replay_identical(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = simulate(tmp_path / "hashed.ntbt", "perf", hashed=True, after=random_accesses(3, 2000))
    assert cli.main(["replay", str(path)]) == 0
    assert "identical" in capsys.readouterr().out
    assert cli.main(["info", str(path)]) == 0
    assert "hashed" in capsys.readouterr().out
