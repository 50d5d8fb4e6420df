# SPDX-License-Identifier: GPL-2.0-or-later
"""What tshark reads out of an export is what is in the trace: every field of every event."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import device
from ntbtrace.commands.rows import as_row
from ntbtrace.event import NO_BAR, NO_ENDPOINT, WITH_TEXT, Event, Kind, endpoint_of
from ntbtrace.exporters.pcapng import write_pcapng
from ntbtrace.render import Renderer
from ntbtrace.trace import Trace, TraceWriter, open_trace
from ntbtrace.trace.registers import RegisterTable
from tests.exporters.tshark import INFO, NO_FIELD, columns, needs_tshark, tshark
from tests.support import events, simulate
from tests.trace.making import Snapshots, event_lists, header, number, write

GOLDEN = sorted((Path(__file__).parent.parent.parent / "traces").glob("**/*.ntbt"))
NUMBERS = ("seq", "t", "kind", "port", "function", "bar", "offset", "size", "value", "owner", "status", "cause")
TABLE = RegisterTable(device.register_table())
IDS = sorted(TABLE.ids())
FIELDS = sorted({field.name for number in IDS for field in TABLE.fields(number)})
OTHERS = ("frame.time_epoch", "frame.comment", "ntb.reg", "ntb.data", "ntb.cause_frame", "ntb.effect_frame", INFO)


def export(trace: Trace, path: Path, **options: Any) -> Path:
    with path.open("wb") as out:
        assert write_pcapng(trace, out, **options) <= len(trace)
    return path


def read(pcapng: Path) -> list[dict[str, Any]]:
    """Each packet's fields; numbers as int, None for what is not there."""
    names = [*(f"ntb.{name}" for name in NUMBERS), *(f"ntb.field.{name}" for name in FIELDS)]
    found: list[dict[str, Any]] = []
    for row in columns(pcapng, [*names, *OTHERS], "-2"):
        numbers = {name: None if row[name] == NO_FIELD else int(row[name], 0) for name in names}
        found.append({**row, **numbers})
    return found


def agree(packet: dict[str, Any], event: Event, registers: RegisterTable) -> None:
    """Raise AssertionError unless the packet says what the event says."""
    row = as_row(event, registers)
    expected = {name: row[name] for name in NUMBERS}
    expected["kind"] = event.kind
    expected["status"] = None if row["status"] is None else event.status
    expected["owner"] = event.target >> 24 if event.target else None
    assert {name: packet[f"ntb.{name}"] for name in NUMBERS} == expected
    assert packet["ntb.reg"] == registers.name(event.target)
    assert packet["ntb.data"] == (event.data or b"").hex()
    assert {name: packet[f"ntb.field.{name}"] for name in FIELDS if packet[f"ntb.field.{name}"] is not None} == (
        row["fields"] or {}
    )


def info(event: Event, registers: RegisterTable) -> str:
    """What `show` says of it alone, without seq, time and port."""
    return " ".join(Renderer(registers).line(event).split()[3:])


def readable(event: Event) -> bool:
    """Its data is text that every program shows alike."""
    text = (event.data or b"").decode("ascii", "replace")
    return event.kind not in WITH_TEXT or (text.isascii() and text.isprintable() and len(text) < 200)


@needs_tshark
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_tshark_reads_every_field_of_every_event(path: Path, tmp_path: Path) -> None:
    with open_trace(path) as trace:
        packets = read(export(trace, tmp_path / "a.pcapng"))
        start = trace.header.start_wall_ns
        recorded = list(trace)
    assert len(packets) == len(recorded)
    frames = {event.seq: number for number, event in enumerate(recorded, 1)}
    effects: dict[int, list[str]] = {}
    for event in recorded:
        if event.cause is not None:
            effects.setdefault(event.cause, []).append(str(frames[event.seq]))
    for packet, event in zip(packets, recorded, strict=True):
        agree(packet, event, trace.registers)
        assert packet["frame.time_epoch"] == f"{(start + event.t) // 10**9}.{(start + event.t) % 10**9:09}"
        assert packet["ntb.cause_frame"] == (NO_FIELD if event.cause is None else str(frames[event.cause]))
        assert packet["ntb.effect_frame"] == ",".join(effects.get(event.seq, ()))
        if readable(event):
            assert " ".join(packet[INFO].split()) == info(event, trace.registers)


@needs_tshark
@settings(max_examples=8, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=event_lists(), ids=st.lists(st.sampled_from(IDS), min_size=1))
def test_tshark_reads_events_of_any_form(tmp_path: Path, made: list[Event], ids: list[int]) -> None:
    path = tmp_path / "a.ntbt"
    writer = TraceWriter(path, header(registers=device.register_table()), Snapshots(), overwrite=True)
    for event, target in zip(made, cycle(ids), strict=False):
        writer.append(event._replace(target=event.target & 0xFF00_0000 | target))
    writer.close()
    with open_trace(path) as trace:
        for packet, event in zip(read(export(trace, tmp_path / "a.pcapng")), trace, strict=True):
            agree(packet, event, TABLE)


@needs_tshark
def test_the_filters_that_the_manual_promises(tmp_path: Path) -> None:
    with open_trace(simulate(tmp_path / "a.ntbt")) as trace:
        pcapng = export(trace, tmp_path / "a.pcapng")
        bells = [e.seq for e in trace.where("reg == OUTDBELLSET and kind == mmio_write")]
        enabled = [e.seq for e in trace.where("NTCTL.CPEN == 1")]

    def seqs(expression: str) -> list[int]:
        return [int(line) for line in tshark(pcapng, "-Y", expression, "-T", "fields", "-e", "ntb.seq")]

    assert seqs('ntb.reg == "OUTDBELLSET" && ntb.kind == "mmio_write"') == bells != []
    assert seqs('ntb.reg == "NTCTL" && ntb.field.CPEN == 1') == enabled != []


@needs_tshark
def test_one_interface_a_port_and_marks_as_comments(tmp_path: Path) -> None:
    text = "here it goes wrong, ä"
    data = text.encode()
    mark = Event(0, 5, Kind.MARK, NO_ENDPOINT, NO_BAR, 0, len(data), 0, 0, 0, None, data)
    bells = [Event(0, 6, Kind.MMIO_WRITE, endpoint_of(port), 0, 0x420, 4, 1, 0, 0, None, None) for port in (0, 2)]
    with open_trace(write(tmp_path / "a.ntbt", number([[mark], *([bell] for bell in bells)]))) as trace:
        pcapng = export(trace, tmp_path / "a.pcapng")
    found = columns(pcapng, ["ntb.port", "frame.interface_name", "frame.comment", "ntb.kind"])
    assert {(row["ntb.port"], row["frame.interface_name"]) for row in found} == {
        ("0", "port 0"), ("2", "port 2"), (NO_FIELD, "switch"),
    }  # fmt: skip
    assert [row["frame.comment"] for row in found if row["frame.comment"]] == [text]
    assert [row["ntb.kind"] for row in found if row["frame.comment"]] == [str(int(Kind.MARK))]


@needs_tshark
def test_a_packet_of_another_layout_is_named_and_no_error(tmp_path: Path) -> None:
    with open_trace(simulate(tmp_path / "a.ntbt")) as trace:
        pcapng = export(trace, tmp_path / "a.pcapng", last=0)
    changed = bytearray(pcapng.read_bytes())
    at = changed.index(b'{"transport"') - 80
    changed[at] = 99
    pcapng.write_bytes(changed)
    assert "layout version 99: install the dissector" in tshark(pcapng)[0]


def test_a_part_of_a_trace(tmp_path: Path) -> None:
    path = simulate(tmp_path / "a.ntbt")
    with open_trace(path) as trace, (tmp_path / "a.pcapng").open("wb") as out:
        wanted = [e for e in events(path) if 10 <= e.seq <= 300 and e.kind == Kind.MMIO_READ]
        assert write_pcapng(trace, out, "kind == mmio_read", 10, 300) == len(wanted) > 0
