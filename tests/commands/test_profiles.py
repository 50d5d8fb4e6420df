# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles as the commands take them: what is wrong is one line with the file's name, before anything is made."""

from pathlib import Path

import pytest

from ntbtrace import cli

WIDE = """
[[port]]
number = 0
partition = 0
bars = { BAR0 = "registers", BAR2 = { size = "1M", width = 64 } }
[[port]]
number = 2
partition = 1
"""
TWICE_LUT24 = """
[[port]]
number = 0
partition = 0
bars = { BAR0 = "registers", BAR2 = { size = "1M", type = "lut24" }, BAR4 = { size = "1M", type = "lut24" } }
"""


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert cli.main([*map(str, words)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_what_the_chip_cannot_have_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text(TWICE_LUT24)
    said = refused(capsys, "record", "--profile", profile, "-o", tmp_path / "a.ntbt")
    assert f"profile {profile}: port 0: BAR2 and BAR4 are both 'lut24'" in said
    assert not (tmp_path / "a.ntbt").exists()


@pytest.mark.parametrize("command", ["record", "serve"])
def test_qemu_carries_no_wide_bars(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    profile = tmp_path / "p.toml"
    profile.write_text(WIDE)
    words = ["--guests", "qemu"] if command == "record" else ["--port", f"0={tmp_path}/0", "--port", f"2={tmp_path}/2"]
    said = refused(capsys, command, "--profile", profile, *words, "-o", tmp_path / "a.ntbt")
    assert "port 0 BAR2: QEMU's x-pci-proxy-dev carries 32-bit BARs only" in said
    assert not (tmp_path / "a.ntbt").exists()
