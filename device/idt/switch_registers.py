# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch's own registers, from 0x3E000 on in the global space (ntb_hw_idt.h, IDT_SW_*)."""

from device.idt.chips import FAMILY_PORTS, PARTITIONS
from device.regmap import Access, Field, Register, word

RO, RW, RW1C = Access.RO, Access.RW, Access.RW1C
BASE, END = 0x3E000, 0x40000
HEADER = "ntb_hw_idt.h"
PARTS = tuple(range(PARTITIONS))
# 2 to 4 are inferred from the order of the registers that follow SEPMSK
EVENTS = (("LINKUP", 0), ("LINKDN", 1), ("FRST", 2), ("HRST", 3), ("FOVR", 4), ("GSIGNAL", 5))
MASKED = 0xFFFF_FFFF  # masks at reset: inferred from idt_init_link, which unmasks what it wants


def _plain(name: str, offset: int, doc: str) -> Register:
    return Register(name, offset, word(), doc, f"{HEADER}: IDT_SW_{name}")


def _mask(name: str, offset: int, doc: str) -> Register:
    return Register(name, offset, word(RW, MASKED, "MASK"), doc, f"{HEADER}: IDT_SW_{name}; reset inferred from ntb_hw_idt.c: idt_init_link",
                    write="write_events")  # fmt: skip


def _status(name: str, offset: int, doc: str, moved_by: tuple[str, ...] = ()) -> Register:
    return Register(
        name, offset, word(RW1C, 0, "STS"), doc, f"{HEADER}: IDT_SW_{name}", write="write_events", moved_by=moved_by
    )


ROWS = (
    _plain("CTL", 0x3E000, "Switch control."),
    _plain("BCVSTS", 0x3E004, "Boot configuration vector status."),
    _plain("PCLKMODE", 0x3E008, "Port clocking mode."),
    _plain("RDRAINDELAY", 0x3E080, "Reset drain delay."),
    _plain("POMCDELAY", 0x3E084, "Port operating mode change drain delay."),
    _plain("SEDELAY", 0x3E088, "Side effect delay."),
    _plain("SSBRDELAY", 0x3E08C, "Upstream secondary bus reset delay."),
    Register("SWPART{}CTL", 0x3E100, word(), "Partition control.", f"{HEADER}: IDT_SW_SWPARTxCTL", PARTS, 0x20),
    Register("SWPART{}STS", 0x3E104, (
        Field("SCI", 0, 1, RO, 0), Field("SCC", 1, 1, RO, 0),
        Field("STATE", 5, 2, RO, values={0: "DIS", 1: "ACT", 3: "RES"}), Field("US", 8, 1, RO, 0),
        Field("USID", 9, 5, RO, 0), Field("NT", 14, 1, RO), Field("DMA", 15, 1, RO, 0)),
             "Partition status: active where the profile puts a port.", f"{HEADER}: IDT_SW_SWPARTxSTS; ntb_hw_idt.c: idt_scan_ports", PARTS, 0x20),
    Register("SWPART{}FCTL", 0x3E108, word(), "Partition failover control.", f"{HEADER}: IDT_SW_SWPARTxFCTL", PARTS, 0x20),
    Register("SWPORT{}CTL", 0x3E200, word(), "Port control.", f"{HEADER}: IDT_SW_SWPORTxCTL", FAMILY_PORTS, 0x20),
    Register("SWPORT{}STS", 0x3E204, (
        Field("OMCI", 0, 1, RO, 0), Field("OMCC", 1, 1, RO, 0), Field("LINKUP", 4, 1, RO, 0), Field("DS", 5, 1, RO, 0),
        Field("MODE", 6, 4, RO, values={0: "DIS", 1: "DS", 2: "US", 3: "NT", 4: "USNT", 5: "UNAT", 6: "USDMA", 7: "USNTDMA", 8: "NTDMA"}),
        Field("SWPART", 10, 3, RO), Field("DEVNUM", 16, 5, RO, 0)),
             "Port status; LINKUP while a guest is attached and the cable is in.", f"{HEADER}: IDT_SW_SWPORTxSTS; ntb_hw_idt.c: idt_scan_ports", FAMILY_PORTS, 0x20),
    Register("SWPORT{}FCTL", 0x3E208, word(), "Port failover control.", f"{HEADER}: IDT_SW_SWPORTxFCTL", FAMILY_PORTS, 0x20),
    Register("SESTS", 0x3EC00, tuple(Field(name, lsb, 1, RW1C if name == "FOVR" else RO, 0) for name, lsb in EVENTS),
             "Switch events that are pending and not masked in their own registers; FOVR has no other status register and is cleared here (inferred).",
             f"{HEADER}: IDT_SW_SESTS; ntb_hw_idt.c: idt_se_isr", read="read_sests", write="write_sests", moved_by=("write_events", "*write_gsignal")),
    Register("SEMSK", 0x3EC04, tuple(Field(name, lsb, 1, RW, 1) for name, lsb in EVENTS),
             "Switch events that do not interrupt.", f"{HEADER}: IDT_SW_SEMSK, IDT_SEMSK_*; reset inferred from ntb_hw_idt.c: idt_init_link", write="write_events"),
    _mask("SEPMSK", 0x3EC08, "Partitions that get no switch events."),
    _status("SELINKUPSTS", 0x3EC0C, "Ports whose link came up."),
    _mask("SELINKUPMSK", 0x3EC10, "Ports whose link-up is no event."),
    _status("SELINKDNSTS", 0x3EC14, "Ports whose link went down."),
    _mask("SELINKDNMSK", 0x3EC18, "Ports whose link-down is no event."),
    _status("SEFRSTSTS", 0x3EC1C, "Partitions that had a fundamental reset."),
    _mask("SEFRSTMSK", 0x3EC20, "Partitions whose fundamental reset is no event."),
    _status("SEHRSTSTS", 0x3EC24, "Partitions that had a hot reset."),
    _mask("SEHRSTMSK", 0x3EC28, "Partitions whose hot reset is no event."),
    _mask("SEFOVRMSK", 0x3EC2C, "Partitions whose failover is no event."),
    _status("SEGSIGSTS", 0x3EC30, "Partitions that signalled by NTGSIGNAL.", ("*write_gsignal",)),
    _mask("SEGSIGMSK", 0x3EC34, "Partitions whose signal is no event."),
    Register("GDBELLSTS", 0x3EC3C, word(RO, 0, "DBELL"), "The global doorbell register.", f"{HEADER}: IDT_SW_GDBELLSTS",
             moved_by=("*write_outdbellset", "*write_indbellsts")),
    *(
        Register("SWP{}MSGCTL" + str(y), 0x3EE00 + 0x20 * y, (Field("REG", 0, 2, RW), Field("PART", 4, 3, RW)),
                 "Where a partition's outbound message goes: inbound register and partition.",
                 f"{HEADER}: IDT_SW_SWPxMSGCTL{y}; ntb_hw_idt.c: idt_ntb_peer_msg_write", PARTS, 4)
        for y in range(4)
    ),
    _plain("SMBUSSTS", 0x3F188, "SMBus status."),
    _plain("SMBUSCTL", 0x3F18C, "SMBus control."),
    _plain("EEPROMINTF", 0x3F190, "EEPROM interface."),
    Register("IOEXPADDR{}", 0x3F198, word(), "I/O expander addresses.", f"{HEADER}: IDT_SW_IOEXPADDR0 ff.", tuple(range(6)), 4),
    _plain("GPECTL", 0x3F1B0, "General purpose event control."),
    _plain("GPESTS", 0x3F1B4, "General purpose event status."),
    Register("TMPCTL", 0x3F1D4, (Field("LTH", 0, 8), Field("MTH", 8, 8), Field("HTH", 16, 8), Field("PDOWN", 31)),
             "Temperature sensor: thresholds in half degrees Celsius, power down.", f"{HEADER}: IDT_SW_TMPCTL; ntb_hw_idt.c: idt_init_temp",
             write="write_temperature"),
    Register("TMPSTS", 0x3F1D8, (Field("TEMP", 0, 8, RO), Field("LTEMP", 8, 8, RO), Field("HTEMP", 16, 8, RO)),
             "Temperature now, lowest and highest, in half degrees Celsius.", f"{HEADER}: IDT_SW_TMPSTS; ntb_hw_idt.c: idt_read_temp", moved_by=("write_temperature",)),
    Register("TMPALARM", 0x3F1DC, (Field("LTEMP", 8, 8, RW, 0xFF), Field("HTEMP", 16, 8, RW, 0), Field("IRQ", 24, 6, RW1C, 0)),
             "Lowest and highest temperature, written to begin anew; alarms: a bit a threshold crossed, upwards LTH MTH HTH, then downwards (order inferred).",
             f"{HEADER}: IDT_SW_TMPALARM; ntb_hw_idt.c: idt_write_temp; resets inferred from idt_sysfs_reset_hist", write="write_temperature",
             moved_by=("write_temperature",)),
    Register("TMPADJ", 0x3F1E0, (Field("OFFSET", 0, 8, RW, 0),), "Added to what the sensor measures; signed.",
             f"{HEADER}: IDT_SW_TMPADJ; ntb_hw_idt.c: idt_read_temp", write="write_temperature"),
    _plain("TSSLOPE", 0x3F1E4, "Temperature sensor slope."),
    _plain("SMBUSCBHL", 0x3F1E8, "SMBus configuration block header log."),
)  # fmt: skip
