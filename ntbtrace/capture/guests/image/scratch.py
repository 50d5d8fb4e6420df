# SPDX-License-Identifier: GPL-2.0-or-later
"""A directory for work in progress, hundreds of megabytes at times: what killed processes left of theirs goes first."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch(place: Path, prefix: str) -> Iterator[Path]:
    """A new directory in `place`, removed at the end. It is locked meanwhile, so that others know it is in use."""
    with ExitStack() as stack:
        with _locked(place):
            for old in place.glob(f"{prefix}*"):
                with suppress(OSError), _locked(old, wait=False):  # in use, or removed meanwhile
                    shutil.rmtree(old, ignore_errors=True)
            made = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place, prefix=prefix)))
            stack.enter_context(_locked(made))
        yield made


@contextmanager
def _locked(directory: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the directory's lock. Raises OSError: BlockingIOError if it is taken and we do not `wait`."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(fd)
