# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace`, and `python -m ntbtrace`: a Ctrl-C is no traceback, even before it is loaded and after it has ended."""

import signal
import sys


def run() -> int:
    try:
        from ntbtrace.cli import main

        return main()
    except KeyboardInterrupt:
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(run())
