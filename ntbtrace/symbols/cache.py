# SPDX-License-Identifier: GPL-2.0-or-later
"""Read modules on disk, by build-id: DWARF is read once. A damaged or older entry is made anew."""

import json
import os
import tempfile
import zlib
from pathlib import Path

from ntbtrace.places import cache
from ntbtrace.symbols.module import ModuleCode, read_module

FORM = 1  # of an entry; rises when ModuleCode changes
MAX_ENTRY = 256 << 20  # bytes, as read


def cached_module(path: Path, build_id: str) -> ModuleCode:
    """What `path`, the file with this build-id, tells. Raises NtbTraceError."""
    if not build_id:
        return read_module(path)
    entry = cache() / "symbols" / f"{build_id}-{FORM}.json.z"
    found = _load(entry, build_id)
    if found is None:
        found = read_module(path)
        _store(entry, found)
    return found


def _load(entry: Path, build_id: str) -> ModuleCode | None:
    try:
        raw = zlib.decompressobj().decompress(entry.read_bytes(), MAX_ENTRY)
        found = ModuleCode.from_json(json.loads(raw))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error):
        return None
    return found if found.build_id == build_id else None


def _store(entry: Path, code: ModuleCode) -> None:
    """A cache that cannot be written to is no error: the next time takes as long."""
    try:
        entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=entry.parent)
        with os.fdopen(fd, "wb") as file:
            file.write(zlib.compress(json.dumps(code.as_json(), separators=(",", ":")).encode()))
        Path(name).replace(entry)
    except OSError:
        return
