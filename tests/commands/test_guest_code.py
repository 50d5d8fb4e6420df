# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands say of the guests' code: chains, searches by function, a profile, comments for Wireshark; and what
is missing when the modules' files are not there."""

import csv
import io
import json
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.trace import open_trace
from tests.support import simulate
from tests.symbols.making import READY, annotated, make_module

GOLDEN = Path(__file__).parent.parent.parent / "traces/guest-pc.ntbt"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_module(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def path(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return annotated(tmp_path_factory.mktemp("code") / "a.ntbt", demo)


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[str, str]:
    assert cli.main([str(word) for word in words]) == 0, capsys.readouterr()
    done = capsys.readouterr()
    return done.out, done.err


def test_show_prints_the_chain(path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "show", path, "--symbols", demo.parent, "--where", "func == both", "--limit", 5)
    lines = out.splitlines()[1:]
    assert len(lines) == 5
    assert all(" by iowrite32+0x9 <- " in line and "both [" in line for line in lines), lines
    assert err == ""


def test_show_as_objects_and_rows(path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "show", path, "--symbols", demo.parent, "--json", "--limit", READY)
    codes = [json.loads(line)["code"] for line in out.splitlines()]
    assert None in codes
    assert [] in codes
    deep = next(code for code in codes if code and len(code) > 3)
    assert deep[0]["function"] == "iowrite32"
    assert (deep[1]["function"], deep[1]["line"], deep[1]["inlined"], deep[1]["offset"]) == ("put", 5, True, None)
    out, _ = run(capsys, "show", path, "--symbols", demo.parent, "--csv", "--limit", READY)
    assert any("<- put [demo.c:5 inlined]" in row["code"] for row in csv.DictReader(io.StringIO(out)))


def test_stats_by_func_is_a_profile(path: Path, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "stats", path, "--symbols", demo.parent, "--by", "func", "--json")
    rows = {row["func"]: row for row in json.loads(out)}
    with open_trace(path) as trace:
        assert rows["iowrite32"]["total"] == trace.annotations.counts.known
    assert rows["start"]["total"] > rows["start"]["own"]
    assert rows["work"]["file"] == "demo.c"
    out, _ = run(capsys, "stats", path, "--symbols", demo.parent, "--by", "func", "--where", "kind == irq", "--json")
    assert json.loads(out) == []
    out, _ = run(capsys, "stats", path, "--symbols", demo.parent, "--by", "func,line,port", "--json")
    assert {row["func"] for row in json.loads(out)} > {None, "work", "sum"}
    out, _ = run(capsys, "stats", path, "--symbols", demo.parent, "--by", "file", "--json")
    assert any(str(row["file"]).endswith("demo.c") for row in json.loads(out))


def test_info_counts_what_is_known(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_trace(path) as trace:
        known, unknown = trace.annotations.counts
    out, _ = run(capsys, "info", path)
    assert f"of {known:,} accesses, {unknown:,} unknown (their records did not match); of port 0: kernel 6.1" in out


def test_export_has_it_as_comments(path: Path, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "export", path, "--symbols", demo.parent, "-o", tmp_path / "a.pcapng", "--where", "func == both")
    data = (tmp_path / "a.pcapng").read_bytes()
    with open_trace(path) as trace:
        run(capsys, "stats", path, "--symbols", demo.parent, "--by", "func", "--json")
        assert data.count(b"put [demo.c:5 inlined] <- both [:1") > 10
        assert trace.annotations.counts.known > data.count(b"iowrite32+0x9 <- ") > 10


def test_cut_by_function(path: Path, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cut.ntbt"
    run(capsys, "cut", path, "--symbols", demo.parent, "-o", out, "--where", "func == refuse", "--to", READY)
    assert "refuse" in run(capsys, "show", out, "--symbols", demo.parent)[0]


def test_without_the_modules_there_are_addresses_and_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, "show", GOLDEN, "--where", "kind == mmio_write")
    assert " by iowrite32+0x9 <- ntb_hw_idt.text+0x" in out
    missing = {line.split()[1] for line in err.splitlines()}
    assert missing == {"ntb.ko", "ntb_hw_idt.ko", "ntb_pingpong.ko"}
    assert all(line.endswith("there is none in the guest cache (--symbols DIR)") for line in err.splitlines())


@pytest.mark.parametrize(("words", "says"), [
    (("--symbols", "/nowhere"), "--symbols /nowhere: there is no such directory"),
    (("--where", "func == idt_pci_prob"), "there is no function idt_pci_prob in the guests' code"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(GOLDEN), *words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_qemu_that_refuses_the_plugin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho 'qemu-system-x86_64: -plugin: invalid option' >&2\nexit 1\n")
    qemu.chmod(0o700)
    words = ["--guests", "qemu", "--guest-pc", "--qemu", qemu, "--kernel", GOLDEN, "-o", tmp_path / "a.ntbt"]
    assert cli.main(["record", *map(str, words)]) == 2
    err = capsys.readouterr().err
    assert "is gone (QEMU exit code 1): qemu-system-x86_64: -plugin: invalid option; the trace up to there" in err


def test_a_trace_without_code_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = simulate(tmp_path / "a.ntbt")
    assert cli.main(["show", str(path), "--where", "func == work"]) == 2
    assert "this trace has none: record with --guest-pc" in capsys.readouterr().err
    assert cli.main(["show", str(path), "--symbols", str(tmp_path)]) == 2
    assert "has no code of its guests" in capsys.readouterr().err
    assert cli.main(["record", "--guest-pc", "-o", str(tmp_path / "b.ntbt")]) == 2
    assert "--guest-pc is about guests in QEMU" in capsys.readouterr().err
    kvm = ["record", "--guests", "qemu", "--accel", "kvm", "--guest-pc", "--kernel", str(path), "--qemu", "/bin/true"]
    assert cli.main([*kvm, "-o", str(tmp_path / "b.ntbt")]) == 2
    assert "--guest-pc is done by a plugin of QEMU's TCG" in capsys.readouterr().err
