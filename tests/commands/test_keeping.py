# SPDX-License-Identifier: GPL-2.0-or-later
"""`record --rotate` and `--keep`, on the command line."""

from pathlib import Path

import pytest

from ntbtrace import cli


def record(tmp_path: Path, *words: object) -> int:
    path = tmp_path / "a.ntbt"
    return cli.main(["record", "--workload", "perf", "--size", "65536", "-o", str(path), *map(str, words)])


def test_rotate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert record(tmp_path, "--rotate", "64K") == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0] == "a.0001.ntbt"
    assert len(names) > 1
    assert f"a.0001.ntbt to {names[-1]}: " in capsys.readouterr().out
    for name in names:
        assert cli.main(["replay", str(tmp_path / name)]) == 0
        assert "identical" in capsys.readouterr().out


@pytest.mark.parametrize("keep", ["last:64K", "around:reg == BARLTBASE2 and kind == mmio_write"])
def test_keep(capsys: pytest.CaptureFixture[str], tmp_path: Path, keep: str) -> None:
    assert record(tmp_path, "--keep", keep) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.ntbt"]
    assert cli.main(["replay", str(tmp_path / "a.ntbt")]) == 0
    assert "identical" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "says"), [
    (["--keep", "first:1M"], "--keep must be last:SIZE or around:EXPR, not 'first:1M'"),
    (["--keep", "around:"], "--keep must be"),
    (["--keep", "last:1"], "--keep last:SIZE must be a size of 64K or more"),
    (["--keep", "around:reg == NTCTLL"], "did you mean NTCTL"),
    (["--before", "5"], "--before and --after go with --keep around:EXPR"),
    (["--keep", "last:1M", "--after", "5"], "--before and --after go with"),
])  # fmt: skip
def test_what_is_wrong_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], says: str) -> None:
    assert record(tmp_path, *words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--rotate", "7"], ["--rotate", "x"], ["--rotate", "1M", "--keep", "last:1M"]])
def test_what_argparse_refuses(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        record(tmp_path, *words)
    assert end.value.code == 2
