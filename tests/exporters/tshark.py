# SPDX-License-Identifier: GPL-2.0-or-later
"""tshark with our dissector, as the oracle for exports. In CI it must be there; elsewhere its tests skip."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ntbtrace.exporters.lua import dissector

PROGRAM = "tshark"
INFO = "_ws.col.Info"
NO_FIELD = ""
needs_tshark = pytest.mark.skipif(
    shutil.which(PROGRAM) is None and os.environ.get("CI") != "true",
    reason=f"no {PROGRAM} here: `apt-get install {PROGRAM}`",
)


def tshark(pcapng: Path, *words: str) -> list[str]:
    """Its lines for `pcapng`, read with the dissector."""
    plugin = pcapng.with_suffix(".lua")
    plugin.write_text(dissector("test"))
    argv = [PROGRAM, "-r", str(pcapng), "-X", f"lua_script:{plugin}", *words]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert "Lua" not in done.stdout + done.stderr
    return done.stdout.split("\n")[:-1]


def columns(pcapng: Path, names: Sequence[str], *words: str) -> list[dict[str, str]]:
    """These fields of each packet, as text; NO_FIELD for one that it does not have."""
    wanted = [word for name in names for word in ("-e", name)]
    lines = tshark(pcapng, *words, "-T", "fields", "-E", "separator=/t", *wanted)
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
