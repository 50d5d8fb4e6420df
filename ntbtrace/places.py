# SPDX-License-Identifier: GPL-2.0-or-later
"""Where ntbtrace keeps what can be made again: guest images with their modules, QEMU's plugin, read symbols."""

import os
from pathlib import Path


def cache() -> Path:
    """$XDG_CACHE_HOME/ntbtrace, else ~/.cache/ntbtrace."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "ntbtrace"


def images() -> Path:
    """The guest images, each a directory with its modules in `modules`, their source in `source`."""
    return cache() / "images"


def in_images(name: str) -> list[Path]:
    """The directories of this name in the guest images, that of the latest image first."""
    found = [path for path in images().glob(f"*/{name}") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
