# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace info`: the header, and counts that agree with the events."""

from collections import Counter
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.event import Kind
from ntbtrace.trace import open_trace
from tests.support import events, recorder, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("info") / "run.ntbt")


def info(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[list[str]]:
    assert cli.main(["info", *map(str, words)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_header(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    text = "\n".join(" ".join(words) for words in info(capsys, run))
    assert f"{run}, {run.stat().st_size:,} bytes, format 1" in text
    assert "closed cleanly" in text
    assert "89HPES24NT6AG2, model version 1" in text
    assert "port 0 simulated; partition 0, bars BAR0=registers BAR2=" in text


def test_counts(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    lines = info(capsys, run, "--top", "1000")
    recorded = events(run)
    for kind, count in Counter(event.kind for event in recorded).items():
        assert [Kind(kind).name.lower(), f"{count:,}"] in lines
    with open_trace(run) as trace:
        name = {event.target: trace.registers.name(event.target) for event in recorded if event.target}
    bells = Counter(event.kind for event in recorded if name.get(event.target) == "OUTDBELLSET")
    mine = [words for words in lines if words[0].endswith("OUTDBELLSET")]
    assert sum(int(words[2].replace(",", "")) for words in mine) == bells[Kind.MMIO_WRITE] > 0
    assert sum(int(words[1].replace(",", "")) for words in mine) == bells[Kind.MMIO_READ]


def test_top(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    lines = info(capsys, run, "--top", "2")
    at = next(n for n, words in enumerate(lines) if words[0] == "register")
    assert len(lines) == at + 4
    assert lines[-1][0] == "and"


def test_a_recording_that_is_not_closed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "live.ntbt"
    trace = recorder(path)
    trace.note(Kind.MARK, data=b"here")
    text = "\n".join(" ".join(words) for words in info(capsys, path))
    assert f"not closed: still being recorded, or run `ntbtrace salvage {path}`" in text
    assert "mark 1" in text
    trace.close()
