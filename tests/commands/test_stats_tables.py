# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace stats --by, --latency, --polling`, as text, JSON and CSV: they agree with the events themselves."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ntbtrace import cli
from ntbtrace.capture.recorder import Recorder
from ntbtrace.event import Kind, Status, port_of
from ntbtrace.trace import open_trace
from tests.support import events, random_accesses, simulate

NTINTSTS, MSGSTS = 0x404, 0x460


def poll(trace: Recorder) -> None:
    """Port 0 waits for a message: seven equal reads, while port 2 does something else; four of another register."""
    for _ in range(7):
        trace.port(0).bar_read(0, MSGSTS, 4)
        trace.port(2).bar_read(0, 0x400, 4)
        trace.port(2).bar_read(0, 0x408, 4)
    for _ in range(4):
        trace.port(0).bar_read(0, NTINTSTS, 4)
    for _ in range(3):
        trace.port(0).bar_read(0, 0x42C, 4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def after(trace: Recorder) -> None:
        poll(trace)
        random_accesses(5, 2000, roll_every=300)(trace)

    return simulate(tmp_path_factory.mktemp("tables") / "run.ntbt", roll_every=20, after=after)


def rows(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[dict[str, Any]]:
    assert cli.main(["stats", *map(str, words), "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_by_register_and_port(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    with open_trace(run) as trace:
        names = trace.registers
    writes = [event for event in events(run) if event.kind == Kind.MMIO_WRITE]
    expected = Counter((names.name(event.target) or None, port_of(event.endpoint)) for event in writes)
    found = rows(capsys, run, "--by", "reg,port", "--where", "kind == mmio_write")
    assert {(row["reg"], row["port"]): row["events"] for row in found} == expected
    assert sum(row["bytes"] for row in found) == sum(event.size for event in writes)
    assert [row["events"] for row in found] == sorted(expected.values(), reverse=True)


def test_by_an_expression_and_its_times(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    found = rows(capsys, run, "--by", "status,size // 4")
    everything = events(run)
    for row in found:
        of = [
            event
            for event in everything
            if (Status(event.status).name.lower() if event.kind < 32 else None, event.size // 4)
            == (row["status"], row["size // 4"])
        ]
        assert row["events"] == len(of)
        assert (row["first s"], row["last s"]) == (min(e.t for e in of) / 1e9, max(e.t for e in of) / 1e9)
    assert sum(row["events"] for row in found) == len(everything)


def test_csv_has_the_same_rows(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    wanted = rows(capsys, run, "--by", "kind")
    assert cli.main(["stats", str(run), "--by", "kind", "--csv"]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["kind"], int(row["events"])) for row in found] == [(row["kind"], row["events"]) for row in wanted]


def test_text_is_aligned(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert cli.main(["stats", str(run), "--by", "kind,port"]) == 0
    title, heading, *lines = capsys.readouterr().out.splitlines()
    assert title == f"{len(events(run)):,} events by kind,port"
    assert {len(line) for line in (heading, *lines)} == {len(heading)}


def test_more_groups_than_anybody_reads_are_refused(
    capsys: pytest.CaptureFixture[str], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ntbtrace.commands.grouping.MOST_GROUPS", 100)
    assert cli.main(["stats", str(run), "--by", "seq"]) == 2
    assert "--by seq has more than 100 groups" in capsys.readouterr().err


def test_latency_is_to_the_first_status_read(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    everything = events(run)
    irqs = [event for event in everything if event.kind == Kind.IRQ]
    waits = []
    for irq in irqs:
        answer = next(
            (e for e in everything
             if e.kind == Kind.MMIO_READ and e.endpoint == irq.endpoint and e.offset == NTINTSTS and not e.bar
             and e.target and e.t >= irq.t),
            None,
        )  # fmt: skip
        waits.append(None if answer is None else (answer.t - irq.t) / 1000)
    found = rows(capsys, run, "--latency")
    assert sum(row["answered"] for row in found) == sum(wait is not None for wait in waits)
    assert sum(row["not"] for row in found) == sum(wait is None for wait in waits)
    known = [wait for wait in waits if wait is not None]
    assert max(row["max"] for row in found if row["max"] is not None) == pytest.approx(max(known))
    bells = rows(capsys, run, "--latency", "--where", "reg == OUTDBELLSET")
    assert {row["by"] for row in bells} == {"OUTDBELLSET"}


def test_polling_is_equal_reads_in_a_row_of_one_guest(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    found = {(row["port"], row["register"]): row for row in rows(capsys, run, "--polling")}
    message = found["0", "MSGSTS"]
    assert (message["runs"], message["reads"], message["longest"]) == (1, 7, 7)
    assert (found["0", "NTINTSTS"]["reads"], ("0", "INDBELLMSK") in found) == (4, False)
    assert not any(port == "2" for port, _ in found)


@pytest.mark.parametrize("words", [["--by", "kind,nope"], ["--where", "kind == irg"], ["--by", ""]])
def test_a_wrong_expression_is_one_line(capsys: pytest.CaptureFixture[str], run: Path, words: list[str]) -> None:
    assert cli.main(["stats", str(run), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
