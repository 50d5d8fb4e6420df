# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace export` and `ntbtrace wireshark` as a user meets them."""

import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from ntbtrace import cli
from tests.exporters.tshark import needs_tshark
from tests.support import events, simulate

PACKET = 6


def packets(path: Path) -> int:
    """How many enhanced packet blocks are in the file, each checked at both of its ends."""
    raw, at, found = path.read_bytes(), 0, 0
    while at < len(raw):
        kind, total = struct.unpack_from("<II", raw, at)
        assert struct.unpack_from("<I", raw, at + total - 4) == (total,)
        found += kind == PACKET
        at += total
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("export") / "run.ntbt", "perf", roll_every=20)


def test_all_of_a_trace_for_its_owner_only(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.pcapng"
    assert cli.main(["export", str(run), "-o", str(out)]) == 0
    count = len(events(run))
    assert packets(out) == count
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert capsys.readouterr().out == f"{out}: {count:,} of {count:,} events, {out.stat().st_size:,} bytes\n"
    assert cli.main(["export", str(run), "-o", str(out)]) == 2
    assert "exists: choose another name, or say --overwrite" in capsys.readouterr().err
    assert cli.main(["export", str(run), "-o", str(out), "--overwrite", "--where", "kind == irq"]) == 0
    assert packets(out) == sum(event.kind == 18 for event in events(run))


def test_a_range(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.pcapng"
    assert cli.main(["export", str(run), "-o", str(out), "--from", "10", "--to", "19"]) == 0
    assert packets(out) == 10


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--where", "reg == OUTDBEL"], "OUTDBELLSET"),
        (["--from", "9999999"], "--from must not be behind"),
        (["-o", "/no/such/folder/a.pcapng"], "cannot create /no/such/folder/a.pcapng: No such file"),
        (["-o", "/dev/full", "--overwrite"], "is not a regular file"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(
    run: Path, tmp_path: Path, words: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.pcapng"
    assert cli.main(["export", str(run), "-o", str(out), *words]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_damaged_trace_leaves_no_file(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = bytearray(run.read_bytes())
    raw[len(raw) // 2] ^= 0x55
    (tmp_path / "bad.ntbt").write_bytes(raw)
    assert cli.main(["export", str(tmp_path / "bad.ntbt"), "-o", str(tmp_path / "a.pcapng")]) == 2
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "a.pcapng").exists()


def test_into_a_pipe(run: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "ntbtrace", "export", str(run), "-o", "-"]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=True)
    (tmp_path / "a.pcapng").write_bytes(done.stdout)
    assert packets(tmp_path / "a.pcapng") == len(events(run))


@needs_tshark
def test_the_installed_dissector_is_found_by_wireshark(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"HOME": str(home), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    for words in (["wireshark", "--install"], ["export", str(run), "-o", str(tmp_path / "a.pcapng")]):
        subprocess.run([sys.executable, "-m", "ntbtrace", *words], env=env, timeout=60, check=True)
    assert [path.name for path in home.rglob("*.lua")] == ["ntbtrace.lua"]
    argv = ["tshark", "-r", str(tmp_path / "a.pcapng"), "-Y", 'ntb.kind == "irq"', "-T", "fields", "-e", "ntb.seq"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert [int(line) for line in done.stdout.split()] == [event.seq for event in events(run) if event.kind == 18]


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wireshark", "--install", "--folder", "/dev/null/plugins"]) == 2
    assert "cannot write /dev/null/plugins/ntbtrace.lua" in capsys.readouterr().err


def test_printed_it_is_the_same_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wireshark"]) == 0
    printed = capsys.readouterr().out
    assert cli.main(["wireshark", "--install", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / "ntbtrace.lua").read_text() == printed
