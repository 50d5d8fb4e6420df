# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving: event by event, by port, along causes, to places; where it cannot go on."""

import pytest

from ntbtrace.event import port_of
from tests.repl.driver import Debugger


def test_steps_both_ways(pingpong: Debugger) -> None:
    assert pingpong("reverse-step") == ["error: this is the start: nothing is before it"]
    for seq in range(5):
        (line,) = pingpong("step")
        assert pingpong.here == seq
        assert line.split()[0] == str(seq)
    pingpong("step 10")
    assert pingpong.here == 14
    pingpong("rs 10")
    assert pingpong.here == 4
    assert pingpong("rs 100")[-1] == "at the start: nothing has happened yet"
    assert pingpong.here is None


def test_the_end_is_said(pingpong: Debugger) -> None:
    assert pingpong("goto end")[-1] == "at the end of the recording"
    assert pingpong("step") == ["error: this is the end of the recording"]
    last = pingpong.here
    pingpong("rs")
    assert pingpong.here == last - 1  # type: ignore[operator]
    pingpong("step 50")
    assert pingpong.here == last


@pytest.mark.parametrize(("place", "first", "last"), [("start", 0, 6), ("3", 0, 6), ("700", 697, 703),
                                                      ("1385", 1380, 1386), ("end", 1380, 1386)])  # fmt: skip
def test_list_shows_as_many_as_it_is_told(pingpong: Debugger, place: str, first: int, last: int) -> None:
    pingpong(f"goto {place}")
    _, *shown = pingpong("list 7")
    assert [int(line[1:].split()[0]) for line in shown] == list(range(first, last + 1))
    assert [int(line[1:].split()[0]) for line in shown if line[0] == ">"] == (
        [] if place == "start" else [pingpong.here]
    )


def test_next_stays_at_the_port(pingpong: Debugger) -> None:
    trace = pingpong.session.trace
    for start, port in ((1000, None), (1048, None)):
        pingpong(f"goto {start}")
        port = port_of(trace.block(0).columns["endpoint"][start])
        ahead = [e.seq for e in trace.events(start + 1) if port_of(e.endpoint) == port]
        behind = [e.seq for e in trace.events(0, start - 1) if port_of(e.endpoint) == port][::-1]
        pingpong("next")
        assert pingpong.here == ahead[0]
        pingpong("n 3")
        assert pingpong.here == ahead[3]
        pingpong(f"goto {start}", "reverse-next")
        assert pingpong.here == behind[0]
        pingpong("rn 4")
        assert pingpong.here == behind[4]
    assert pingpong("next 9999") == [
        f"error: there are not that many events of port {pingpong.session.port} behind this one"
    ]
    assert pingpong("goto 0", "rn")[-1] == "error: there are not that many events of port 0 before this one"


@pytest.mark.parametrize(("place", "seq"), [
    ("0", 0), ("0x10", 16), ("1386", 1386), ("end", 1386), ("50%", 692), ("100%", 1386), ("0.0s", 0), ("+5", 505),
    ("-5", 495), ("8.611175s", 1047),
])  # fmt: skip
def test_places(pingpong: Debugger, place: str, seq: int) -> None:
    pingpong("goto 500", f"goto {place}")
    assert pingpong.here == seq


@pytest.mark.parametrize(("place", "said"), [
    ("1387", "an event must be 0 to 1386, not 1387"), ("-9999", "an event must be 0 to 1386"), ("101%", "0% to 100%"),
    ("1000s", "a time must be within the recording"), ("nowhere", "a place is an event's number"),
    ("1.5", "a place is"),
])  # fmt: skip
def test_places_that_are_none(pingpong: Debugger, place: str, said: str) -> None:
    pingpong("goto 500")
    (line,) = pingpong(f"goto {place}")
    assert line.startswith("error: ")
    assert said in line
    assert pingpong.here == 500


def test_along_causes(pingpong: Debugger) -> None:
    pingpong("goto 972", "up")
    assert pingpong.here == 970
    pingpong("down")
    assert pingpong.here == 972, "back to where it came from"
    assert pingpong("down") == ["error: event 972 was the last of what event 970 caused"]
    pingpong("goto 970", "down")
    assert pingpong.here in (971, 972)
    assert pingpong("goto 970", "up")[-1].startswith("error: event 970 is no effect")
    assert pingpong("goto 1", "down")[-1] == "error: event 1 has no effects"
    assert "at the start there is no event" in pingpong("goto start", "up")[-1]


def test_writes_of_a_register(pingpong: Debugger) -> None:
    seqs = [e.seq for e in pingpong.session.trace.where("reg == OUTDBELLSET and kind == mmio_write")]
    for seq in seqs:
        pingpong("next-write OUTDBELLSET")
        assert pingpong.here == seq
    assert pingpong("nw OUTDBELLSET")[-1].startswith(
        "error: write OUTDBELLSET: no such event from here on; still at event"
    )
    for seq in seqs[-2::-1]:
        pingpong("prev-write OUTDBELLSET")
        assert pingpong.here == seq
    assert "no such event before here" in pingpong("pw OUTDBELLSET")[-1]
    assert pingpong.here == seqs[0]
    pingpong("goto start", "nw 2:OUTDBELLSET")
    assert pingpong.here == next(pingpong.session.trace.where("reg == OUTDBELLSET and port == 2")).seq


@pytest.mark.parametrize(("text", "said"), [
    ("run-until kind == irq and kind == mmio_write", "can never be true: kind cannot be irq and mmio_write at once"),
    ("run-until seq > 9999", "no such event from here on"),
    ("step 99999999999999999999", "COUNT must be at most 0x7fffffffffffffff"),
    ("list 99999999999999999999", "COUNT must be at most 0x7fffffffffffffff"),
    ("registers NTCTLL", "there is no register NTCTLL: did you mean NTCTL"),
    ("registers NTX*", "no register here is called 'NTX*'"),
    ("registers 2 SESTS", "no register here is called 'SESTS'"),
    ("why NTCTL.CPENN", "'NTCTL.CPENN': the register NTCTL does not have a field CPENN: did you mean CPEN?"),
    ("why 0:SESTS", "SESTS is a register of the switch, not of port 0"),
    ("history 2:SESTS", "SESTS is a register of the switch, not of port 2"),
    ("print 9:NTCTL", "PORT must be one of 0, 2, not '9'"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_with_its_reason(pingpong: Debugger, text: str, said: str) -> None:
    (line,) = pingpong(text)
    assert line.startswith("error: ")
    assert said in line


def test_counts_beyond_the_recording(pingpong: Debugger) -> None:
    everything = range(len(pingpong.session.trace))
    assert [int(line[1:].split()[0]) for line in pingpong("list 999999999")[1:]] == [*everything]
    assert [int(line[1:].split()[0]) for line in pingpong("timeline 999999999")[1:]] == [*everything]
    pingpong("step 999999999")
    assert pingpong.here == everything[-1]
    assert len(pingpong("history GDBELLSTS 999999999")) == len(pingpong("history GDBELLSTS 1000"))


def test_run_until(pingpong: Debugger) -> None:
    irq = next(pingpong.session.trace.where("kind == irq and port == 2"))
    pingpong("run-until kind == irq and port == 2")
    assert pingpong.here == irq.seq
    pingpong("goto start", "break irq", "run-until kind == irq and port == 2")
    assert pingpong.here == next(pingpong.session.trace.where("kind == irq")).seq, "a breakpoint comes first"
    assert "no such event" in pingpong("goto start", "delete", "run-until value == 0x123456789")[-1]
    assert pingpong.here is None


def test_bookmarks(pingpong: Debugger) -> None:
    assert pingpong("bookmark") == ["no bookmarks: `bookmark NAME` sets one here"]
    assert pingpong("goto 77", "bookmark probe")[-1] == "probe: event 77"
    pingpong("goto end", "goto probe")
    assert pingpong.here == 77
    assert pingpong("bookmark")[0].split() == ["probe", "event", "77"]
    assert "must be a word" in pingpong("bookmark 1x")[0]
    assert "is a place already" in pingpong("bookmark start")[0]
    assert pingpong("goto start", "bookmark zero", "bookmark")[-1].split() == ["zero", "the", "start"]


def test_list_says_of_each_event_what_stopping_there_does(pingpong: Debugger) -> None:
    """What the peer changed in between is known: a recording that replays identical contradicts nothing."""
    _, *listed = pingpong("goto 1048", "list 200")[1:]
    assert not [line for line in listed if "the model holds" in line]
    assert [line[2:] for line in listed] == [pingpong(f"goto {line[1:].split()[0]}")[0] for line in listed]


def test_a_read_is_decoded(pingpong: Debugger) -> None:
    assert pingpong("goto 1049")[0].endswith("0x00000002         NTINTSTS DBELL=1")
