# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples in the documentation run, and give what they say."""

import doctest
import re
from pathlib import Path

import pytest

from ntbtrace.exporters.packet import DTYPE, ITEMS, Has

ROOT = Path(__file__).parent.parent
PAGES = ("docs/python.md", "docs/wireshark.md")


@pytest.mark.parametrize("page", PAGES)
def test_python_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = {"pcapng": str(tmp_path / "a.pcapng")}
    result = doctest.testfile(str(ROOT / page), module_relative=False, encoding="utf-8", globs=given)
    assert result.attempted > 0
    assert result.failed == 0


def test_the_layout_of_a_packet_is_the_one_that_is_written() -> None:
    rows = [
        f"| {DTYPE.fields[i.name][1]} | {DTYPE[i.name].itemsize} | `{i.name}` | {i.doc} |"
        for i in ITEMS
        if DTYPE.fields
    ]
    assert "\n".join(rows) in (ROOT / "docs/wireshark.md").read_text()
    bits = ", ".join(str(int(bit)) for bit in Has)
    assert bits == "1, 2, 4, 8, 16, 32, 64, 128", "docs/wireshark.md says what each of these means"


def test_every_target_of_the_makefile_has_a_rule() -> None:
    text = (ROOT / "Makefile").read_text()
    promised = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert promised
    assert not [name for name in promised[0].split() if not re.search(rf"^{name}:", text, re.MULTILINE)]
