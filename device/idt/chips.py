# SPDX-License-Identifier: GPL-2.0-or-later
"""The chips of the family: device ids (ntb_hw_idt.h, PCI_DEVICE_ID_IDT_*) and NT ports (ntb_hw_idt.c, idt_*_config)."""

from typing import NamedTuple

VENDOR = 0x111D
PARTITIONS = 8  # ntb_hw_idt.h: IDT_MAX_NR_PARTS
FAMILY_PORTS = (0, 2, 4, 6, 8, 12, 16, 20)  # ntb_hw_idt.c: portdata_tbl


class Chip(NamedTuple):
    device_id: int
    ports: tuple[int, ...]


CHIPS = {
    "89HPES24NT6AG2": Chip(0x8091, (0, 2, 4, 6, 8, 12)),
    "89HPES32NT8AG2": Chip(0x808F, FAMILY_PORTS),
    "89HPES32NT8BG2": Chip(0x8088, FAMILY_PORTS),
    "89HPES12NT12G2": Chip(0x8092, (0, 8, 16)),
    "89HPES16NT16G2": Chip(0x8090, (0, 8, 12, 16)),
    "89HPES24NT24G2": Chip(0x808E, FAMILY_PORTS),
    "89HPES32NT24AG2": Chip(0x808C, FAMILY_PORTS),
    "89HPES32NT24BG2": Chip(0x808A, FAMILY_PORTS),
}
