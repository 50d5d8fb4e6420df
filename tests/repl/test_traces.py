# SPDX-License-Identifier: GPL-2.0-or-later
"""The debugger over traces that are not one whole recording of today: empty, merged, cut, still recorded, older."""

import shutil
from pathlib import Path

import pytest

from ntbtrace import cli
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import simulated_guests
from ntbtrace.trace import open_trace
from tests.repl.conftest import Opener
from tests.repl.driver import TRACES, Debugger
from tests.support import recorder, rewrite, simulate

STATE = ("registers", "print NTCTL", "info links", "info windows", "info interrupts", "why NTCTL", "diff start",
         "history NTCTL", "verify", "info replay", "break change NTCTL", "display NTCTL")  # fmt: skip
EVENTS = ("step 9", "rs", "next", "rn", "where", "list", "timeline", "print seq", "break write NTCTL", "c", "why", "rc",
          "goto 50%", "goto end", "info trace", "info profile", "info coverage", "info breakpoints")  # fmt: skip


def errors(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith("error: ")]


def test_an_empty_trace(opened: Opener, tmp_path: Path) -> None:
    recorder(tmp_path / "empty.ntbt").close()
    debugger = opened(tmp_path / "empty.ntbt")
    for line in (*EVENTS, *STATE, "up", "down", "x 0", "run-until port == 0", "nw NTCTL", "goto 0"):
        assert debugger(line), line
    assert debugger("registers 0 PCIID") == ["  0:PCIID          0x8091111d VENDOR=0x111d DEVICE=0x8091"]
    assert debugger("goto start")[0] == "the trace has no events"
    assert debugger("list") == ["error: the trace has no events"]


def test_a_merged_trace(opened: Opener, tmp_path: Path) -> None:
    a, b = simulate(tmp_path / "a.ntbt"), simulate(tmp_path / "b.ntbt", seed=2)
    assert cli.main(["merge", str(a), str(b), "-o", str(tmp_path / "both.ntbt")]) == 0
    debugger = opened(tmp_path / "both.ntbt")
    for line in EVENTS:
        said = debugger(line)
        assert said, line
        assert not errors(said), said
    for line in STATE:
        said = debugger(line)
        assert len(said) == 1, said
        assert "is merged from several switches: replay the recordings it was made of" in said[0]
    assert debugger("info profile")[3].startswith("port 2: ")
    assert debugger("info profile")[4] == "merged from b.ntbt:"
    assert debugger("info profile")[6].startswith("port 10: ")
    assert not errors(debugger("goto 10")), "the display was refused"
    assert debugger("info functions")[0].endswith("has no code of its guests: `merge` leaves it out")


def test_a_trace_of_an_earlier_model(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(TRACES / "v1/pingpong.ntbt")
    assert cli.main(["repl", path, "--batch", "--command", "goto 1000", "--command", "registers 0 NTCTL"]) == 0
    remark, _, register = capsys.readouterr().out.splitlines()
    assert remark.startswith("recorded with model version 1, this is 2: ")
    assert "may differ" in remark
    assert register == "* 0:NTCTL          0x00000002 CPEN 0->1"


def test_a_part_of_a_recording(opened: Opener, tmp_path: Path) -> None:
    whole = simulate(tmp_path / "run.ntbt", roll_every=15)
    part = tmp_path / "part.ntbt"
    assert cli.main(["cut", str(whole), "--from", "100", "--to", "300", "-o", str(part)]) == 0
    debugger, full = opened(part), opened(whole)
    start, end = debugger.session.start, debugger.session.end
    assert 0 < start <= 100 < 300 < end
    for line in ("goto start", "step", "goto 50%", "goto end", "rs 20"):
        debugger(line)
        full.session.position = debugger.session.position
        assert debugger("registers 0 *") != []
        assert values(debugger) == values(full), line
    assert debugger("goto 5")[0] == f"error: an event must be {start} to {end - 1}, not 5"
    assert "as where this part of a recording begins" in debugger.text("goto start", "why 0:NTCTL")
    assert debugger("verify")[-1].startswith("identical: all")


def values(debugger: Debugger) -> dict[int, int | None]:
    switch = debugger.session.device()
    return {target: switch.peek(target) for target in switch.state_targets()}


def test_a_recording_that_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "live.ntbt"
    trace = recorder(path)
    guests = simulated_guests(trace, "pingpong", Work(5, 256), 1)
    for _ in range(60):
        for guest in guests:
            guest.step()
    trace.writer.roll()
    for suffix in ("", ".journal"):
        shutil.copy(f"{path}{suffix}", tmp_path / f"killed.ntbt{suffix}")
    for one in (path, tmp_path / "killed.ntbt"):
        assert cli.main(["repl", str(one), "--batch", "--goto", "end", "--command", "registers"]) == 0
        said = capsys.readouterr().out
        assert "the recording was not closed: this is what there is of it" in said
        assert "at the end of the recording" in said
    trace.close()
    assert cli.main(["repl", str(path), "--batch"]) == 0
    assert capsys.readouterr().out == ""


def test_a_replay_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = TRACES / "pingpong.ntbt"
    with open_trace(source) as trace:
        wrong = next(trace.where("reg == NTINTSTS and kind == mmio_read")).seq
    changed = rewrite(source, tmp_path / "c.ntbt", lambda e: e._replace(value=0x77) if e.seq == wrong else e)
    assert cli.main(["repl", str(changed), "--batch", "--at-divergence", "--command", "print seq"]) == 0
    said = capsys.readouterr().out
    assert f"differs at event {wrong}: value of mmio_read NTINTSTS at port 0" in said
    assert said.endswith(f"seq = {wrong:#x} ({wrong})\n")
