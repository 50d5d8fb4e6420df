# SPDX-License-Identifier: GPL-2.0-or-later
"""Workloads on other ports than 0 and 2: the lowest port of the profile begins, whatever its number and place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.conftest import Recorded

FIRST, OTHER = 4, 8
SIZE = 1024
PORT = """
[[port]]
number = {}
partition = {}
dma = true
bars = {{ BAR0 = "registers", BAR2 = {{ size = "16K", type = "lut12" }}, BAR4 = "64K" }}
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(PORT.format(OTHER, 0) + PORT.format(FIRST, 3))
    return path


@pytest.mark.parametrize(
    ("name", "words", "one", "other"),
    [
        ("perf", ("--size", SIZE), {"copied": str(SIZE)}, {}),
        ("perf-fixed", ("--size", SIZE), {"copied": str(SIZE)}, {}),
        ("perf-dma", ("--size", SIZE), {"copied": str(SIZE)}, {}),
        ("tool", ("--size", SIZE), {"link": "ok", "windows": "13"}, {"link": "ok", "windows": "13"}),
        ("reload", ("--count", 1), {"reloads": "1"}, {"reloads": "1"}),
        ("reboot", ("--count", 1), {"restarts": "1"}, {}),
        ("three", (), {"peers": "1", "bells": "ok", "messages": "ok"}, {"peers": "1", "bells": "ok", "messages": "ok"}),
    ],
)
def test_the_lowest_port_begins(
    record: Callable[..., Recorded],
    profile: Path,
    name: str,
    words: tuple[object, ...],
    one: dict[str, str],
    other: dict[str, str],
) -> None:
    recorded = record(name, "--profile", profile, *words)
    assert recorded.results[FIRST].items() >= one.items()
    assert recorded.results[OTHER].items() >= other.items()
    if name.startswith("perf"):
        assert not recorded.results[OTHER]
