# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace registers`: what a register is, where it stands, and what a value in it means."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from ntbtrace.commands.chip import EVERYTHING, NT, SPACES, Chip, Found, Row, bits, reset_name, value_names
from ntbtrace.commands.options import natural
from ntbtrace.commands.profiles import load_profile
from ntbtrace.commands.register_page import page
from ntbtrace.decode import REGISTER_BYTES, field_value
from ntbtrace.errors import NtbTraceError
from ntbtrace.render import named

NAME = "registers"
HELP = "the switch's registers: a list, one by name or address, and what a value in it means"
EXAMPLE = "ntbtrace registers NTINTSTS 0x2"
REGISTER_BITS = 8 * REGISTER_BYTES


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("register", nargs="?", metavar="NAME|ADDRESS",
                        help="a register, array or field (NTCTL, BARSETUP2, BARSETUP, NTCTL.CPEN), or an address in "
                             "BAR0 or in the global space (default: list all)")  # fmt: skip
    parser.add_argument("value", nargs="?", type=natural, metavar="VALUE", help="decode this value of the register")
    parser.add_argument("--profile", type=Path, metavar="FILE",
                        help="of this profile's switch (default: all switched on, a guest at every port)")  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="all of them as a page of documentation")


def run(args: argparse.Namespace) -> int:
    value: int | None = args.value
    if value is not None and value >> REGISTER_BITS:
        raise NtbTraceError(f"VALUE must fit in {REGISTER_BITS} bits, not {value:#x}")
    if args.markdown and args.register is not None:
        raise NtbTraceError("--markdown is the page of all registers: leave the register out")
    chip = Chip(EVERYTHING if args.profile is None else load_profile(args.profile))
    if args.markdown:
        print(page(chip), end="")
        return 0
    if args.register is None:
        lines = _list(chip)
    else:
        lines = (line for one in _find(chip, args.register) for line in _describe(chip, one, value))
    for line in lines:
        print(line)
    return 0


def _find(chip: Chip, text: str) -> list[Found]:
    if not text[:1].isdigit():
        return [chip.named(text)]
    try:
        return chip.at(natural(text))
    except argparse.ArgumentTypeError as error:
        raise NtbTraceError(f"an address {error}") from error


def _list(chip: Chip) -> Iterator[str]:
    space = ""
    widest = max(len(row.label) for row in chip.rows)
    for row in chip.rows:
        if row.space != space:
            yield from [""] if space else []
            space = row.space
            yield from (SPACES[space], f"  {'name':<{widest}} {'address':<8} {'reset':<18} what")
        address = f"{row.elements[0].offset:#x}" if row.addressed else "-"
        yield f"  {row.label:<{widest}} {address:<8} {row.reset():<18} {row.doc}"
    yield ""
    yield f"In the global space the NT function of {_starts(chip, 0)}."


def _starts(chip: Chip, offset: int) -> str:
    return ", ".join(f"port {port} at {start + offset:#x}" for port, start in chip.starts.items())


def _describe(chip: Chip, found: Found, value: int | None) -> Iterator[str]:
    row, first = found.row, found.elements[0]
    name = first.name if len(found.elements) == 1 else row.label
    yield f"{name}{'' if found.port is None else f' of port {found.port}'}: {row.doc}"
    if row.addressed:
        also = f"; in the global space of {_starts(chip, first.offset)}" if row.space == NT else ""
        step = f", then every {row.stride:#x}" if len(found.elements) > 1 else ""
        yield f"  address  {first.offset:#x}{step} in {SPACES[row.space]}{also}"
    else:
        yield f"  address  none ({SPACES[row.space]})"
    yield f"  source   {row.source}"
    fields = (found.field,) if found.field else sorted(row.fields, key=lambda one: one.lsb, reverse=True)
    widest = max(len("field"), *(len(one.name) for one in fields))
    last = "values" if value is None else "value"
    yield f"  {'bits':<6} {'field':<{widest}} {'access':<6} {'reset':<10} {last}"
    for one in fields:
        text = value_names(one) if value is None else named(field_value(one, value), one.values)
        text = f"{text} {one.doc}" if one.doc else text
        yield f"  {bits(one):<6} {one.name:<{widest}} {one.access:<6} {reset_name(one):<10} {text}".rstrip()
    if value is not None:
        yield from _reserved(row, value)


def _reserved(row: Row, value: int) -> Iterator[str]:
    known = sum(((1 << one.width) - 1) << one.lsb for one in row.fields)
    stray = [str(bit) for bit in reversed(range(REGISTER_BITS)) if (value & ~known) >> bit & 1]
    if stray:
        yield f"  reserved, and set: bit{'s' if len(stray) > 1 else ''} {', '.join(stray)}"
