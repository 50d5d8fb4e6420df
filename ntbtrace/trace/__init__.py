# SPDX-License-Identifier: GPL-2.0-or-later
"""The trace file: TraceWriter writes it, open_trace reads it, salvage mends it, follow watches it grow.

docs/format.md is the byte layout. Names load their modules (numpy, lz4) when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ntbtrace.trace.block import Block as Block
    from ntbtrace.trace.header import Header as Header
    from ntbtrace.trace.layout import FORMAT_VERSION as FORMAT_VERSION
    from ntbtrace.trace.live import follow as follow
    from ntbtrace.trace.mend import salvage as salvage
    from ntbtrace.trace.reader import Trace as Trace
    from ntbtrace.trace.reader import open_trace as open_trace
    from ntbtrace.trace.summary import BlockInfo as BlockInfo
    from ntbtrace.trace.writer import TraceWriter as TraceWriter

_HOME = {
    "Block": "block",
    "BlockInfo": "summary",
    "FORMAT_VERSION": "layout",
    "Header": "header",
    "Trace": "reader",
    "TraceWriter": "writer",
    "follow": "live",
    "open_trace": "reader",
    "salvage": "mend",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
