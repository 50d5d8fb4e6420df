# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints: what they wait for, both ways; counts, conditions, commands; what is refused."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from ntbtrace.repl import shell
from tests.repl.conftest import Opener
from tests.repl.driver import TRACES, Debugger
from tests.support import simulate

FORMS = {  # what is waited for: the expression for the same events
    "write OUTDBELLSET": "reg == OUTDBELLSET and kind in (mmio_write, cfg_write)",
    "write 2:OUTDBELLSET": "reg == OUTDBELLSET and owner == 2 and kind == mmio_write",
    "write outdbellset if value & 0x4 and port == 0": "reg == OUTDBELLSET and value & 4 and port == 0",
    "read NTINTSTS": "reg == NTINTSTS and kind == mmio_read",
    "access NTINTSTS port=2": "reg == NTINTSTS and port == 2",
    "write NTINTSTS.SEVENT": "reg == NTINTSTS and kind == mmio_write",
    "irq": "kind == irq",
    "irq port=2": "kind == irq and port == 2",
    "irq if port == 2": "kind == irq and port == 2",
    "message": "reg == OUTMSG and kind == mmio_write",
    "message 0 port=0": "reg == OUTMSG0 and kind == mmio_write and port == 0",
    "window": "kind in (mmio_read, mmio_write) and bar != 0",
    "if kind == mark or kind == detach": "kind in (mark, detach)",
    "value == 0x4 and kind == mmio_write": "value == 4 and kind == mmio_write",
    "reg == MSGSTS": "reg == MSGSTS",
}


@pytest.mark.parametrize("form", FORMS)
def test_stops_at_each_one_forwards_and_backwards(pingpong: Debugger, form: str) -> None:
    seqs = [event.seq for event in pingpong.session.trace.where(FORMS[form])]
    pingpong(f"break {form}")
    forwards = walk(pingpong, "continue", pingpong.session.end)
    assert forwards == seqs
    assert walk(pingpong, "reverse-continue", pingpong.session.start) == [
        s for s in seqs[::-1] if s != pingpong.session.end - 1
    ]


def walk(debugger: Debugger, command: str, end: int) -> list[int]:
    """Where the command stops, again and again."""
    found = []
    while True:
        said = debugger(command)
        if debugger.session.position == end and not said[0].startswith("breakpoint"):
            return found
        assert debugger.here is not None
        found.append(debugger.here)
        if debugger.session.position == end:
            return found


def test_windows_and_memory(opened: Opener) -> None:
    debugger = opened(TRACES / "perf-fixed.ntbt")
    event = next(debugger.session.trace.where("kind == mem_write"))
    for text in (
        f"mem port=2 {event.offset:#x} len 4",
        f"mem port=2 {event.offset + 1:#x}",
        f"mem access {event.offset:#x}",
    ):
        debugger("goto start", "delete", f"break {text}", "continue")
        assert debugger.here == event.seq, text
    for text in (f"mem port=0 {event.offset:#x} len 4", f"mem read {event.offset:#x}"):
        debugger("goto start", "delete", f"break {text}", "continue")
        assert debugger.here == debugger.session.end - 1, text
    debugger("goto start", "delete", f"watch mem port=2 {event.offset:#x} len 64", "continue")
    assert debugger.here == event.seq
    debugger("goto start", "delete", "break window BAR3", "continue")
    assert debugger.here == next(debugger.session.trace.where("bar == 3")).seq


def test_changes_tell_from_what_to_what(pingpong: Debugger) -> None:
    pingpong("break change 2:NTCTL.CPEN")
    said = pingpong("continue")
    assert said[:2] == ["breakpoint 1: change 2:NTCTL.CPEN", "  2:NTCTL: 0x0 -> 0x2 CPEN=1"]
    on = pingpong.here
    said = pingpong("continue")
    assert said[1] == "  2:NTCTL: 0x2 CPEN=1 -> 0x0"
    pingpong("goto end")
    walked = walk(pingpong, "reverse-continue", pingpong.session.start)
    assert walked[-1] == on


def test_a_change_that_the_peer_makes(pingpong: Debugger) -> None:
    pingpong("break change 0:NTINTSTS.DBELL if new & 2")
    pingpong("continue")
    event = pingpong.session.event(pingpong.here or 0)
    assert pingpong.session.registers.name(event.target) == "OUTDBELLSET"
    assert event.endpoint == 16


def test_old_new_and_held_values_in_conditions(opened: Opener) -> None:
    debugger = opened(TRACES / "perf-fixed.ntbt")
    debugger("break write BARSETUP3 if value.TPART != old.TPART")
    debugger("continue")
    event = debugger.session.event(debugger.here or 0)
    assert debugger.session.registers.name(event.target) == "BARSETUP3"
    assert debugger("print value", "print BARSETUP3.TPART")
    assert debugger("delete", "goto start", "break irq if $2:NTCTL.CPEN == 1", "continue")[-1].split()[3] == "irq"
    assert debugger("print 2:NTCTL.CPEN") == ["2:NTCTL.CPEN = 0x1"]
    first = debugger.here
    debugger("goto start", "delete", "break irq", "continue")
    assert debugger.here is not None
    assert debugger.here <= first  # type: ignore[operator]


def test_two_at_one_event_are_both_told(pingpong: Debugger) -> None:
    pingpong("break irq", "break kind == irq and port == 0")
    said = pingpong("continue")
    assert said[0] == "breakpoint 1: irq"
    assert said[1] == "breakpoint 2: kind == irq and port == 0"
    pingpong("disable 1", "goto start")
    said = pingpong("continue")
    assert said[0] == "breakpoint 2: kind == irq and port == 0"
    pingpong("enable 1", "disable", "goto start")
    assert "no breakpoint was hit on the way" in pingpong("continue")


def test_tbreak_ignore_and_counts(pingpong: Debugger) -> None:
    seqs = [e.seq for e in pingpong.session.trace.where("kind == irq")]
    pingpong("tbreak irq", "continue")
    assert pingpong.here == seqs[0]
    assert pingpong("info breakpoints") == ["no breakpoints: `break` sets one"]
    pingpong("goto start", "break irq", "ignore 2 3")
    assert pingpong("info breakpoints") == ["  2  irq  (0 hits, the next 3 ignored)"]
    pingpong("continue")
    assert pingpong.here == seqs[3]
    assert pingpong("info breakpoints") == ["  2  irq  (4 hits)"]
    pingpong("continue 2")
    assert pingpong.here == seqs[5]


def test_trace_prints_and_goes_on(pingpong: Debugger) -> None:
    irqs = [e.seq for e in pingpong.session.trace.where("kind == irq")]
    said = pingpong("trace irq", "continue")
    shown = [int(line.split()[0]) for line in said if " irq " in line]
    assert [seq for seq in shown if seq in irqs] == irqs
    assert said[0] == "breakpoint 1: trace irq"
    assert pingpong.session.position == pingpong.session.end


def test_commands_at_a_breakpoint(pingpong: Debugger) -> None:
    said = pingpong("break irq port=2", "commands", "print t", "echo there", "end", "continue")
    assert said[-2].startswith("t = ")
    assert said[-1] == "there"
    said = pingpong("goto start", "commands 1", "echo on", "continue", "end", "continue")
    assert said.count("on") == len(list(pingpong.session.trace.where("kind == irq and port == 2")))
    assert pingpong("commands 7", "end")[0].startswith("error: there is no breakpoint 7")
    assert "needs a line `end`" in pingpong("commands 1", "echo 1")[0]


def test_displays(pingpong: Debugger) -> None:
    assert pingpong("display 0:NTINTSTS.DBELL") == ["1: 0:NTINTSTS.DBELL = 0x0"]
    assert pingpong("display seq + 1")[0].startswith("2: seq + 1 = nothing")
    assert pingpong("goto 1048")[-2:] == ["1: 0:NTINTSTS.DBELL = 0x1", "2: seq + 1 = 0x419 (1049)"]
    assert pingpong("display") == ["1: 0:NTINTSTS.DBELL = 0x1", "2: seq + 1 = 0x419 (1049)"]
    pingpong("undisplay 1")
    assert len(pingpong("step")) == 2
    assert "there is no display 1" in pingpong("undisplay 1")[0]
    pingpong("undisplay")
    assert pingpong("display") == ["nothing is displayed: `display EXPR` does it"]


@pytest.mark.parametrize(("text", "said"), [
    ("write NTCTX", "there is no register NTCTX: did you mean NTCTL"),
    ("write NTCTL.CPEX", "does not have a field CPEX: did you mean CPEN?"),
    ("write", "write takes a register"),
    ("write NTCTL CPEN", "write takes a register"),
    ("change 9:NTCTL", "PORT must be one of 0, 2, not '9'"),
    ("change 0:SESTS", "SESTS is a register of the switch, not of port 0: leave the port out"),
    ("change LUT2LDATA0 X", "change takes a register"),
    ("irq 7", "irq takes nothing else"),
    ("message 9", "there is no register OUTMSG9"),
    ("window BAR0", "window takes BAR1 to BAR5"),
    ("mem", "mem takes an address"),
    ("mem 0x100 len 0", "mem takes an address"),
    ("mem x", "the address must be a number"),
    ("mem 0x100 len x", "the length must be a number"),
    ("irq if", "if what?"),
    ("", "break needs WHAT"),
    ("if", "if what?"),
    ("irq port=7", "PORT must be one of 0, 2"),
    ("nonsense if value", "'nonsense' is nothing to wait for"),
    ("write NTCTL if kind == irq", "can never be true: kind cannot be"),
    ("irq if value.CPEN == 1", "can never be true: only an access has a field"),
    ("NTCTL.CPEN == 4", "can never be true: CPEN has 1 bit"),
    ("value === 3", "invalid syntax"),
    ("100", "'100' is the same for every event: `break seq == 100` stops at one"),
    ("irq if 1", "is the same for every event"),
    ("irq if $7:NTCTL.CPEN", "PORT must be one of 0, 2, not '7'"),
    ("value < 0", "can never be true: nothing is below 0"),
])  # fmt: skip
def test_what_cannot_be_waited_for(pingpong: Debugger, text: str, said: str) -> None:
    lines = pingpong(f"break {text}")
    assert lines[0].startswith("error: "), lines
    assert said in lines[0]
    assert len(pingpong.session.breakpoints) == 0


def test_what_this_recording_does_not_have_is_said(pingpong: Debugger) -> None:
    assert pingpong("break kind == work")[1] == "  no event of this recording can match it"
    assert len(pingpong("break irq")) == 1


def test_save_and_source_bring_all_back(pingpong: Debugger, opened: Opener, tmp_path: Path) -> None:
    pingpong("break change 2:NTCTL.CPEN", "tbreak irq if port == 2", "ignore 2 4", "trace message 0", "disable 3",
             "commands 1", "print t", "end", "display NTCTL", "goto 50", "bookmark probe", "goto 7")  # fmt: skip
    path = tmp_path / "mine"
    pingpong(f"save {path}")
    other = opened(TRACES / "pingpong.ntbt")
    other(f"source {path}")
    assert other("info breakpoints") == pingpong("info breakpoints")
    assert other.session.bookmarks == pingpong.session.bookmarks
    assert [one.text for one in other.session.displays.values()] == ["NTCTL"]
    assert other.here == pingpong.here == 7


def test_no_breakpoint_is_said_by_number(pingpong: Debugger) -> None:
    assert pingpong("delete 1") == ["error: there is no breakpoint 1: `break` sets one"]
    pingpong("break irq", "delete 1", "break irq")
    assert pingpong("delete 1") == ["error: there is no breakpoint 1: there are 2"]


def test_over_several_blocks(opened: Opener, tmp_path: Path) -> None:
    debugger = opened(simulate(tmp_path / "run.ntbt", roll_every=15))
    assert len(debugger.session.trace.blocks) > 5
    seqs = [e.seq for e in debugger.session.trace.where("kind == irq")]
    debugger("break irq")
    assert walk(debugger, "continue", debugger.session.end) == seqs
    assert walk(debugger, "reverse-continue", debugger.session.start) == seqs[::-1]


def test_commands_that_move_and_stops_on_the_way(pingpong: Debugger) -> None:
    seqs = [e.seq for e in pingpong.session.trace.where("kind == irq")]
    pingpong("break irq", "commands", "print seq", "reverse-step", "end")
    said = pingpong("continue")
    assert said[2] == f"seq = {seqs[0]:#x} ({seqs[0]})"
    assert pingpong.here == seqs[0] - 1
    said = pingpong("goto start", "continue 3")[1:]
    assert said[0] == "breakpoint 1: irq", "the stops on the way say nothing"
    assert len([line for line in said if line.startswith("breakpoint")]) == 1
    assert [line for line in said if line.startswith("seq = ")] == [f"seq = {seqs[2]:#x} ({seqs[2]})"]
    assert pingpong.here == seqs[2] - 1


def test_more_stops_than_there_are(pingpong: Debugger) -> None:
    count = sum(1 for _ in pingpong.session.trace.where("kind == irq"))
    pingpong("break irq")
    assert pingpong(f"continue {count + 5}")[0] == f"only {count} stops on the way"
    assert pingpong("info breakpoints") == [f"  1  irq  ({count} hits)"]
    assert pingpong(f"reverse-continue {count}")[0] == "breakpoint 1: irq"
    assert pingpong("reverse-continue 2")[0] == "no breakpoint was hit on the way"


def test_an_empty_line_does_again_what_was_typed(pingpong: Debugger) -> None:
    seqs = [e.seq for e in pingpong.session.trace.where("kind == irq")]
    pingpong("break irq", "commands", "print seq", "end")
    for seq, line in zip(seqs, ("continue", "", ""), strict=False):
        assert pingpong(line)[-1] == f"seq = {seq:#x} ({seq})"
        assert pingpong.here == seq


def test_commands_that_never_end_are_ended(pingpong: Debugger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "MAX_QUEUE", 100)
    pingpong("break irq", "commands", "goto start", "continue", "end")
    assert pingpong("continue")[-1] == "error: the breakpoints' commands went on and on: stopped after 100"
    assert pingpong.session.queue == []
    assert pingpong("step")[0].split()[0].isdigit()


def test_what_cannot_have_commands(pingpong: Debugger) -> None:
    pingpong("trace irq", "break irq")
    assert "breakpoint 1 does not stop" in pingpong("commands 1")[0]
    assert "cannot have commands of their own" in pingpong("commands 2", "commands 1", "end")[0]
    assert pingpong.session.breakpoints.get(2).commands == []
    assert "no command 'frobnicate'" in pingpong("commands 2", "frobnicate", "end")[0], "told when it is typed"


@pytest.mark.parametrize("line", ["continue", "run-until kind == irq and port == 2", "history NTCTL", "verify"])
def test_control_c_leaves_one_where_one_was(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    debugger = opened(simulate(tmp_path / "run.ntbt", roll_every=15))
    debugger("break change NTCTL.CPEN if new == 7", "goto 40")

    def pressed(done: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(debugger.out, "progress", lambda label, total: nullcontext(pressed))
    with pytest.raises(KeyboardInterrupt):
        debugger(line)
    assert debugger.here == 40
    assert debugger.session.queue == []
    monkeypatch.undo()
    assert debugger("step")[0].split()[0] == "41"


def test_control_c_among_a_breakpoints_commands(pingpong: Debugger) -> None:
    pingpong("break irq", "commands", "py raise KeyboardInterrupt", "echo never", "end")
    with pytest.raises(KeyboardInterrupt):
        pingpong("continue")
    assert pingpong.session.queue == []
    assert "never" not in pingpong("step")


def test_only_a_trace_was_passed_on_the_way(pingpong: Debugger) -> None:
    assert "no breakpoint" not in pingpong.text("trace message", "continue")
    assert "no breakpoint was hit on the way" in pingpong.text("goto start", "break port == 2 and bar == 5", "continue")


def test_a_trace_takes_no_commands(pingpong: Debugger) -> None:
    assert pingpong("trace irq", "commands")[-1].startswith("error: breakpoint 1 does not stop")
