# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions over events: one grammar for searches, breakpoints, triggers and exports (DESIGN 8).

    where = parse("reg == OUTDBELLSET and value & 0x3", trace.registers)
    where.test(event)                      # on one event
    where.may_match(trace.blocks[0])       # False: no event of the block can match

ntbtrace.query.columns evaluates the same on whole blocks.
"""

from ntbtrace.query.expression import Expression, parse
from ntbtrace.query.parser import Asking

__all__ = ["Asking", "Expression", "parse"]
