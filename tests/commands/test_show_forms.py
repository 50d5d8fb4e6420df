# SPDX-License-Identifier: GPL-2.0-or-later
"""`show --json` and `--csv`: every event as it is, for programs."""

import csv
import io
import json
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.commands.rows import COLUMNS
from ntbtrace.event import EFFECTS, STIMULI, Kind, port_of
from ntbtrace.trace import open_trace
from tests.support import events, random_accesses, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("forms") / "run.ntbt", "perf", after=random_accesses(2, 500))


def shown(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert cli.main(["show", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_json_is_an_object_a_line(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    rows = [json.loads(line) for line in shown(capsys, run, "--json").splitlines()]
    recorded = events(run)
    assert len(rows) == len(recorded)
    with open_trace(run) as trace:
        names = trace.registers
    for row, event in zip(rows, recorded, strict=True):
        assert list(row) == list(COLUMNS)
        assert (row["seq"], row["t"], row["port"]) == (event.seq, event.t, port_of(event.endpoint))
        assert Kind[row["kind"].upper()] == event.kind
        assert (row["offset"], row["size"], row["cause"]) == (event.offset, event.size, event.cause)
        assert row["value"] == (event.value if event.data is None else None)
        assert row["register"] == (names.name(event.target) or None)
        assert (row["status"] is None) == (event.kind not in STIMULI | EFFECTS)
        if row["register"] == "NTCTL" and event.size == 4:
            assert row["fields"]["CPEN"] == event.value >> 1 & 1


def test_csv_has_the_same(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    text = shown(capsys, run, "--csv", "--where", "reg == NTCTL and size == 4")
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = shown(capsys, run, "--json", "--where", "reg == NTCTL and size == 4").splitlines()
    objects = [json.loads(line) for line in lines]
    assert rows
    assert [(int(row["seq"]), int(row["value"])) for row in rows] == [(one["seq"], one["value"]) for one in objects]
    assert "CPEN=0x" in rows[0]["fields"]


def test_the_heading_is_there_without_events(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert shown(capsys, run, "--csv", "--limit", "0").strip() == ",".join(COLUMNS)
    assert shown(capsys, run, "--json", "--limit", "0") == ""
