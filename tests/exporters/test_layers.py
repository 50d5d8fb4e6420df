# SPDX-License-Identifier: GPL-2.0-or-later
"""scapy reads an export as the trace says, and builds the same bytes again."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgReader

import device
from ntbtrace.commands.rows import as_row
from ntbtrace.event import Kind
from ntbtrace.exporters import layers
from ntbtrace.exporters.layers import KINDS, NTB, NTBEvent, Value, register
from ntbtrace.exporters.pcapng import write_pcapng
from ntbtrace.trace import open_trace
from ntbtrace.trace.registers import RegisterTable

GOLDEN = sorted((Path(__file__).parent.parent.parent / "traces").glob("*.ntbt"))
TABLE = RegisterTable(device.register_table())
IDS = sorted(TABLE.ids())


def value_of(packet: Packet) -> int:
    return int.from_bytes(bytes(packet.getlayer(Value, _subclass=True))[:8], "little")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_scapy_reads_every_event(path: Path, tmp_path: Path) -> None:
    with open_trace(path) as trace, (tmp_path / "a.pcapng").open("wb") as out:
        write_pcapng(trace, out)
        recorded, registers = list(trace), trace.registers
    packets = list(PcapNgReader(str(tmp_path / "a.pcapng")))
    assert len(packets) == len(recorded)
    for packet, event in zip(packets, recorded, strict=True):
        row: dict[str, Any] = as_row(event, registers)
        assert type(packet.payload) is KINDS[event.kind]
        assert (packet.seq, packet.t, packet.offset, packet.size) == (event.seq, event.t, event.offset, event.size)
        assert value_of(packet) == event.value * (event.data is None)
        assert packet.reg == registers.name(event.target)
        for name, value in (row["fields"] or {}).items():
            assert getattr(packet[packet.reg], name) == value
        assert (packet[Raw].load if Raw in packet else b"") == (event.data or b"")
        assert NTB(bytes(packet)).build() == packet.original


@given(number=st.sampled_from(IDS), data=st.data())
def test_a_register_is_built_and_read_by_its_fields(number: int, data: st.DataObject) -> None:
    name = TABLE.name(number)
    values = {f.name: data.draw(st.integers(0, (1 << f.width) - 1), f.name) for f in TABLE.fields(number)}
    built = NTB(seq=7) / layers.KINDS[Kind.MMIO_WRITE](reg=name, size=4) / register(name)(**values)
    assert value_of(built) == sum(values[f.name] << f.lsb for f in TABLE.fields(number))
    again = NTB(bytes(built))
    assert (again.kind, again.reg) == (Kind.MMIO_WRITE, name)
    assert {field: getattr(again, field) for field in values} == values


def test_a_part_of_a_register_has_the_fields_that_lie_in_it() -> None:
    low, high = register("PCIID", 0, 2), register("PCIID", 2, 2)
    assert {f.name for f in low.fields_desc} >= {"VENDOR"}
    assert {f.name for f in high.fields_desc} >= {"DEVICE"}
    assert not {f.name for f in high.fields_desc} & {"VENDOR"}
    assert register("PCIID", 1, 1) is Value
    assert register("") is Value


def test_a_kind_of_a_later_version_is_still_an_event() -> None:
    packet = NTB(bytes(NTB(kind=99) / NTBEvent(size=3) / Value(value=5)))
    assert type(packet.payload) is NTBEvent
    assert packet.value == 5


def test_one_layer_a_kind() -> None:
    assert {layers.__dict__[layer.__name__] for layer in KINDS.values()} == set(KINDS.values())
    assert len(set(KINDS.values())) == len(Kind)
