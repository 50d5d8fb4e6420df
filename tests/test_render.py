# SPDX-License-Identifier: GPL-2.0-or-later
"""Renderer: the line of an event, and what it says of a register's fields."""

from typing import Any

import pytest

from ntbtrace.event import NO_BAR, NO_ENDPOINT, Event, Kind, Status
from ntbtrace.render import Renderer, seconds
from ntbtrace.text import plain
from ntbtrace.trace.registers import RegisterTable

CTL, STS, SET = 1, 2, 3


@pytest.fixture
def renderer() -> Renderer:
    def row(number: int, name: str, *fields: list[Any]) -> dict[str, Any]:
        return {"id": number, "name": name, "indices": None, "space": "nt", "offset": 0, "stride": 0,
                "width": 32, "fields": list(fields), "doc": "", "source": ""}  # fmt: skip

    return Renderer(
        RegisterTable(
            {
                "registers": [
                    row(CTL, "CTL", ["ID", 0, 16, "RO", {}, 0], ["EN", 16, 1, "RW", {}, 0],
                        ["MODE", 20, 4, "RW", {"0": "off", "3": "NT"}, None]),
                    row(STS, "STS", ["BITS", 0, 32, "RW1C", {}, 0]),
                    row(SET, "SET", ["BELL", 0, 32, "WO", {}, 0]),
                ]
            }
        )
    )  # fmt: skip


def access(kind: Kind, target: int, value: int, offset: int = 0x400, size: int = 4, status: int = 0) -> Event:
    return Event(7, 1_000_002_999, kind, 16, 0, offset, size, value, 2 << 24 | target, status, None, None)


def what(renderer: Renderer, event: Event) -> str:
    return renderer.line(event).split(None, 6)[6]


def test_a_whole_line(renderer: Renderer) -> None:
    line = renderer.line(access(Kind.MMIO_READ, CTL, 0x10001, status=Status.UNKNOWN))
    assert line.split() == ["7", "1.000002", "2", "mmio_read", "BAR0+0x400", "0x00010001",
                            "CTL", "ID=1", "EN=1", "[unknown]"]  # fmt: skip


def test_what_changed(renderer: Renderer) -> None:
    assert what(renderer, access(Kind.MMIO_READ, CTL, 0x1234)) == "CTL ID=0x1234"
    assert what(renderer, access(Kind.MMIO_WRITE, CTL, 0x0030_FFFF)) == "CTL MODE 0(off)->3(NT)"
    assert what(renderer, access(Kind.MMIO_READ, CTL, 0x0030_1234)) == "CTL"
    assert what(renderer, access(Kind.MMIO_READ, CTL, 0x0031_1234)) == "CTL EN 0->1"


def test_a_part_of_a_register_tells_of_the_fields_in_it(renderer: Renderer) -> None:
    assert what(renderer, access(Kind.CFG_WRITE, CTL, 0x0031, offset=0x402, size=2)) == "CTL EN=1 MODE=3(NT)"
    assert what(renderer, access(Kind.CFG_READ, CTL, 0x34, offset=0x400, size=1)) == "CTL"


def test_bits_that_are_cleared_and_bits_that_are_taken(renderer: Renderer) -> None:
    assert what(renderer, access(Kind.MMIO_READ, STS, 0xF)) == "STS BITS=0xf"
    assert what(renderer, access(Kind.MMIO_WRITE, STS, 0x3)) == "STS BITS clears 3"
    assert what(renderer, access(Kind.MMIO_READ, STS, 0xC)) == "STS"
    assert what(renderer, access(Kind.MMIO_WRITE, SET, 4)) == "SET BELL=4"
    assert what(renderer, access(Kind.MMIO_WRITE, SET, 4)) == "SET BELL=4"


@pytest.mark.parametrize(
    ("what_", "offset", "value", "says"),
    [
        (1, 0, 171, "temperature 85.5 C"), (1, 0, 40, "temperature 20.0 C"), (2, 0, 0, "cable out"),
        (2, 0, 1, "cable in"), (3, 0x3F1D4, 0x50, "poke 0x3f1d4 0x50"), (4, 0, 0, "hot_reset"), (5, 0, 0, "failover"),
        (99, 1, 2, "what 99 0x1 0x2"),
    ],
)  # fmt: skip
def test_what_a_person_did(renderer: Renderer, what_: int, offset: int, value: int, says: str) -> None:
    event = Event(7, 0, Kind.INJECT, 16, what_, offset, 0, value, 0, 0, None, None)
    assert renderer.line(event).split(None, 4)[4].rstrip() == says


def test_another_ports_register(renderer: Renderer) -> None:
    event = access(Kind.MMIO_READ, CTL, 0)._replace(endpoint=0)
    assert what(renderer, event) == "2:CTL"


def test_effects(renderer: Renderer) -> None:
    written = Event(8, 0, Kind.MEM_WRITE, 0, NO_BAR, 0x1000, 64, 0, 0, Status.REFUSED, 7, bytes(range(64)))
    assert renderer.line(written).split() == [
        "8", "0.000000", "0", "mem_write", "0x1000", f"{bytes(range(32)).hex()}...", "<-", "7", "[refused]",
    ]  # fmt: skip
    level = Event(9, 0, Kind.IRQ, 0, 0, 0, 0, 1, 0, 0, 7, None)
    assert renderer.line(level).split()[3:] == ["irq", "INTx", "up", "<-", "7"]


def test_a_kind_of_a_later_version(renderer: Renderer) -> None:
    event = Event(1, 0, 99, NO_ENDPOINT, NO_BAR, 0, 0, 0, 0, 77, None, None)
    assert renderer.line(event).split() == ["1", "0.000000", "-", "kind", "99", "[status", "77]"]


def test_plain() -> None:
    assert plain("Grüße 日本") == "Grüße 日本"
    assert plain(b"\x1b[0m\xff\x00") == r"\x1b[0m\xff\x00"
    assert plain("\u202e\x9b\r") == r"\u202e\x9b\r"


def test_seconds_are_not_rounded_up() -> None:
    assert seconds(1_999_999_999) == "1.999999"
