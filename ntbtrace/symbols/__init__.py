# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's code behind an access: function, file and line, from addresses that `record --guest-pc` noted.

code.py is what others use (`attach`, `Code`); chains.py knows which module stood where; find.py, cache.py, module.py,
dwarf.py and elf.py read the modules' files; source.py finds source text.
"""

from ntbtrace.symbols.chains import Frame, chain_text
from ntbtrace.symbols.code import Code, FunctionCount, attach
from ntbtrace.symbols.source import Sources

__all__ = ["Code", "Frame", "FunctionCount", "Sources", "attach", "chain_text"]
