# SPDX-License-Identifier: GPL-2.0-or-later
"""The family's register maps and their ids. Each map counts from a number of its own: a row added to one map does not
renumber the others, whose ids stand in traces."""

from device.idt import nt_registers, switch_registers
from device.regmap import RegisterMap

SWITCH_OWNER = 0xFF  # owner of a target that is no port's

NT = RegisterMap("nt", 0x001, nt_registers.ROWS)
SWITCH = RegisterMap("switch", 0x401, switch_registers.ROWS)
BEHIND = RegisterMap("behind", 0x801, nt_registers.BEHIND)
INBOUND = RegisterMap("inbound", 0xB01, nt_registers.INBOUND)
