# SPDX-License-Identifier: GPL-2.0-or-later
"""The one-line patch, on a file made of the patch's own context."""

from pathlib import Path

import pytest

from ntbtrace.capture.guests.image import modules
from ntbtrace.errors import SetupError


def hunk() -> tuple[int, list[str]]:
    """The line where the hunk starts, and its lines with their marks."""
    text = (modules.HERE / modules.PATCH).read_text()
    assert text.count("\n@@ ") == 1
    head, *lines = text.split("\n@@ ")[1].splitlines()
    return int(head.split(",")[0].removeprefix("-")), lines


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """ntb_perf.c as far as the patch knows it, inside a repository that knows nothing of it."""
    first, lines = hunk()
    (tmp_path / ".git").mkdir()
    own = tmp_path / "cache" / "own"
    own.mkdir(parents=True)
    file = own / "ntb_perf.c"
    file.write_text("\n" * (first - 1) + "".join(line[1:] + "\n" for line in lines if line[0] != "+"))
    return file


def test_it_changes_one_line(source: Path) -> None:
    before = source.read_text().splitlines()
    modules.mend_perf(source.parent)
    after = (source.parent / "ntb_perf_fixed.c").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [(old.replace("perf->gidx", "peer->gidx"), old) for old, _ in changed] == [
        (new, old) for old, new in changed
    ]
    assert len(changed) == 1


def test_a_source_that_it_does_not_fit_is_refused(source: Path) -> None:
    source.write_text(source.read_text().replace("perf->gidx", "perf->index"))
    with pytest.raises(SetupError, match=r"^`git apply .*patch failed: ntb_perf\.c"):
        modules.mend_perf(source.parent)
    assert not (source.parent / "ntb_perf_fixed.c").exists()
