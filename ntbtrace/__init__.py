# SPDX-License-Identifier: GPL-2.0-or-later
"""ntbtrace: record, replay and debug what crosses a PCIe non-transparent bridge between virtual machines.

For scripts: `ntbtrace.open(path)` gives a recording (docs/python.md).
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ntbtrace.trace import Trace

__version__ = "0.1.0"


def open(path: "str | os.PathLike[str]") -> "Trace":
    """Open a recording for reading; see ntbtrace.trace.open_trace."""
    from ntbtrace.trace import open_trace

    return open_trace(path)
