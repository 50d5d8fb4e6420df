# SPDX-License-Identifier: GPL-2.0-or-later
"""The family's register maps, and their ids: NT function first, then what stands behind pairs, then the switch."""

from typing import Any

from device.idt import nt_registers, switch_registers
from device.regmap import RegisterMap

NT = RegisterMap("nt", 1, nt_registers.ROWS)
BEHIND = RegisterMap("behind", NT.next_id, nt_registers.BEHIND)
SWITCH = RegisterMap("switch", BEHIND.next_id, switch_registers.ROWS)
NT_MAP_ENTRY = BEHIND["NTMTBL0"].register


def register_table() -> dict[str, Any]:
    """All rows as JSON: the copy that a trace carries (CONTRACT: DESIGN 5)."""
    return {"registers": [*NT.export(), *BEHIND.export(), *SWITCH.export()]}
