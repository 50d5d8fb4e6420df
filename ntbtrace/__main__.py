# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace`, and `python -m ntbtrace`: a Ctrl-C is no traceback, even before the program is loaded."""

import sys


def run() -> int:
    try:
        from ntbtrace.cli import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())
