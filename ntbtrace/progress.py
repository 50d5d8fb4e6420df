# SPDX-License-Identifier: GPL-2.0-or-later
"""A progress bar for commands that read a long trace: on a terminal, and only when it takes a while."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_toolkit.shortcuts.progress_bar import ProgressBarCounter

PATIENCE_S = 1.0  # before the bar appears


@contextmanager
def progress(label: str, total: int, *, wanted: bool = True) -> Iterator[Callable[[int], None]]:
    """Inside, tell what it gives how much of `total` is done."""
    start = time.perf_counter()
    shown = wanted and sys.stderr.isatty()
    bar: ProgressBarCounter[object] | None = None
    with ExitStack() as stack:

        def say(done: int) -> None:
            nonlocal bar
            if shown and bar is None and time.perf_counter() - start > PATIENCE_S:
                from prompt_toolkit.shortcuts import ProgressBar  # slow to load

                bar = stack.enter_context(ProgressBar(file=sys.stderr))(label=label, total=total)
            if bar is not None:
                bar.items_completed = done
                bar.progress_bar.invalidate()

        yield say
