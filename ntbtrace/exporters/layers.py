# SPDX-License-Identifier: GPL-2.0-or-later
"""scapy layers for what `ntbtrace export` writes: NTB / the kind of event / the register's fields, or Value / data.

    from scapy.utils import PcapNgReader
    from ntbtrace.exporters.layers import NTB, MmioWrite
    for packet in PcapNgReader("run.pcapng"):
        if MmioWrite in packet and packet.reg == "NTCTL":
            print(packet.seq, packet.port, packet.CPEN)

Importing this module makes scapy read linktype USER0 as NTB.
"""

from functools import cache
from typing import Any

from scapy.config import conf
from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    Field,
    FlagsField,
    LEIntField,
    LELongField,
    LEShortField,
    StrFixedLenField,
)
from scapy.packet import Packet, Raw, bind_top_down

import device
from device.host import Status
from ntbtrace.decode import REGISTER_BYTES, covered
from ntbtrace.event import ACCESSES, INLINE, Event, Kind
from ntbtrace.exporters.packet import COMMON, LINKTYPE, NAME_BYTES, PLACE, VALUE, VERSION, Has, Item
from ntbtrace.render import kind_name, status_name
from ntbtrace.trace.registers import RegisterTable

_VALUE_BITS = 8 * INLINE
_NUMBERS = {"u1": ByteField, "<u2": LEShortField, "<u4": LEIntField, "<u8": LELongField}
_NAMED = {"kind": {int(k): kind_name(k) for k in Kind}, "status": {int(s): status_name(s) for s in Status}}
_REGISTERS = RegisterTable(device.register_table())
_IDS = {_REGISTERS.name(number): number for number in _REGISTERS.ids()}


class NameField(StrFixedLenField):
    """A name, padded with zeros in the packet, text for who reads it."""

    def i2h(self, pkt: Packet | None, x: bytes) -> str:
        return x.rstrip(b"\0").decode("utf-8", "replace")

    def any2i(self, pkt: Packet | None, x: Any) -> bytes:
        return x.encode() if isinstance(x, str) else bytes(x)

    def i2repr(self, pkt: Packet | None, v: Any) -> str:
        return self.i2h(pkt, v)


def _field(item: Item) -> Field[Any, Any]:
    default = VERSION if item.name == "version" else 0
    if item.name == "has":
        return FlagsField(item.name, 0, -16, [str(bit.name) for bit in Has])
    if item.name in _NAMED:
        return ByteEnumField(item.name, default, _NAMED[item.name])
    if item.type in _NUMBERS:
        return _NUMBERS[item.type](item.name, default)
    return NameField(item.name, b"", NAME_BYTES)


class NTB(Packet):
    """What every event has. `kind` is set by the layer above."""

    name = "NTB"
    fields_desc = [_field(item) for item in COMMON]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return KINDS.get(self.kind, NTBEvent)


class NTBEvent(Packet):
    """An event of a kind that this version does not know; the base of the others."""

    name = "event"
    fields_desc = [_field(item) for item in PLACE]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return register(self.reg, self.offset, self.size) if isinstance(self, ACCESS_LAYERS) else Value

    def mysummary(self) -> str:
        return " ".join(filter(None, (self.name, self.reg, f"size {self.size} at {self.offset:#x}")))


class Value(Packet):
    """The value where no register's fields are in it."""

    name = "value"
    fields_desc = [_field(VALUE)]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return Raw


def register(name: str, offset: int = 0, size: int = 4) -> type[Packet]:
    """The layer of a register's fields, as far as an access of `size` bytes at `offset` covers them; Value for none."""
    return _register(name, offset % REGISTER_BYTES, size)


@cache
def _register(name: str, lane: int, size: int) -> type[Packet]:
    event = Event(0, 0, Kind.MMIO_WRITE, 0, 0, lane, size, 0, _IDS.get(name, 0), 0, None, None)
    bits: list[tuple[str, int, dict[int, str]]] = []  # name, width and named values, the highest first
    end = _VALUE_BITS
    for one in sorted(covered(event, _REGISTERS), key=lambda one: -one.lsb):
        lsb = one.lsb - 8 * lane
        if lsb + one.width < end:
            bits.append((f"reserved{lsb + one.width}", end - lsb - one.width, {}))
        bits.append((one.name, one.width, one.values))
        end = lsb
    if not bits:
        return Value
    if end:
        bits.append(("reserved0", end, {}))
    # scapy turns bytes round where a size is negative and the bits begin or end at a byte: only at both ends of all
    sizes = [(-INLINE, 1), *[(1, 1)] * (len(bits) - 2), (1, -INLINE)]
    fields = [_bits(*one, *size) for one, size in zip(bits, sizes, strict=True)]
    return type(name, (Value,), {"name": name, "fields_desc": fields, "__doc__": f"The fields of {name}."})


def _bits(name: str, width: int, values: dict[int, str], tot_size: int, end_tot_size: int) -> Field[Any, Any]:
    if values:
        return BitEnumField(name, 0, width, values, tot_size=tot_size, end_tot_size=end_tot_size)
    return BitField(name, 0, width, tot_size=tot_size, end_tot_size=end_tot_size)


def _class_name(kind: Kind) -> str:
    """MMIO_WRITE -> MmioWrite"""
    return kind.name.title().replace("_", "")


KINDS: dict[int, type[Packet]] = {
    int(kind): type(_class_name(kind), (NTBEvent,), {"name": kind_name(kind), "__module__": __name__}) for kind in Kind
}
ACCESS_LAYERS = tuple(KINDS[kind] for kind in ACCESSES)
for _number, _layer in KINDS.items():
    bind_top_down(NTB, _layer, kind=_number)
globals().update({layer.__name__: layer for layer in KINDS.values()})
__all__ = ["KINDS", "NTB", "NTBEvent", "Value", "register", *(layer.__name__ for layer in KINDS.values())]
conf.l2types.register(LINKTYPE, NTB)
