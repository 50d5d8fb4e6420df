# SPDX-License-Identifier: GPL-2.0-or-later
"""What the package device gives, and that every annotation means something, also by what is imported for types only."""

import ast
import builtins
import pkgutil
import runpy
import subprocess
import sys
import typing
from array import array
from collections.abc import Iterator
from importlib.util import find_spec
from inspect import isclass, isfunction
from types import SimpleNamespace
from typing import Any

import pytest

import device
from device import space
from device.idt.switch import IdtSwitch
from device.profile import DEFAULT, Profile, ProfileError

MODULES = ["device", *(found.name for found in pkgutil.walk_packages(device.__path__, "device."))]


def quoted_names(names: dict[str, Any], module: str) -> Iterator[str]:
    """Every name in the quoted annotations of what the module itself defines, methods and attributes included."""
    for one in names.values():
        if (isclass(one) or isfunction(one)) and one.__module__ == module:
            for inner in (one, *(vars(one).values() if isclass(one) else ())):
                for text in getattr(inner, "__annotations__", {}).values():
                    if isinstance(text, str):
                        yield from (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


@pytest.mark.parametrize("module", MODULES)
def test_every_quoted_annotation_means_something(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a type checker reads it: what stands under TYPE_CHECKING is imported, and cannot be wrong."""
    __import__(module)
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    monkeypatch.setattr(typing, "TYPE_CHECKING", True)
    name = f"typed_{module.replace('.', '_')}"
    names = runpy.run_path(spec.origin, run_name=name)
    assert set(quoted_names(names, name)) - names.keys() <= vars(builtins).keys()


def test_an_annotation_without_a_meaning_would_be_found() -> None:
    class Wrong:
        one: "list[Nothing]"  # type: ignore[name-defined]  # noqa: F821

        def method(self, two: "Never") -> None:  # type: ignore[name-defined]  # noqa: F821
            """Its annotation names nothing."""

    assert sorted(quoted_names({"Wrong": Wrong, "other": Profile}, __name__)) == ["Never", "Nothing", "list"]


def test_the_package_gives_the_model_when_it_is_asked_for() -> None:
    assert device.Switch is IdtSwitch
    assert (device.DEFAULT, device.Profile, device.ProfileError) == (DEFAULT, Profile, ProfileError)
    with pytest.raises(AttributeError, match="module device has no attribute Nonsense"):
        device.Nonsense  # noqa: B018
    assert sorted(device.__all__) == device.__all__
    assert [name for name in device.__all__ if not hasattr(device, name)] == []


def test_who_reads_a_trace_does_not_load_the_model() -> None:
    code = "import sys, device.host; print(sorted(name for name in sys.modules if name.startswith('device')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['device', 'device.host']"


def test_words_are_little_endian_on_a_machine_of_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    words = array("I", (0x0403_0201, 0x0807_0605))
    assert space.to_bytes(words) == bytes(range(1, 9))
    assert space.from_bytes(bytes(range(1, 9))) == words
    other = "big" if sys.byteorder == "little" else "little"
    monkeypatch.setattr(space, "sys", SimpleNamespace(byteorder=other))
    assert space.to_bytes(words) == bytes((4, 3, 2, 1, 8, 7, 6, 5)), "swapped from what this machine has"
    assert words == array("I", (0x0403_0201, 0x0807_0605)), "the state is not touched"
    assert space.from_bytes(space.to_bytes(words)) == words
