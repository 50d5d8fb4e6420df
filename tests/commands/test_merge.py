# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace merge` on the command line: two switches, and the pieces that `record --rotate` makes."""

from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.trace import open_trace
from tests.support import simulate


def run(*words: object) -> int:
    return cli.main([*map(str, words)])


def test_two_switches(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second = simulate(tmp_path / "a.ntbt"), simulate(tmp_path / "b.ntbt", seed=2)
    out = tmp_path / "out.ntbt"
    assert run("merge", first, second, "-o", out) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].endswith("events of 2 recordings")
    assert said[1] == "a.ntbt: port 0, 2; from 0.000000 s on by the monotonic clock"
    assert said[2].startswith("b.ntbt: port 0 as 10, 2 as 12; from 0.")
    assert run("info", out) == 0
    assert f"merged from  {said[2]}" in capsys.readouterr().out
    assert run("check", out) == 0
    capsys.readouterr()
    assert run("show", out, "--where", "port == 12 and reg == OUTDBELLSET", "--limit", 1) == 0
    with open_trace(second) as trace:
        there = sum(1 for _ in trace.where("port == 2 and reg == OUTDBELLSET"))
    with open_trace(out) as trace:
        assert sum(1 for _ in trace.where("port == 12 and reg == OUTDBELLSET")) == there > 0
    capsys.readouterr()
    assert run("replay", out) == 2
    assert "is merged from several switches: replay the recordings" in capsys.readouterr().err


def test_pieces_of_a_rotated_recording(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("record", "--workload", "perf", "--size", 65536, "--rotate", "64K", "-o", tmp_path / "a.ntbt") == 0
    pieces = sorted(tmp_path.iterdir())
    assert len(pieces) > 1
    assert run("merge", *pieces, "-o", tmp_path / "a.ntbt") == 0
    assert f"of {len(pieces)} pieces of one recording" in capsys.readouterr().out
    assert run("replay", tmp_path / "a.ntbt") == 0
    assert "identical" in capsys.readouterr().out


def test_what_cannot_be_merged_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second = simulate(tmp_path / "a.ntbt"), simulate(tmp_path / "b.ntbt")
    for words, says in (
        ([first], "name two traces or more"),
        ([first, second, "--overwrite", "-o", second], "is the trace itself"),
        ([first, tmp_path / "none.ntbt"], "No such file"),
        ([first, Path(__file__)], "is not a trace"),
        ([first, Path(__file__).parents[2] / "traces" / "v1" / "pingpong.ntbt"], "different registers of one number"),
    ):
        assert run("merge", "-o", tmp_path / "out.ntbt", *words) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
        assert not (tmp_path / "out.ntbt").exists()
