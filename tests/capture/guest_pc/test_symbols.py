# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest says of its kernel: taken where it has the form, passed over where it has not, bounded always."""

from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.capture.guest_pc import symbols
from ntbtrace.capture.guest_pc.symbols import ConsoleSymbols
from ntbtrace.trace.guest_symbols import Boot, Function, Module, encode_symbols

BUILD_ID = "20e3bcbc13d426624d000b66218fa493035a9cc3"
LINES = [
    b"ntbtrace: boot workload=pingpong port=0",
    b"ntbtrace: kernel 6.1.0-56-amd64 ffffffff8100-ffffffff8140:ioread32 ffffffff8140-ffffffff8150:iowrite32",
    b"ntbtrace: loading ntb",
    b"ntbtrace: module ntb " + BUILD_ID.encode() + b" 20480 .text=0xffffffffc05f5000 .init.text=0xffffffffc05fa000",
    b"[   12.0] ntbtrace: loading other",
    b"ntbtrace: loading ntb_tool",
    b"ntbtrace: module ntb_tool - 4096 .text=0xffffffffc0600000",
    b"ntbtrace: unloaded ntb",
]


def told(*lines: bytes, first: int = 10) -> ConsoleSymbols:
    found = ConsoleSymbols(2)
    for seq, line in enumerate(lines, first):
        found.line(seq, line)
    return found


def test_the_lines_of_our_init() -> None:
    found = told(*LINES)
    (boot,) = found.guest.boots
    functions = [
        Function(0xFFFF_FFFF_8100, 0xFFFF_FFFF_8140, "ioread32"),
        Function(0xFFFF_FFFF_8140, 0xFFFF_FFFF_8150, "iowrite32"),
    ]
    text, init = 0xFFFF_FFFF_C05F_5000, 0xFFFF_FFFF_C05F_A000
    assert boot == Boot(10, "6.1.0-56-amd64", functions, [
        Module("ntb", BUILD_ID, 20480, {".text": text, ".init.text": init}, 12, 13, 17),
        Module("ntb_tool", "", 4096, {".text": 0xFFFF_FFFF_C060_0000}, 15, 16, None),
    ])  # fmt: skip
    assert found.guest.port == 2
    assert found.changes == len(LINES) - 1


def test_a_restart_begins_anew() -> None:
    found = told(*LINES, *LINES[:1])
    assert [boot.first for boot in found.guest.boots] == [10, 18]
    assert found.guest.boots[1].modules == []
    assert found.guest.at(17) == found.guest.boots[0]
    assert found.guest.at(18) == found.guest.boots[1]
    assert found.guest.at(9) is None


def test_lines_of_another_form_are_passed_over() -> None:
    found = told(
        b"ntbtrace: loading early", LINES[0], b"ntbtrace: module ntb x 1 .text=0x1", b"ntbtrace: loading", b"ntbtrace:",
        b"ntbtrace: loading a/b", b"ntbtrace: kernel \xff\xfe", b"ntbtrace: loading ntb",
        b"ntbtrace: module ntb x -1 .text=0x1",
        b"ntbtrace: module ntb x 1 .text=1", b"ntbtrace: unloaded ntb", b"ntbtrace: done",
    )  # fmt: skip
    assert found.guest.boots == [Boot(11)]


@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=60).map(lambda more: b"ntbtrace: " + more), max_size=60))
def test_whatever_a_guest_says_is_bounded_and_can_be_kept(lines: list[bytes]) -> None:
    encode_symbols(told(*lines).guest, 1)


def test_a_guest_that_says_too_much() -> None:
    found = told(LINES[0])
    for i in range(symbols.MOST_BOOTS + 9):
        found.line(i, LINES[0])
        for n in range(100):
            found.line(i, f"ntbtrace: loading m{n}".encode())
            found.line(i, f"ntbtrace: module m{n} {BUILD_ID} 4096 .text=0x1000".encode())
            found.line(i, b"ntbtrace: kernel 6.1 " + b"1-2:f " * 20)
    boots = found.guest.boots
    assert len(boots) == symbols.MOST_BOOTS
    assert max(len(boot.functions) for boot in boots) == symbols.MOST_FUNCTIONS
    assert max(len(boot.modules) for boot in boots) <= symbols.MOST_MODULES
