# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace info`: the header, and counts that agree with the events."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import device
from ntbtrace import cli
from ntbtrace.event import Kind
from ntbtrace.trace import FORMAT_VERSION, open_trace
from tests.support import events, recorder, rewrite, simulate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("info") / "run.ntbt")


def info(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[list[str]]:
    assert cli.main(["info", *map(str, words)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_header(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    text = "\n".join(" ".join(words) for words in info(capsys, run))
    assert f"{run}, {run.stat().st_size:,} bytes, format {FORMAT_VERSION}" in text
    assert "closed cleanly" in text
    assert f"89HPES24NT6AG2, model version {device.MODEL_VERSION}" in text
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


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    guests=st.dictionaries(st.text(), ANYTHING, max_size=4),
    transports=st.dictionaries(st.sampled_from(("0", "2")), ANYTHING),
    profile=st.dictionaries(st.sampled_from(("chip", "port")), ANYTHING),
    text=st.text(),
    wall=st.integers(-(1 << 80), 1 << 80),
)
def test_whatever_a_header_says(
    capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path, guests: dict[str, Any],
    transports: dict[str, Any], profile: dict[str, Any], text: str, wall: int,
) -> None:  # fmt: skip
    path = tmp_path / "odd.ntbt"
    path.unlink(missing_ok=True)
    rewrite(
        run, path, guests=guests, transports=transports, profile=profile, command=f"\x1b[2J{text}", tool=text,
        payloads=text, start_wall_ns=wall,
    )  # fmt: skip
    assert cli.main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert cli.main(["replay", "-q", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_hostile_register_names(capsys: pytest.CaptureFixture[str], run: Path, tmp_path: Path) -> None:
    with open_trace(run) as trace:
        table = json.loads(json.dumps(trace.header.registers))
    for row in table["registers"]:
        row["name"] = f"\x1b]0;{row['name']}\x07\n"
        row["fields"] = [[f"{name}\x9b", *rest] for name, *rest in row["fields"]]
    path = rewrite(run, tmp_path / "names.ntbt", registers=table)
    for command in ("info", "show"):
        assert cli.main([command, str(path)]) == 0
        assert capsys.readouterr().out.replace("\n", "").isprintable()
