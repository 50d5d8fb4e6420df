# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace record`: what it says at the end."""

from pathlib import Path

import pytest

from ntbtrace.capture.guests.simulated import SimulatedGuest
from ntbtrace.cli import main


def test_what_guests_report_cannot_drive_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    power_off = SimulatedGuest.power_off

    def with_results(guest: SimulatedGuest, reason: str) -> None:
        guest.results["\x1b[2J"] = "\x9b"
        power_off(guest, reason)

    monkeypatch.setattr(SimulatedGuest, "power_off", with_results)
    assert main(["record", "--count", "1", "-o", str(tmp_path / "run.ntbt")]) == 0
    assert r"port 2: pingpong=1 \x1b[2J=\x9b" in capsys.readouterr().out
