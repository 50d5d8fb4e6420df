# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace`, and `python -m ntbtrace`: a Ctrl-C is no traceback, even before it is loaded and after it has ended."""

import os
import signal
import sys
import threading
from contextlib import suppress


def run() -> int:
    try:
        from ntbtrace.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if threading.active_count() == 1:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """Without tidying up what goes with the process: numpy's modules alone would take as long as a search."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.exit(run())
