# SPDX-License-Identifier: GPL-2.0-or-later
"""--guest-pc with real guests: every register access has its function and line, addr2line and the guests' own
mmiotrace agree, and the guests do the same as without it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.qemu import PROGRAM
from ntbtrace.event import Event, Kind, port_of
from ntbtrace.symbols import Code, attach
from ntbtrace.symbols.code import BY_MONITOR
from ntbtrace.trace import Trace, open_trace
from ntbtrace.trace.guest_symbols import GuestSymbols
from ntbtrace.trace.sites import Via
from tests.real.conftest import Recorded, Run, ntbtrace
from tests.symbols.test_module import addr2line, agrees_with_addr2line

MMIO = (Kind.MMIO_READ, Kind.MMIO_WRITE)
DRIVERS = {"ntb_hw_idt", "plx_dma"}
# mmiotrace: "R 4 TIMESTAMP MAPID PHYSICAL VALUE PC PID", "W ..." the same (Documentation/trace/mmiotrace.rst)
WITNESS = re.compile(rb"^([RW]) (\d+) [\d.]+ \d+ 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) ")


def registers(trace: Trace) -> list[Event]:
    return [event for event in trace if event.kind in MMIO and event.bar == 0]


def every_register_access_has_its_line(trace: Trace, code: Code) -> None:
    events = registers(trace)
    assert len(events) > 300
    for event in events:
        frames = code.frames(event.seq)
        assert frames, event
        assert any(frame.line and frame.module in DRIVERS for frame in frames), frames
    known, unknown = trace.annotations.counts
    assert (known, unknown) == (sum(event.kind in MMIO for event in trace), 0)


def every_site_agrees_with_addr2line(trace: Trace, code: Code, modules: Path) -> int:
    """The frames of each module's address; how many addresses were compared."""
    wanted: dict[tuple[str, str, int], set[tuple[tuple[str, str], ...]]] = {}
    for event in trace:
        chain = trace.annotations.chain(event.seq) if event.kind in MMIO else None
        for address in chain.frames if chain is not None else ():
            place = section_of(trace.annotations.symbols[port_of(event.endpoint)], address, event.seq)
            if place is not None:
                frames = [frame for frame in code.frames(event.seq) or () if frame.address == address]
                named = tuple((frame.function, f"{frame.file.rpartition('/')[2]}:{frame.line}") for frame in frames)
                wanted.setdefault(place, set()).add(named)
    for name, section in {(name, section) for name, section, _ in wanted}:
        offsets = [offset for one, other, offset in wanted if (one, other) == (name, section)]
        lines = addr2line(modules / f"{name}.ko", section, offsets)
        for offset in offsets:
            # recursion apart, an address stands once in a chain
            assert {tuple(lines[offset])} == wanted[name, section, offset], (name, section, hex(offset))
    return len(wanted)


def section_of(symbols: GuestSymbols, address: int, seq: int) -> tuple[str, str, int] | None:
    boot = symbols.at(seq)
    places = [
        (start, module.name, name)
        for module in (boot.modules if boot is not None else ())
        for name, start in module.sections.items()
        if module.has(name, seq) and start <= address
    ]
    start, module, name = max(places, default=(0, "", ""))
    return (module, name, address - start) if places and address - start < 1 << 20 else None


def test_probe_and_pingpong_agree_with_both_witnesses(
    record: Callable[..., Recorded], guest_image: image.GuestImage, cli: Run, tmp_path: Path
) -> None:
    append = "ntbtrace.mmiotrace=1 mmiotrace.trace_pc=1"
    run = record("pingpong", "--count", 5, "--guest-pc", "--append", append)
    with open_trace(run.path) as trace:
        code = attach(trace, [guest_image.modules])
        every_register_access_has_its_line(trace, code)
        assert every_site_agrees_with_addr2line(trace, code, guest_image.modules) > 60
        for port in (0, 2):
            the_guests_mmiotrace_saw_the_same_pcs(trace, port)
        names = {one.function for one in code.counts()}
        assert {"idt_pci_probe", "idt_init_link", "pp_ping", "pp_pong", "idt_thread_isr", "iowrite32"} <= names
        assert code.problems == []
    # in a fresh place, with the modules' files alone, and with nothing
    shown = cli("show", run.path, "--symbols", guest_image.modules, "--where", "func == idt_init_link", "--limit", 2)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count(" <- idt_init_link [:652 inlined] <- idt_pci_probe") == 2
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    shown = cli("show", run.path, "--symbols", nothing, "--where", "func == iowrite32", "--limit", 3)
    assert shown.stdout.count(" by iowrite32+0x9 <- ntb_hw_idt.text") == 3
    assert "ntb_hw_idt.ko with build-id" in shown.stderr


def the_guests_mmiotrace_saw_the_same_pcs(trace: Trace, port: int) -> None:
    mine = [event for event in trace if port_of(event.endpoint) == port]
    lines = [WITNESS.match(event.data or b"") for event in mine if event.kind == Kind.CONSOLE]
    witness = [(m[1].decode(), int(m[2]), int(m[3], 16) & 0xFFF, int(m[4], 16)) for m in lines if m]
    recorded = []
    for event in mine:
        chain = trace.annotations.chain(event.seq)
        if event.kind in MMIO and event.bar == 0 and chain is not None:
            assert chain.via == Via.PLUGIN
            recorded.append(("RW"[event.kind == Kind.MMIO_WRITE], event.size, event.offset, chain.frames[0]))
    assert len(witness) > 150
    assert any(recorded[i : i + len(witness)] == witness for i in range(len(recorded) - len(witness) + 1))


def test_the_tool_workload_and_its_windows(record: Callable[..., Recorded], guest_image: image.GuestImage) -> None:
    run = record("tool", "--size", 256, "--guest-pc")
    with open_trace(run.path) as trace:
        code = attach(trace, [guest_image.modules])
        every_register_access_has_its_line(trace, code)
        assert every_site_agrees_with_addr2line(trace, code, guest_image.modules) > 80
        windows = [code.frames(event.seq) or () for event in trace if event.kind in MMIO and event.bar]
        assert all(any(frame.module == "ntb_tool" and frame.line for frame in frames) for frames in windows)


def test_a_module_that_goes_and_comes_back(record: Callable[..., Recorded], guest_image: image.GuestImage) -> None:
    run = record("reload", "--count", 2, "--guest-pc")
    with open_trace(run.path) as trace:
        every_register_access_has_its_line(trace, attach(trace, [guest_image.modules]))
        (boot,) = trace.annotations.symbols[0].boots
        assert [module.last is None for module in boot.modules if module.name == "ntb_hw_idt"] == [False, False, True]


def test_a_guest_that_restarts_has_other_addresses(
    record: Callable[..., Recorded], guest_image: image.GuestImage
) -> None:
    run = record("reboot", "--count", 1, "--guest-pc")
    with open_trace(run.path) as trace:
        every_register_access_has_its_line(trace, attach(trace, [guest_image.modules]))
        first, second = trace.annotations.symbols[0].boots
        assert first.functions != second.functions, "KASLR"


def test_both_functions_of_a_vm_with_two_ports(record: Callable[..., Recorded], guest_image: image.GuestImage) -> None:
    run = record("selftest", "--count", 1, "--guest-pc")
    with open_trace(run.path) as trace:
        every_register_access_has_its_line(trace, attach(trace, [guest_image.modules]))


def probe_of(path: Path, port: int) -> list[tuple[int, int, int, int]]:
    """What the driver does until it lets interrupts in: then its order depends on the other guest."""
    with open_trace(path) as trace:
        mine = list(trace.where(f"port == {port}"))
        begin = next(e.seq for e in mine if e.kind == Kind.CONSOLE and (e.data or b"").startswith(b"ntbtrace: probe"))
        done = next(trace.where(f"port == {port} and kind == mmio_write and reg == NTINTMSK", begin)).seq
        return [(e.kind, e.offset, e.size, e.value) for e in mine if begin < e.seq <= done and e.kind in MMIO]


def test_the_driver_does_the_same_with_and_without(record: Callable[..., Recorded], tmp_path: Path) -> None:
    plain, noted = tmp_path / "plain.ntbt", tmp_path / "noted.ntbt"
    record("pingpong", "--count", 3).path.rename(plain)
    record("pingpong", "--count", 3, "--guest-pc").path.rename(noted)
    for port in (0, 2):
        assert len(probe_of(plain, port)) > 50
        assert probe_of(plain, port) == probe_of(noted, port)
    with open_trace(plain) as trace:
        assert trace.annotations.counts == (0, 0)
        assert trace.others == []


def test_all_of_the_drivers_code_agrees_with_addr2line(guest_image: image.GuestImage) -> None:
    assert sum(agrees_with_addr2line(path) for path in sorted(guest_image.modules.glob("*.ko"))) > 14_000


@pytest.mark.parametrize(("words", "says"), [
    (("--qemu", "/bin/false"), "QEMU exit code 1"),
])  # fmt: skip
def test_a_qemu_that_refuses(words: tuple[str, ...], says: str, guest_image: image.GuestImage, tmp_path: Path) -> None:
    done = ntbtrace("record", "--guests", "qemu", "--guest-pc", "-o", tmp_path / "a.ntbt", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_without_a_compiler_the_monitor_is_asked(
    record: Callable[..., Recorded], guest_image: image.GuestImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in (PROGRAM, "setpriv"):
        (tools / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.delenv("CC", raising=False)
    run = record("pingpong", "--count", 3, "--guest-pc")
    with open_trace(run.path) as trace:
        code = attach(trace, [guest_image.modules])
        texts = [code.text(event.seq) for event in registers(trace)]
        named = [text for text in texts if "ntb_hw_idt.c:" in text and text.endswith(BY_MONITOR)]
        assert len(named) > 0.9 * len(texts)
        assert any("idt_init_link" in text or "idt_sw_write" in text for text in named)
