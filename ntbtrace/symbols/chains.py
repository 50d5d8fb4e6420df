# SPDX-License-Identifier: GPL-2.0-or-later
"""From a guest's addresses to names: which module stood there at that event, and what its file tells."""

from bisect import bisect_right
from functools import cached_property
from typing import NamedTuple

from ntbtrace.symbols.find import ModuleFiles
from ntbtrace.symbols.module import ModuleCode
from ntbtrace.text import basename
from ntbtrace.trace.guest_symbols import Boot, GuestSymbols, Module
from ntbtrace.trace.sites import Chain


class Frame(NamedTuple):
    """One function of a chain. `offset`: of `address` in it; None where it is inlined in the next frame, or not known
    (then `function` is ""). `module` "": the kernel itself. `file` "" and `line` 0: not known.
    """

    function: str
    offset: int | None
    file: str
    line: int
    module: str
    address: int
    inlined: bool = False

    @property
    def name(self) -> str:
        """The function; where it is not known the address."""
        return self.function or f"{self.address:#x}"

    def text(self, file_before: str = "", *, with_offset: bool = False) -> str:
        """'idt_sw_write+0x54 [ntb_hw_idt.c:358]'; '[:358]' when the file is that before."""
        offset = f"+{self.offset:#x}" if with_offset and self.offset is not None and self.function else ""
        place = ""
        if self.line:
            file = "" if self.file == file_before else basename(self.file)
            place = f" [{file}:{self.line}{' inlined' if self.inlined else ''}]"
        return f"{self.name}{offset}{place}"


def chain_text(frames: tuple[Frame, ...]) -> str:
    """'iowrite32+0x9 <- idt_sw_write+0x54 [ntb_hw_idt.c:358] <- idt_init_link [:652]'; '?' for an unknown one."""
    parts, file = [], ""
    offsets = True  # up to the first function of a module
    for frame in frames:
        parts.append(frame.text(file, with_offset=offsets))
        file = frame.file or file
        offsets = offsets and (frame.inlined or not frame.module)
    return " <- ".join(parts) or "?"


class GuestNames:
    """Of one guest. `epochs`: seqs from which on other things stand in its kernel."""

    def __init__(self, symbols: GuestSymbols, files: ModuleFiles) -> None:
        self._symbols = symbols
        self._files = files

    @cached_property
    def epochs(self) -> list[int]:
        found: set[int] = set()
        for boot in self._symbols.boots:
            found.add(boot.first)
            for module in boot.modules:
                ends = (module.first, *(end + 1 for end in (module.ready, module.last) if end is not None))
                found.update(ends)
        return sorted(found)

    def frames(self, chain: Chain, seq: int) -> tuple[Frame, ...]:
        """The chain of an access that was event `seq`; () for an unknown one."""
        boot = self._symbols.at(seq)
        return tuple(frame for address in chain.frames for frame in self._at(address, boot, seq))

    def _at(self, address: int, boot: Boot | None, seq: int) -> list[Frame]:
        unknown = [Frame("", None, "", 0, "", address)]
        if boot is None:
            return unknown
        function = next((one for one in boot.functions if one.start <= address < one.end), None)
        if function is not None:
            return [Frame(function.name, address - function.start, "", 0, "", address)]
        place = _place(address, boot, seq)
        if place is None:
            return unknown
        module, section, offset = place
        code = self._files.find(module.name, module.build_id)
        if code is not None and offset >= code.sections.get(section, 0):
            return unknown  # behind it: a module of which the guest has told nothing
        places = [] if code is None else code.places(section, offset)
        if not places:
            return [Frame(f"{module.name}{section}+{offset:#x}", None, "", 0, module.name, address)]
        return [Frame(p.function, p.offset, p.file, p.line, module.name, address, p.offset is None) for p in places]

    def codes(self) -> dict[str, ModuleCode]:
        """By name: the modules of this guest whose files are there; looks for all of them."""
        found = {}
        for boot in self._symbols.boots:
            for module in boot.modules:
                code = self._files.find(module.name, module.build_id)
                if code is not None:
                    found[f"{module.name} {module.build_id}"] = code
        return found

    def kernel_functions(self) -> set[str]:
        return {function.name for boot in self._symbols.boots for function in boot.functions}


def _place(address: int, boot: Boot, seq: int) -> tuple[Module, str, int] | None:
    """The section that stood at `address` at event `seq`, and the offset in it."""
    there = [(start, name, module) for module in boot.modules for name, start in module.sections.items()
             if module.has(name, seq)]  # fmt: skip
    there.sort(key=lambda one: one[0])
    at = bisect_right(there, address, key=lambda one: one[0]) - 1
    if at < 0:
        return None
    start, name, module = there[at]
    return (module, name, address - start) if address - start < module.size else None
