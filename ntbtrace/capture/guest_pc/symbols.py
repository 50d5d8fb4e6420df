# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest says of its kernel on its console becomes its symbols, from event to event.

Its init (guests/image/init, report_modules.sh) says, each on a line of its own:

    ntbtrace: boot ...                                   it has started: all before is gone
    ntbtrace: kernel RELEASE START-END:NAME ...          functions of the kernel itself
    ntbtrace: loading NAME                               a module is about to be inserted
    ntbtrace: module NAME BUILD-ID SIZE .text=ADDRESS ...     it is ready; its executable sections
    ntbtrace: unloaded NAME                              it is gone

A guest is not trusted: a line of another form is passed over, and what it may say is bounded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ntbtrace.trace.frame import Annotation
from ntbtrace.trace.guest_symbols import Boot, Function, GuestSymbols, Module, encode_symbols

SAYS = b"ntbtrace: "
WORDS = frozenset(("kernel", "loading", "module", "unloaded"))  # that are no state of the guest
MOST_BOOTS, MOST_FUNCTIONS, MOST_MODULES, MOST_SECTIONS = 64, 512, 2048, 16
_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,100}")
_FUNCTION = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16}):([A-Za-z0-9_.$-]{1,100})")
_SECTION = re.compile(r"(\.[A-Za-z0-9_.]{1,60})=0x([0-9a-f]{1,16})")
_BUILD_ID = re.compile(r"[0-9a-f]{8,64}")
_SIZE = re.compile(r"[0-9]{1,12}")


class ConsoleSymbols:
    """`guest` grows with the lines; `changes` counts."""

    def __init__(self, port: int) -> None:
        self.guest = GuestSymbols(port)
        self.changes = 0
        self._begun: dict[str, int] = {}  # modules that are being inserted: since which event

    def line(self, seq: int, line: bytes) -> None:
        """A line of the console, and the number of its event."""
        if not line.startswith(SAYS):
            return
        boots = self.guest.boots
        match line[len(SAYS) :].decode("ascii", "replace").split():
            case ["boot", *_] if len(boots) < MOST_BOOTS:
                boots.append(Boot(seq))
                self._begun.clear()
            case ["kernel", release, *words] if boots and _NAME.fullmatch(release):
                self._kernel(boots[-1], release, words)
            case ["loading", name] if boots and _NAME.fullmatch(name) and len(self._begun) < MOST_MODULES:
                self._begun[name] = seq
            case ["module", name, build_id, size, *words] if boots and name in self._begun:
                self._module(boots[-1], seq, name, build_id, size, words)
            case ["unloaded", name] if boots:
                for module in boots[-1].modules:
                    if module.name == name and module.last is None:
                        module.last = seq
            case _:
                return
        self.changes += 1

    def _kernel(self, boot: Boot, release: str, words: list[str]) -> None:
        boot.release = release
        found = filter(None, map(_FUNCTION.fullmatch, words))
        boot.functions += [Function(int(one[1], 16), int(one[2], 16), one[3]) for one in found]
        del boot.functions[MOST_FUNCTIONS:]

    def _module(self, boot: Boot, seq: int, name: str, build_id: str, size: str, words: list[str]) -> None:
        found = filter(None, map(_SECTION.fullmatch, words[:MOST_SECTIONS]))
        sections = {one[1]: int(one[2], 16) for one in found}
        if sections and _SIZE.fullmatch(size) and len(boot.modules) < MOST_MODULES:
            build_id = build_id if _BUILD_ID.fullmatch(build_id) else ""
            boot.modules.append(Module(name, build_id, int(size), sections, self._begun.pop(name), seq))


class SymbolNotes:
    """The symbols of a guest on their way from its console to the file, for each of its `ports`. The recording thread
    calls line(), the writer thread symbols().
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._console = ConsoleSymbols(ports[0])
        self._told: tuple[int, list[Annotation]] | None = None  # changes, and what they came to, for each port
        self._written = 0

    @property
    def symbols_so_far(self) -> GuestSymbols:
        return self._console.guest

    def line(self, seq: int, line: bytes) -> None:
        """A line of the guest's console, event `seq`."""
        console = self._console
        before = console.changes
        console.line(seq, line)
        if console.changes != before:
            self._told = (
                console.changes,
                [encode_symbols(replace(console.guest, port=port), seq) for port in self._ports],
            )

    def symbols(self) -> Iterator[Annotation]:
        """What is known now of the guest's kernel, if more is known than the last time."""
        told = self._told
        if told is not None and told[0] != self._written:
            self._written = told[0]
            yield from told[1]
