# SPDX-License-Identifier: GPL-2.0-or-later
"""The NT function's registers: its 4 KiB configuration space, which BAR0 shows as well.

Offsets and fields are those of drivers/ntb/hw/idt/ntb_hw_idt.h (Linux 6.1) where it names them, else those of the PCI
specifications. What neither proves has no reset value (unproven), or says "inferred".
"""

from device.idt.chips import FAMILY_PORTS
from device.regmap import ANYTHING, Access, Field, Register, word

RO, RW, RW1C, WO = Access.RO, Access.RW, Access.RW1C, Access.WO

HEADER = "ntb_hw_idt.h"
PCI = "PCI Local Bus Specification 3.0"
PCIE = "PCI Express Base Specification 2.1"

PM_CAP, MSI_CAP, PCIE_CAP = 0xC0, 0xD0, 0x40
MSI_CAP_ID, PM_CAP_ID, PCIE_CAP_ID = 0x05, 0x01, 0x10
MAP_ENTRIES = 64  # ntb_hw_idt.h: IDT_MTBL_ENTRY_CNT
LUT_ENTRIES = 24  # ntb_hw_idt.h: IDT_MW_LUT24
REGISTERS_BYTES = 4096
SIZE_CFG = REGISTERS_BYTES.bit_length() - 1  # ntb_hw_idt.h: IDT_BARSETUP_SIZE_CFG

BARS = tuple(range(6))
MESSAGES = tuple(range(4))
# Register.moved_by: who changes the bells; who changes what interrupts; what shows an entry of a lookup table
BELLS = ("*write_outdbellset", "*write_indbellsts")
CAUSES = (
    "write_interrupts",
    "write_command",
    *BELLS,
    "*write_outmsg",
    "*write_gsignal",
    "write_events",
    "write_temperature",
)
EVENT_BITS = (("MSG", 0), ("DBELL", 1), ("SEVENT", 3), ("TMPSENSOR", 7))


def _flags(access: Access, *names: tuple[str, int], reset: int | None = None) -> tuple[Field, ...]:
    return tuple(Field(name, lsb, 1, access, reset) for name, lsb in names)


LUT_UPPER = (Field("PART", 0, 4, RW, None, "Target partition"), Field("VALID", 31))

ROWS = (
    Register("PCIID", 0x000, (Field("VENDOR", 0, 16, RO, 0x111D), Field("DEVICE", 16, 16, RO)),
             "Vendor and device id; the chip of the profile decides the latter.", f"{PCI} 6.2.1; {HEADER}: PCI_DEVICE_ID_IDT_*"),
    Register("PCICMDSTS", 0x004,
             (Field("IOAE", 0, reset=0, doc="I/O space enable"), Field("MAE", 1, reset=0, doc="Memory space enable"),
              Field("BME", 2, reset=0, doc="Bus master enable"), Field("PERRE", 6, reset=0), Field("SERRE", 8, reset=0),
              Field("INTXD", 10, reset=0, doc="INTx disable"), Field("INTS", 19, 1, RO, 0, "INTx is asserted"),
              Field("CAPL", 20, 1, RO, 1, "Has a capability list")),
             "Command and status.", f"{PCI} 6.2.2, 6.2.3; {HEADER}: IDT_NT_PCICMDSTS", write="write_command", moved_by=CAUSES),
    Register("CLASSREV", 0x008, (Field("REVISION", 0, 8, RO), Field("CLASS", 8, 24, RO, 0x068000)),
             "Class: bridge, other.", f"{PCI} 6.2.1; {HEADER}: IDT_PCI_DEVICE_IDS"),
    Register("CACHEHDR", 0x00C, (Field("CLS", 0, 8, RW, 0), Field("LTIMER", 8, 8, RO, 0), Field("HDR", 16, 8, RO, 0)),
             "Cache line size, latency timer, header type.", f"{PCI} 6.2.1, 6.2.4"),
    Register("BAR{}", 0x010, word(RW, 0, "ADDRESS"), "Base address; its size is the profile's.", f"{PCI} 6.2.5.1",
             BARS, 4, write="write_window"),
    Register("SUBID", 0x02C, (Field("SUBVENDOR", 0, 16, RO), Field("SUBSYSTEM", 16, 16, RO)),
             "Subsystem ids.", f"{PCI} 6.2.4"),
    Register("ROMBASE", 0x030, word(RO, 0), "Expansion ROM: there is none.", f"{PCI} 6.2.5.2"),
    Register("CAPPTR", 0x034, (Field("POINTER", 0, 8, RO, PCIE_CAP),), "Start of the capability list.", f"{PCI} 6.7"),
    Register("INTRLINE", 0x03C, (Field("LINE", 0, 8, RW, 0), Field("PIN", 8, 8, RO, 1, values={1: "INTA"})),
             "Interrupt line and pin.", f"{PCI} 6.2.4"),
    Register("PCIECAP", 0x040, (Field("ID", 0, 8, RO, PCIE_CAP_ID), Field("NEXT", 8, 8, RO, PM_CAP),
                                Field("VERSION", 16, 4, RO, 2), Field("TYPE", 20, 4, RO, 0)),
             "PCI Express capability of an endpoint.", f"{PCIE} 7.8.2"),
    Register("PCIEDCAP", 0x044, (Field("MPAYLOAD", 0, 3, RO, values={
        0: "S128", 1: "S256", 2: "S512", 3: "S1024", 4: "S2048"}),),
             "Device capabilities.", f"{HEADER}: IDT_NT_PCIEDCAP; {PCIE} 7.8.3"),
    Register("PCIEDCTLSTS", 0x048, (Field("EREN", 0, 4, RW, 0), Field("ERO", 4, 1, RW, 0), Field("MPS", 5, 3, RW, 0, values={
        0: "S128", 1: "S256", 2: "S512", 3: "S1024", 4: "S2048", 5: "S4096"}), Field("MRRS", 12, 3, RW, 2),
        Field("ERRORS", 16, 4, RW1C, 0)), "Device control and status.", f"{HEADER}: IDT_NT_PCIEDCTLSTS; {PCIE} 7.8.4, 7.8.5"),
    Register("PCIELCAP", 0x04C, (Field("MAXLNKSPD", 0, 4, RO, 2), Field("MAXLNKWDTH", 4, 6, RO, 8),
                                 Field("PORTNUM", 24, 8, RO)),
             "Link capabilities; PORTNUM is the port in the profile.", f"{HEADER}: IDT_NT_PCIELCAP; {PCIE} 7.8.6; speed and width inferred: Gen2 by the chip's name, x8"),
    Register("PCIELCTLSTS", 0x050, (Field("CTL", 0, 12, RW, 0), Field("CLS", 16, 4, RO, 2, "Current link speed"),
                                    Field("NLW", 20, 6, RO, 8, "Negotiated link width"), Field("SCLK", 28, 1, RO, 1, values={1: "COM"})),
             "Link control and status.", f"{HEADER}: IDT_NT_PCIELCTLSTS; {PCIE} 7.8.7, 7.8.8; speed and width inferred as in PCIELCAP"),
    Register("PCIEDCAP2", 0x064, word(RO), "Device capabilities 2.", f"{HEADER}: IDT_NT_PCIEDCAP2; {PCIE} 7.8.15"),
    Register("PCIEDCTL2", 0x068, word(RW), "Device control and status 2.", f"{HEADER}: IDT_NT_PCIEDCTL2; {PCIE} 7.8.16"),
    Register("PMCAP", 0x0C0, (Field("ID", 0, 8, RO, PM_CAP_ID), Field("NEXT", 8, 8, RO), Field("VERSION", 16, 3, RO, 3)),
             "Power management capability; NEXT depends on the interrupt mode.", "PCI Power Management Specification 1.2, 3.2"),
    Register("PMCSR", 0x0C4, (Field("PSTATE", 0, 2, RW, 0, values={0: "D0", 3: "D3hot"}), Field("NSR", 3, 1, RO, 1)),
             "Power management control and status. D3hot is stored and closes nothing.", f"{HEADER}: IDT_NT_PMCSR; PCI Power Management Specification 1.2, 3.2.4"),
    Register("MSICAP", 0x0D0, (Field("ID", 0, 8, RO, MSI_CAP_ID), Field("NEXT", 8, 8, RO, 0), Field("EN", 16, 1, RW, 0),
                               Field("MME", 20, 3, RW, 0), Field("A64", 23, 1, RO, 1)),
             "MSI capability: one vector, 64-bit address. Not in the list in INTx mode.", f"{PCI} 6.8.1; place inferred",
             write="write_interrupts"),
    Register("MSIADDR", 0x0D4, word(RW, 0, "ADDRESS"), "MSI address.", f"{PCI} 6.8.1.4"),
    Register("MSIUADDR", 0x0D8, word(RW, 0, "ADDRESS"), "MSI upper address.", f"{PCI} 6.8.1.5"),
    Register("MSIMDATA", 0x0DC, (Field("DATA", 0, 16, RW, 0),), "MSI data.", f"{PCI} 6.8.1.6"),
    Register("ECFGADDR", 0x0F8, (Field("REG", 0, 12, RW, 0),), "Offset of the register behind ECFGDATA.",
             "inferred: the family's pair for hosts without extended configuration space"),
    Register("ECFGDATA", 0x0FC, word(), "The register at ECFGADDR.", "inferred",
             read="read_ecfgdata", write="write_ecfgdata", moved_by=ANYTHING),
    Register("NTCTL", 0x400, _flags(RW, ("IDPROTDIS", 0), ("CPEN", 1), ("RNS", 2), ("ATP", 3)),
             "NT endpoint control. CPEN lets completions through; IDPROTDIS makes the mapping table needless.", f"{HEADER}: IDT_NT_NTCTL; ntb_hw_idt.c: idt_ntb_local_link_enable",
             write="write_link"),
    Register("NTINTSTS", 0x404, (*_flags(RO, *EVENT_BITS[:2], reset=0), *_flags(RW1C, *EVENT_BITS[2:], reset=0)),
             "Interrupt causes. MSG and DBELL follow their own status registers.", f"{HEADER}: IDT_NT_NTINTSTS; ntb_hw_idt.c: idt_thread_isr",
             write="write_interrupts", moved_by=CAUSES),
    Register("NTINTMSK", 0x408, _flags(RW, *EVENT_BITS, reset=1),
             "Interrupt masks. Masked at reset: inferred from idt_init_isr, which unmasks.", f"{HEADER}: IDT_NT_NTINTMSK",
             write="write_interrupts"),
    Register("NTSDATA", 0x40C, word(), "Signal data.", f"{HEADER}: IDT_NT_NTSDATA"),
    Register("NTGSIGNAL", 0x410, (Field("SET", 0, 1, WO, 0),), "Signals the other partitions: sets the own bit of SEGSIGSTS.",
             f"{HEADER}: IDT_NT_NTGSIGNAL; ntb_hw_idt.c: idt_ntb_local_link_enable", write="write_gsignal"),
    Register("NTIERRORMSK{}", 0x414, word(), "Internal error masks.", f"{HEADER}: IDT_NT_NTIERRORMSK0, 1", (0, 1), 4),
    Register("OUTDBELLSET", 0x420, word(WO, 0, "DBELL"), "A one sets that bit of the global doorbell register.",
             f"{HEADER}: IDT_NT_OUTDBELLSET; ntb_hw_idt.c: idt_ntb_peer_db_set", write="write_outdbellset"),
    Register("INDBELLSTS", 0x428, word(RW1C, 0, "DBELL"), "The global doorbells as this port sees them; a one clears.",
             f"{HEADER}: IDT_NT_INDBELLSTS; ntb_hw_idt.c: idt_ntb_db_clear", read="read_indbellsts", write="write_indbellsts", moved_by=BELLS),
    Register("INDBELLMSK", 0x42C, word(RW, None, "DBELL"), "Doorbells that do not interrupt this port.",
             f"{HEADER}: IDT_NT_INDBELLMSK; ntb_hw_idt.c: idt_ntb_db_set_mask", write="write_interrupts"),
    Register("OUTMSG{}", 0x430, word(RW, None, "DATA"), "Sends a message to the register that SWPxMSGCTLy routes it to.",
             f"{HEADER}: IDT_NT_OUTMSG0 ff.; ntb_hw_idt.c: idt_ntb_peer_msg_write", MESSAGES, 4, write="write_outmsg"),
    Register("INMSG{}", 0x440, word(RO, None, "DATA"), "The message received.", f"{HEADER}: IDT_NT_INMSG0 ff.", MESSAGES, 4,
             moved_by=("*write_outmsg",)),
    Register("INMSGSRC{}", 0x450, (Field("SRC", 0, 3, RO, None, "The sender's partition"),), "Who sent it.",
             f"{HEADER}: IDT_NT_INMSGSRC0 ff.; ntb_hw_idt.c: idt_ntb_msg_read", MESSAGES, 4, moved_by=("*write_outmsg",)),
    Register("MSGSTS", 0x460, (Field("OUTMSG", 0, 4, RW1C, 0, "A message was refused"), Field("INMSG", 16, 4, RW1C, 0, "A message is in")),
             "Message status, a bit a register.", f"{HEADER}: IDT_NT_MSGSTS, IDT_OUTMSG_MASK, IDT_INMSG_MASK", write="write_interrupts",
             moved_by=("*write_outmsg",)),
    Register("MSGSTSMSK", 0x464, (Field("OUTMSG", 0, 4), Field("INMSG", 16, 4)),
             "Message status that does not interrupt.", f"{HEADER}: IDT_NT_MSGSTSMSK", write="write_interrupts"),
    Register("BARSETUP{}", 0x470, (
        Field("TYPE", 1, 2, RW, values={0: "32", 2: "64"}), Field("PREF", 3),
        Field("SIZE", 4, 6, values={12: "CFG"}, doc="log2 of the size in bytes"), Field("MODE", 10, values={1: "CFG"}),
        Field("ATRAN", 11, 2, values={0: "DIR", 1: "LUT12", 2: "LUT24"}),
        Field("TPART", 13, 3, doc="Target partition"), Field("EN", 31)),
             "What the BAR is; set from the profile at reset.", f"{HEADER}: IDT_NT_BARSETUP0 ff.; ntb_hw_idt.c: idt_scan_mws", BARS, 0x10, write="write_window",
             moved_by=("*write_inbound",)),
    Register("BARLIMIT{}", 0x474, word(RW, None, "ADDRESS"), "First bus address behind the window; 0 closes it.",
             f"{HEADER}: IDT_NT_BARLIMIT0 ff.; ntb_hw_idt.c: idt_ntb_peer_mw_set_trans", BARS, 0x10, write="write_window", moved_by=("*write_inbound",)),
    Register("BARLTBASE{}", 0x478, word(RW, None, "ADDRESS"), "Translated address, lower half.",
             f"{HEADER}: IDT_NT_BARLTBASE0 ff.", BARS, 0x10, write="write_window", moved_by=("*write_inbound",)),
    Register("BARUTBASE{}", 0x47C, word(RW, None, "ADDRESS"), "Translated address, upper half.",
             f"{HEADER}: IDT_NT_BARUTBASE0 ff.", BARS, 0x10, write="write_window", moved_by=("*write_inbound",)),
    Register("NTMTBLADDR", 0x4D0, (Field("INDEX", 0, 6, RW, 0),), "Entry of the mapping table behind NTMTBLDATA.",
             f"{HEADER}: IDT_NT_NTMTBLADDR, IDT_MTBL_ENTRY_CNT"),
    Register("NTMTBLSTS", 0x4D4, word(RO), "Mapping table status.", f"{HEADER}: IDT_NT_NTMTBLSTS"),
    Register("NTMTBLDATA", 0x4D8, word(), "The entry of the mapping table at NTMTBLADDR.",
             f"{HEADER}: IDT_NT_NTMTBLDATA", read="read_mtbldata", write="write_mtbldata", moved_by=("NTMTBLADDR", "NTMTBL{}")),
    Register("REQIDCAP", 0x4DC, (Field("REQID", 0, 16, RO, None, "Bus, device, function"),),
             "Requester id that the function captured. The transports do not carry it: zero.", f"{HEADER}: IDT_NT_REQIDCAP"),
    Register("LUTOFFSET", 0x4E0, (Field("INDEX", 0, 5), Field("BAR", 8, 3)), "Entry of the lookup tables behind LUTLDATA, LUTMDATA and LUTUDATA.",
             f"{HEADER}: IDT_NT_LUTOFFSET; ntb_hw_idt.c: idt_ntb_peer_mw_set_trans"),
    Register("LUTLDATA", 0x4E4, word(), "The entry's translated address, lower half.", f"{HEADER}: IDT_NT_LUTLDATA",
             read="read_lutdata", write="write_lutdata", moved_by=("LUTOFFSET", *(f"LUT{bar}LDATA{{}}" for bar in (2, 4)), "*write_inbound")),
    Register("LUTMDATA", 0x4E8, word(), "The entry's translated address, upper half.", f"{HEADER}: IDT_NT_LUTMDATA",
             read="read_lutdata", write="write_lutdata", moved_by=("LUTOFFSET", *(f"LUT{bar}MDATA{{}}" for bar in (2, 4)), "*write_inbound")),
    Register("LUTUDATA", 0x4EC, LUT_UPPER, "The entry's target partition.", f"{HEADER}: IDT_NT_LUTUDATA",
             read="read_lutdata", write="write_lutdata", moved_by=("LUTOFFSET", *(f"LUT{bar}UDATA{{}}" for bar in (2, 4)), "*write_inbound")),
    Register("NTUEEM", 0x4F0, word(), "Uncorrectable error emulation.", f"{HEADER}: IDT_NT_NTUEEM"),
    Register("NTCEEM", 0x4F4, word(), "Correctable error emulation.", f"{HEADER}: IDT_NT_NTCEEM"),
    Register("GASAADDR", 0xFF8, (Field("ADDR", 0, 18, RW, 0),), "Global address behind GASADATA.", f"{HEADER}: IDT_NT_GASAADDR"),
    Register("GASADATA", 0xFFC, word(), "The register at GASAADDR in the global space.",
             f"{HEADER}: IDT_NT_GASADATA; ntb_hw_idt.c: idt_sw_read", read="read_gasadata", write="write_gasadata", moved_by=ANYTHING),
)  # fmt: skip

# Entries that stand behind an indirect pair: they have ids, so that a search finds every way to them, but no address;
# their offsets only keep them apart.
BEHIND = (
    Register("NTMTBL{}", 0x0, (
        Field("VALID", 0), Field("REQID", 1, 16), Field("PART", 17, 3), Field("ATP", 29, values={1: "TRANS"}),
        Field("CNS", 30, values={1: "INV"}), Field("RNS", 31, values={1: "INV"})),
             "Entry of the switch's mapping table of requester ids; the driver's index is the partition.",
             f"{HEADER}: IDT_NTMTBLDATA_*; ntb_hw_idt.c: idt_ntb_local_link_enable", tuple(range(MAP_ENTRIES)), 4),
    *(
        Register(f"LUT{bar}{half}DATA{{}}", base, fields, f"Entry of the lookup table of BAR{bar}: {what}.",
                 f"{HEADER}: IDT_NT_LUT{half}DATA; ntb_hw_idt.c: idt_ntb_peer_mw_set_trans", tuple(range(LUT_ENTRIES)), 12,
                 moved_by=("*write_inbound",))
        for bar, base in ((2, 0x200), (4, 0x400))
        for half, base, fields, what in (
            ("L", base, word(), "translated address, lower half"),
            ("M", base + 4, word(), "translated address, upper half"),
            ("U", base + 8, LUT_UPPER, "target partition"),
        )
    ),
)  # fmt: skip

PORT_SPACE, PORT_STRIDE = 0x1000, 0x2000  # a port's NT function in the global space: ntb_hw_idt.h, IDT_SW_NTPx_*
PORT_INDEX = {(port * PORT_STRIDE + PORT_SPACE) >> 12: port for port in FAMILY_PORTS}

INBOUND_BASE = 0x1000  # behind the function's own registers
_ADDED = "offset and name: the C device inside QEMU that adds them; what they do is inferred"
INBOUND = (
    Register("TPART", 0x1000, (Field("PART", 0, 3, RW, 0),), "Partition of the peer whose window is meant.", _ADDED),
    Register("LUTOFF", 0x1004, (Field("INDEX", 0, 5, RW, 0), Field("BAR", 8, 3, RW, 0)), "The peer's BAR, and the entry of its lookup table.", _ADDED),
    Register("LDATA", 0x1008, word(RW, 0, "ADDRESS"), "Where the window leads in the own memory, lower half.", _ADDED, write="write_inbound"),
    Register("HDATA", 0x100C, word(RW, 0, "ADDRESS"), "Where the window leads, upper half.", _ADDED, write="write_inbound"),
    Register("LLIMIT", 0x1010, word(RW, 0, "SIZE"), "The window's size in bytes, lower half; 0 closes it.", _ADDED, write="write_inbound"),
    Register("HLIMIT", 0x1014, word(RW, 0, "SIZE"), "The window's size, upper half.", _ADDED, write="write_inbound"),
)  # fmt: skip
