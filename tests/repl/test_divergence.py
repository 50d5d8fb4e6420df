# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a recording differs from the model: found, named, and told apart by what is read."""

from tests.repl.conftest import Opener
from tests.repl.driver import TRACES, Debugger

LOST = TRACES / "lost-doorbell.ntbt"


def test_verify_goes_there_and_names_the_event(opened: Opener) -> None:
    debugger = opened(LOST)
    said = debugger("verify")
    assert debugger.session.failed
    here = debugger.session.here
    assert here is not None
    assert debugger.session.registers.name(here.target) == "INDBELLSTS"
    assert f"differs at event {here.seq}: value of mmio_read INDBELLSTS at port 2" in said
    assert "  field DBELL: recorded 0x200, computed 0x300" in said
    moved = next(i for i, line in enumerate(said) if "in the model 0x100 of it was changed last by event" in line)
    assert said[moved + 1].endswith("OUTDBELLSET DBELL=0x100")


def test_what_was_read_is_not_what_the_model_holds(opened: Opener) -> None:
    debugger = opened(LOST)
    debugger("verify")
    assert debugger("where")[-1].endswith("INDBELLSTS DBELL=0x200 (the model holds 0x300)")
    assert debugger("print 2:INDBELLSTS") == ["2:INDBELLSTS = 0x300"]


def test_the_bell_was_set_twice_and_never_cleared(opened: Opener) -> None:
    debugger = opened(LOST)
    debugger("verify")
    first, second = (line.split("by port")[0].split()[-1] for line in debugger("history 2:INDBELLSTS 2"))
    assert (first, second) == ("0->0x100", "0x100->0x300")


def test_a_recording_that_does_not_differ(pingpong: Debugger) -> None:
    assert pingpong("verify") == ["identical: all 1,387 events replay as they were recorded"]
    assert not pingpong.session.failed
    assert pingpong.here is None
