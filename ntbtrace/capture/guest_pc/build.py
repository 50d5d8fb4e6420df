# SPDX-License-Identifier: GPL-2.0-or-later
"""Building QEMU's plugin: with the compiler at hand, once; the cache keeps it by what it is made of."""

import os
import shutil
import tempfile
from hashlib import blake2b
from pathlib import Path

from ntbtrace.capture.guests.image.debian import run
from ntbtrace.errors import SetupError
from ntbtrace.places import cache

SOURCE = Path(__file__).with_name("plugin.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden")


def compiler() -> str | None:
    """The C compiler: $CC, else the first that is here; None if there is none."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get("CC"), *COMPILERS)))), None)


def plugin() -> Path:
    """The plugin, compiled if it is not in the cache. Raises SetupError."""
    digest = blake2b(SOURCE.read_bytes() + " ".join(FLAGS).encode(), digest_size=8).hexdigest()
    made = cache() / "plugins" / f"guest-pc-{digest}.so"
    if made.exists():
        return made
    program = compiler()
    if program is None:
        raise SetupError("the plugin for QEMU needs a C compiler: `apt-get install gcc`")
    made.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as work:
        new = Path(work, made.name)
        run([program, *FLAGS, "-o", str(new), str(SOURCE)])
        new.replace(made)
    return made
