# SPDX-License-Identifier: GPL-2.0-or-later
"""`python -m ntbtrace` is `ntbtrace`."""

import sys

from ntbtrace.cli import main

if __name__ == "__main__":
    sys.exit(main())
