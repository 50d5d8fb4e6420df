# SPDX-License-Identifier: GPL-2.0-or-later
"""GuestSymbols: what stood where in a guest's kernel, and from which event to which; the frame that holds it.

A guest restarts at other addresses, and loads and removes modules: so everything is scoped by seq.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ntbtrace.trace.frame import Annotation, Frame
from ntbtrace.trace.guard import compress, expand, reading
from ntbtrace.trace.layout import MAX_SEQ, MAX_SYMBOLS, RAW_LENGTH, SYMBOLS, FrameType

INIT = ".init"  # begins the names of sections that are given back when the module is ready


@dataclass
class Module:
    """`sections`: address of each executable section; `size`: bytes that none of them exceeds. It is
    there from seq `first` to `last`, its sections for initialization to `ready`; None: these ends have not come.
    """

    name: str
    build_id: str  # hex digits, "" for none
    size: int
    sections: dict[str, int]
    first: int
    ready: int | None = None
    last: int | None = None

    def has(self, section: str, seq: int) -> bool:
        """Whether this section is there at event `seq`."""
        end = self.ready if section.startswith(INIT) else self.last
        return self.first <= seq and (end is None or seq <= end)


class Function(NamedTuple):
    """Of the kernel itself: from `start` to before `end`."""

    start: int
    end: int
    name: str


@dataclass
class Boot:
    """What is known since the guest was started at event `first`."""

    first: int
    release: str = ""  # of the kernel
    functions: list[Function] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)


@dataclass
class GuestSymbols:
    """Of the guest behind `port`, boot after boot."""

    port: int
    boots: list[Boot] = field(default_factory=list)

    def at(self, seq: int) -> Boot | None:
        """The boot that event `seq` belongs to."""
        return next((boot for boot in reversed(self.boots) if boot.first <= seq), None)


def encode_symbols(guest: GuestSymbols, last_seq: int) -> Annotation:
    """An annotation that holds for all events, and in place of those of the same port before it."""
    raw = json.dumps(asdict(guest), separators=(",", ":")).encode()
    return Annotation(FrameType.SYMBOLS, SYMBOLS.pack(guest.port, last_seq), RAW_LENGTH.pack(len(raw)) + compress(raw))


def told_up_to(summary: bytes) -> int:
    """The seq up to which a frame with this summary tells."""
    seq: int = SYMBOLS.unpack(summary)[1]
    return seq


def decode_symbols(frame: Frame, path: Path) -> GuestSymbols:
    """Undo encode_symbols(). Raises TraceFormatError."""
    with reading(path, frame.offset, "a guest's symbols"):
        (raw,) = RAW_LENGTH.unpack_from(frame.body)
        loaded = json.loads(expand(frame.body[RAW_LENGTH.size :], raw, MAX_SYMBOLS))
        port, _ = SYMBOLS.unpack(frame.summary)
        return GuestSymbols(port, [_boot(boot) for boot in loaded["boots"]])


def _boot(loaded: Any) -> Boot:
    functions = [Function(_word(start), _word(end), _text(name)) for start, end, name in loaded["functions"]]
    modules = [_module(module) for module in loaded["modules"]]
    return Boot(_seq(loaded["first"]), _text(loaded["release"]), functions, modules)


def _module(loaded: Any) -> Module:
    sections = {_text(name): _word(address) for name, address in loaded["sections"].items()}
    ready, last = (None if loaded[key] is None else _seq(loaded[key]) for key in ("ready", "last"))
    return Module(
        _text(loaded["name"]),
        _text(loaded["build_id"]),
        _word(loaded["size"]),
        sections,
        _seq(loaded["first"]),
        ready,
        last,
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a text is of type {type(value).__name__}")
    return value


def _word(value: Any, end: int = 1 << 64) -> int:
    if type(value) is not int or not 0 <= value < end:
        raise ValueError(f"{value!r} is no address or number")
    return value


def _seq(value: Any) -> int:
    return _word(value, MAX_SEQ + 1)
