# SPDX-License-Identifier: GPL-2.0-or-later
"""Which room may import which (DESIGN 1), read from every import in the sources, lazy ones too."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# room -> the rooms and packages that it may import, besides the standard library, itself and ntbtrace.errors.
# decode and render are helpers of the readers: what an event means, and its line of text.
ALL = frozenset(("device", "event", "trace", "capture", "replay", "query", "repl", "exporters", "symbols",
                 "decode", "render", "places", "progress", "numpy", "prompt_toolkit", "scapy", "construct",
                 "lz4", "elftools"))  # fmt: skip
MAY_IMPORT = {
    "device": frozenset(),
    "event": frozenset(("device.host",)),
    "errors": frozenset(),
    "text": frozenset(),
    "places": frozenset(),
    "query": frozenset(("event", "device")),
    "trace": frozenset(("event", "query", "construct", "lz4", "numpy")),
    "decode": frozenset(("event", "trace")),
    "render": frozenset(("event", "trace", "decode")),
    "progress": frozenset(("prompt_toolkit",)),
    "capture": frozenset(("device", "trace", "event", "query", "places", "numpy")),
    "replay": frozenset(("device", "trace", "event", "query", "decode", "numpy")),
    "symbols": frozenset(("trace", "event", "places", "numpy", "elftools")),
    "repl": frozenset(
        ("replay", "query", "symbols", "trace", "event", "decode", "render", "progress", "device", "prompt_toolkit")
    ),
    "exporters": frozenset(("trace", "event", "query", "decode", "render", "device", "numpy", "scapy")),
    "commands": ALL,
    "ntbtrace": frozenset(("trace",)),  # the package itself: what a script needs first
    "cli": frozenset(("commands",)),
    "__main__": frozenset(("cli",)),
}
ALSO = {("query", "columns"): frozenset(("trace", "numpy"))}


def sources() -> list[Path]:
    return sorted((*ROOT.glob("device/**/*.py"), *ROOT.glob("ntbtrace/**/*.py")))


def imports(path: Path) -> Iterator[str]:
    """Full names: 'ntbtrace.event.Kind' for `from ntbtrace.event import Kind`."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room; write it out"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """'ntbtrace.trace.reader' -> 'trace', 'device.host' -> 'device', 'numpy.typing' -> 'numpy'."""
    parts = name.split(".")
    return parts[1] if parts[0] == "ntbtrace" and len(parts) > 1 else parts[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_imports_only_what_its_room_may(path: Path) -> None:
    module = module_of(path)
    room = room_of(module)
    allowed = MAY_IMPORT[room] | ALSO.get((room, module.rpartition(".")[2]), frozenset())
    for name in imports(path):
        other = room_of(name)
        ours = name.split(".")[0] in ("device", "ntbtrace")
        if other in (room, "errors", "text") or (not ours and other in sys.stdlib_module_names):
            continue
        if name == "ntbtrace.__version__" and room in ("capture", "cli", "commands"):
            continue
        assert other in allowed or any(name.startswith(f"{full}.") for full in allowed if "." in full), (
            f"{module} must not import {name}"
        )


@pytest.mark.parametrize("path", sources(), ids=module_of)
def test_only_the_device_names_its_family(path: Path) -> None:
    if room_of(module_of(path)) != "device":
        assert not [name for name in imports(path) if name.startswith("device.idt")]


def test_the_test_would_notice(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from ntbtrace.capture.port import Port\n    import numpy.typing as t\n")
    assert [room_of(name) for name in imports(wrong)] == ["capture", "numpy"]


def test_every_source_has_its_licence() -> None:
    without = [path for path in sources() if "SPDX-License-Identifier: GPL-2.0-or-later" not in path.read_text()]
    assert [module_of(path) for path in without if path.read_text().strip()] == []
