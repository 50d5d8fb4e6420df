# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace stats`: counts that agree with the events; the closed window of stock ntb_perf; what does not exist."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from device.host import Inject
from device.idt.maps import NT
from device.profile import DEFAULT, Profile
from ntbtrace import cli
from ntbtrace.capture.recorder import Recorder
from ntbtrace.decode import READS, WRITES
from ntbtrace.event import IrqMode, Kind, Status, port_name, port_of
from ntbtrace.render import kind_name, status_name
from ntbtrace.trace import open_trace
from tests.device.making import ENGINES
from tests.support import events, random_accesses, recorder, rewrite, simulate

TRACES = Path(__file__).parents[2] / "traces"
GASAADDR, GASADATA, ECFGADDR, ECFGDATA = (NT[name].offset for name in ("GASAADDR", "GASADATA", "ECFGADDR", "ECFGDATA"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stats") / "run.ntbt"
    return simulate(path, "perf", roll_every=20, after=random_accesses(3, 2000, roll_every=300))


def stats(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    assert cli.main(["stats", *map(str, words)]) == 0
    return capsys.readouterr().out.splitlines()


def cells(lines: list[str]) -> list[list[str]]:
    return [line.replace(",", "").split() for line in lines]


def test_counts_by_port_kind_and_status(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    lines, recorded = cells(stats(capsys, run)), events(run)
    ports = sorted({event.endpoint for event in recorded})
    head = [word for port in ports for word in ("port", port_name(port))]
    for title, what, name in (
        ("kind", lambda e: e.kind, kind_name), ("status", lambda e: e.status, status_name),
    ):  # fmt: skip
        at = lines.index([title, *head])
        values = sorted({what(event) for event in recorded})
        counts = Counter((what(event), event.endpoint) for event in recorded)
        assert lines[at + 1 : at + 1 + len(values)] == [
            [name(value), *(str(counts[value, port]) for port in ports)] for value in values
        ]
        assert len(values) > 3


def test_every_register_that_was_accessed_is_counted(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    lines = cells(stats(capsys, run))
    at = lines.index(["register", "reads", "writes"])
    end = next(n for n, words in enumerate(lines) if words[0] == "window")
    recorded = events(run)
    sums = [sum(int(words[column]) for words in lines[at + 1 : end]) for column in (1, 2)]
    assert sums == [sum(e.kind in kinds and e.target != 0 for e in recorded) for kinds in (READS, WRITES)]
    assert end - at - 1 == len({e.target for e in recorded if e.kind in READS | WRITES and e.target})


def test_windows_with_their_bytes(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    lines, recorded = cells(stats(capsys, run)), events(run)
    at = next(n for n, words in enumerate(lines) if words[0] == "window")
    expected = []
    for port in (0, 2):
        for bar in (2, 3):
            row = ["port", str(port), f"BAR{bar}"]
            for kind in (Kind.MMIO_READ, Kind.MMIO_WRITE):
                sizes = [e.size for e in recorded if (port_of(e.endpoint), e.bar, e.kind) == (port, bar, kind)]
                row += [str(len(sizes)), str(sum(sizes))]
            expected.append(row)
    assert lines[at + 1 : at + 5] == expected
    assert lines[at + 5][:3] != ["port", "0", "BAR5"]  # that BAR is missing: it is no window


def test_stock_perf_meets_a_closed_window(capsys: pytest.CaptureFixture[str]) -> None:
    path = TRACES / "perf-stock.ntbt"
    written = Counter(e.bar for e in events(path) if e.kind == Kind.MMIO_WRITE and e.status == Status.CLOSED)
    ((bar, count),) = written.items()
    assert f"  port 0 BAR{bar} window: {count:,} writes closed" in stats(capsys, path)
    assert count == 16384 / 4
    assert not any("closed" in line for line in stats(capsys, TRACES / "perf-fixed.ntbt"))


def record(path: Path, go: Callable[[Recorder], None], profile: Profile = DEFAULT) -> Path:
    trace = recorder(path, profile=profile)
    go(trace)
    trace.close()
    return path


def test_what_is_refused_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def go(trace: Recorder) -> None:
        port = trace.port(0)
        port.bar_read(0, 0x400, 4)  # memory space is off
        port.bar_write(2, 0, 4, 1)
        port.cfg_write(0x4, 2, 2)
        port.bar_write(2, 0, 8, 1)
        port.bar_read(2, 0, 1)
        port.bar_write(0, NT["OUTMSG0"].offset, 4, 1)
        port.bar_write(0, NT["OUTMSG0"].offset, 4, 2)
        trace.inject(4, Inject.CABLE, 1)

    lines = stats(capsys, record(tmp_path / "run.ntbt", go))
    assert sorted(lines[lines.index("refused") + 1 : -1]) == [
        "  port 0 BAR0 registers: 1 read disabled",
        "  port 0 BAR2 window: 1 read closed",
        "  port 0 BAR2 window: 1 write closed",
        "  port 0 BAR2 window: 1 write disabled",
        "  port 0 OUTMSG0: 2 writes refused",
    ]
    assert lines[-1].startswith("unknown: 1 ")
    assert stats(capsys, "--unknown", tmp_path / "run.ntbt") == ["port  space   offset        reads     writes"]


def test_unknown_places(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def go(trace: Recorder) -> None:
        one, other = trace.port(0), trace.port(2)
        for port in (one, other):
            port.cfg_write(0x4, 2, 2)
        one.cfg_read(0x100, 4)
        one.cfg_read(0x100, 2)
        one.bar_write(0, 0x7FC, 4, 1)
        one.bar_read(5, 0x10, 4)
        one.bar_read(5, 0x20, 4)
        one.bar_write(0, GASAADDR, 4, 0x3F200)
        one.bar_read(0, GASADATA, 4)
        trace.writer.roll()
        one.bar_write(0, GASADATA, 4, 1)
        one.bar_write(0, GASAADDR, 1, 0x04)
        one.bar_read(0, GASADATA, 4)
        other.cfg_write(ECFGADDR, 4, GASAADDR)
        other.cfg_write(ECFGDATA, 4, 0x3F300)
        other.bar_read(0, GASADATA, 2)
        other.cfg_write(ECFGADDR, 2, 0x800)
        other.cfg_read(ECFGDATA, 4)

    assert cells(stats(capsys, "--unknown", record(tmp_path / "run.ntbt", go))[1:]) == [
        ["0", "config", "0x100", "2", "0"], ["0", "BAR0", "0x7fc", "0", "1"], ["0", "BAR5", "any", "2", "0"],
        ["0", "global", "0x3f200", "1", "1"], ["0", "global", "0x3f204", "1", "0"],
        ["2", "global", "0x3f300", "1", "0"], ["2", "config", "0x800", "1", "0"],
    ]  # fmt: skip


def test_unknown_places_of_some_events_and_for_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def go(trace: Recorder) -> None:
        for number in (0, 2):
            port = trace.port(number)
            port.cfg_write(0x4, 2, 2)
            port.bar_write(0, GASAADDR, 4, 0x3F200)
            trace.writer.roll()
            port.bar_read(0, GASADATA, 4)
            port.bar_write(5, 0x10, 4, number)

    path = record(tmp_path / "run.ntbt", go)
    found = [["2", "global", "0x3f200", "1", "0"], ["2", "BAR5", "any", "0", "1"]]
    assert cells(stats(capsys, "--unknown", path, "--where", "port == 2")[1:]) == found
    assert cells(stats(capsys, "--unknown", path, "--where", "port == 2 and kind == mmio_read")[1:]) == found[:1]
    assert cells(stats(capsys, "--unknown", path, "--where", "kind == irq")[1:]) == []
    assert json.loads("".join(stats(capsys, "--unknown", path, "--where", "port == 2", "--json"))) == [
        {"port": "2", "space": "global", "offset": 0x3F200, "reads": 1, "writes": 0},
        {"port": "2", "space": "BAR5", "offset": None, "reads": 0, "writes": 1},
    ]
    assert stats(capsys, "--unknown", path, "--csv") == [
        "port,space,offset,reads,writes", "0,global,258560,1,0", "0,BAR5,,0,1", "2,global,258560,1,0", "2,BAR5,,0,1",
    ]  # fmt: skip


def test_what_leaves_an_address_register_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A write while memory space is off, and whatever becomes of the DMA engine beside it."""

    def go(trace: Recorder) -> None:
        port, engine = trace.port(0), trace.port(0, 1)
        port.cfg_write(0x4, 2, 2)
        port.bar_write(0, GASAADDR, 4, 0x3F200)
        port.cfg_write(0x4, 2, 0)
        port.bar_write(0, GASAADDR, 4, 0x3F300)
        port.cfg_read(GASADATA, 4)
        engine.attach(IrqMode.MSI, {})
        port.cfg_read(GASADATA, 4)
        engine.reset()
        engine.detach("so")
        port.cfg_read(GASADATA, 4)

    path = record(tmp_path / "run.ntbt", go, ENGINES)
    assert cells(stats(capsys, "--unknown", path)[1:]) == [["0", "global", "0x3f200", "3", "0"]]


@pytest.mark.parametrize("seed", range(8))
def test_the_address_behind_a_pair_is_always_the_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, seed: int
) -> None:
    """Random writes of any width to both pairs, through one another and at the other port, with resets between."""
    expected: Counter[tuple[str, str, str]] = Counter()

    def go(trace: Recorder) -> None:
        random = Random(seed)
        addresses = (GASAADDR, ECFGADDR, 0x800, 0x900, 0x1000 + GASAADDR, 0x5000 + GASAADDR, 0x5000 + ECFGADDR, 0x3F200)
        for _ in range(600):
            number = random.choice((0, 2))
            port, regs = trace.port(number), trace.switch.endpoints[number].regs
            at = random.choice((GASAADDR, ECFGADDR, GASADATA, ECFGDATA)) + random.randrange(4)
            size = random.choice([n for n in (1, 2, 4, 8) if at % n == 0])
            value = random.choice((*addresses, random.getrandbits(64))) & (1 << 8 * size) - 1
            match random.randrange(12):
                case 0:
                    random.choice((
                        port.reset,
                        lambda n=number: trace.inject(n, Inject.HOT_RESET, 0),
                        lambda v=value: trace.inject(0, Inject.POKE, v & 0xFFFF_FFFF, random.choice(addresses)),
                    ))()  # fmt: skip
                case 1 | 2 | 3 | 4:
                    held = {GASADATA: regs[GASAADDR >> 2], ECFGDATA: regs[ECFGADDR >> 2]}
                    port.cfg_read(at & -size, min(size, 4))
                    base = at & ~3
                    if trace.switch.status == Status.UNKNOWN and base in held:
                        space = "global" if base == GASADATA else "config"
                        expected[str(number), space, hex(held[base] & ~3)] += 1
                case 5 | 6:
                    port.cfg_write(0x4, 2, 2)
                    port.bar_write(0, at, size, value)
                case _:
                    port.cfg_write(at, min(size, 4), value)
            if random.random() < 0.05:
                trace.writer.roll()

    lines = cells(stats(capsys, "--unknown", record(tmp_path / "run.ntbt", go))[1:])
    found = {(port, space, offset): int(reads) for port, space, offset, reads, _ in lines if int(reads)}
    assert found == expected
    assert len(found) > 5


def test_a_header_whose_rows_are_no_rows(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    with open_trace(run) as trace:
        rows = [{**row, "offset": "far"} for row in trace.header.registers["registers"]]
    path = rewrite(run, tmp_path / "odd.ntbt", registers={"registers": rows})
    assert cli.main(["stats", "--unknown", str(path)]) == 2
    assert "the register table" in capsys.readouterr().err


def test_a_table_of_another_chip(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    path = rewrite(run, tmp_path / "other.ntbt", registers={"registers": []})
    assert {words[1] for words in cells(stats(capsys, "--unknown", path)[1:])} == {"config", "BAR0", "BAR5"}
