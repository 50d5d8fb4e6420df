# SPDX-License-Identifier: GPL-2.0-or-later
"""The recordings in traces/: readable for ever; those of the present model replay identical, but for one."""

import runpy
from pathlib import Path

import pytest

import device
from ntbtrace.event import WITH_BAR, Kind, Status, port_of
from ntbtrace.replay.explain import explain
from ntbtrace.replay.player import Player
from ntbtrace.trace import FORMAT_VERSION, open_trace

TRACES = Path(__file__).parent.parent / "traces"
GOLDEN = sorted(TRACES.glob("*.ntbt"))
NAMES = {"pingpong", "tool", "perf-stock", "perf-fixed", "perf-dma", "dmatest", "three", "storm", "reload", "reboot",
         "guest-pc", "perf-guest-pc"}  # fmt: skip
LOST_DOORBELL = "lost-doorbell"  # recorded with a bug in the device (traces/make_lost_doorbell.py)
MAX_BYTES = 2_000_000


def test_they_are_all_there_small_and_described() -> None:
    assert {path.stem for path in GOLDEN} >= NAMES | {LOST_DOORBELL}
    assert sum(path.stat().st_size for path in TRACES.glob("**/*.ntbt")) < MAX_BYTES
    described = (TRACES / "README.md").read_text()
    assert [path.name for path in GOLDEN if f"`{path.name}`" not in described] == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_file_is_readable_and_replays(path: Path) -> None:
    with open_trace(path) as trace:
        assert trace.closed
        assert trace.format_version == FORMAT_VERSION
        assert len(list(trace)) == len(trace) > 900
        if trace.header.model_version == device.MODEL_VERSION and path.stem != LOST_DOORBELL:
            assert Player(trace).run() is None


def test_the_lost_doorbell_differs_and_the_register_is_named() -> None:
    with open_trace(TRACES / f"{LOST_DOORBELL}.ntbt") as trace:
        divergence = Player(trace).run()
        assert divergence is not None
        explanation = explain(trace, divergence)
        assert explanation.register == "INDBELLSTS"
        assert [(f.name, f.recorded, f.computed) for f in explanation.fields] == [("DBELL", 0x200, 0x300)]
        assert explanation.differing == 0x100
        assert explanation.moved is not None
        assert trace.registers.name(explanation.moved.target) == "OUTDBELLSET"


def test_the_lost_doorbell_is_made_as_it_was(tmp_path: Path) -> None:
    made = tmp_path / "made.ntbt"
    runpy.run_path(str(TRACES / "make_lost_doorbell.py"))["record"](made)
    with open_trace(made) as new, open_trace(TRACES / f"{LOST_DOORBELL}.ntbt") as kept:
        assert [e._replace(t=0) for e in new] == [e._replace(t=0) for e in kept]


@pytest.mark.parametrize("path", sorted(TRACES.glob("v*/*.ntbt")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_an_earlier_version_is_readable(path: Path) -> None:
    with open_trace(path) as trace:
        assert trace.format_version == int(path.parent.name[1:])
        assert len(list(trace)) == len(trace) > 1000
        assert trace.registers.find("OUTDBELLSET")


def test_there_are_files_of_every_earlier_version() -> None:
    assert {path.parent.name for path in TRACES.glob("v*/*.ntbt")} == {f"v{i}" for i in range(1, FORMAT_VERSION)}


def test_the_code_of_every_access_is_in_the_file() -> None:
    for name in ("guest-pc", "perf-guest-pc"):
        with open_trace(TRACES / f"{name}.ntbt") as trace:
            accesses = sum(info.counts.get(kind, 0) for info in trace.blocks for kind in WITH_BAR)
            assert trace.annotations.counts == (accesses, 0)
            assert {"ntb_hw_idt"} <= {m.name for boot in trace.annotations.symbols[2].boots for m in boot.modules}


def test_stock_perf_meets_a_closed_window_and_the_fixed_one_does_not() -> None:
    writes = {}
    for name in ("perf-stock", "perf-fixed"):
        with open_trace(TRACES / f"{name}.ntbt") as trace:
            events = list(trace)
        statuses = {e.status for e in events if e.kind == Kind.MMIO_WRITE and e.bar in (2, 3)}
        writes[name] = statuses, sum(e.kind == Kind.MEM_WRITE and port_of(e.endpoint) == 2 for e in events)
    assert writes["perf-stock"] == ({Status.CLOSED}, 0)
    assert writes["perf-fixed"][0] == {Status.OK}
    assert writes["perf-fixed"][1] > 1000
