# SPDX-License-Identifier: GPL-2.0-or-later
"""The DMA function's registers: its configuration header, and the engine's own from 0x214 on.

Offsets and bits are those of drivers/dma/plx_dma.c (Linux 6.1), else those of the PCI specification. CTRL2 is the
upper half of CTRL, INTR_STATUS that of INTR_CTRL: the driver reads and writes halves of both. What the driver does not
prove has no reset value (unproven), or says "inferred".
"""

from device.regmap import Access, Field, Register, RegisterMap, word

RO, RW, RW1C, WO = Access.RO, Access.RW, Access.RW1C, Access.WO

DRIVER = "plx_dma.c"
PCI = "PCI Local Bus Specification 3.0"

VENDOR, DEVICE, CLASS = 0x10B5, 0x87D0, 0x088000
MSI_CAP, MSI_CAP_ID = 0x48, 0x05
BAR_BYTES = 16384
CONFIG_BYTES = 256
OFF_CHIP = 2

EVENTS = (
    ("ERROR", 0), ("INV_DESC", 1), ("DESC_DONE", 2), ("ABORT_DONE", 3), ("PAUSE_DONE", 4), ("IMM_PAUSE_DONE", 5),
)  # fmt: skip
ALWAYS = "DESC_DONE"  # has no enable: a descriptor asks for it
STATUS_SHIFT = 16  # INTR_STATUS is the upper half of INTR_CTRL

ROWS = (
    Register("PLX_PCIID", 0x000, (Field("VENDOR", 0, 16, RO, VENDOR), Field("DEVICE", 16, 16, RO, DEVICE)),
             "Vendor and device id.", f"{PCI} 6.2.1; {DRIVER}: plx_dma_pci_tbl"),
    Register("PLX_PCICMDSTS", 0x004,
             (Field("MAE", 1, reset=0, doc="Memory space enable"), Field("BME", 2, reset=0, doc="Bus master enable"),
              Field("PERRE", 6, reset=0), Field("SERRE", 8, reset=0), Field("INTXD", 10, reset=0, doc="INTx disable"),
              Field("INTS", 19, 1, RO, 0, "INTx is asserted"), Field("CAPL", 20, 1, RO, 0, "Has a capability list")),
             "Command and status. Without bus master the engine stands still.", f"{PCI} 6.2.2, 6.2.3; {DRIVER}: plx_dma_probe",
             write="write_interrupts", moved_by=("write_interrupts", "write_ctrl")),
    Register("PLX_CLASSREV", 0x008, (Field("REVISION", 0, 8, RO), Field("CLASS", 8, 24, RO, CLASS)),
             "Class: system peripheral, other.", f"{PCI} 6.2.1; {DRIVER}: plx_dma_pci_tbl"),
    Register("PLX_CACHEHDR", 0x00C, (Field("CLS", 0, 8, RW, 0), Field("LTIMER", 8, 8, RO, 0), Field("HDR", 16, 8, RO, 0)),
             "Cache line size, latency timer, header type.", f"{PCI} 6.2.1, 6.2.4"),
    Register("PLX_BAR0", 0x010, (Field("FLAGS", 0, 4, RO, 0), Field("ADDRESS", 14, 18, RW, 0)),
             "Base address of these registers: 16 KiB, 32-bit.", f"{PCI} 6.2.5.1; {DRIVER}: plx_dma_probe; size inferred"),
    Register("PLX_SUBID", 0x02C, (Field("SUBVENDOR", 0, 16, RO), Field("SUBSYSTEM", 16, 16, RO)),
             "Subsystem ids.", f"{PCI} 6.2.4"),
    Register("PLX_CAPPTR", 0x034, (Field("POINTER", 0, 8, RO, 0),),
             "Start of the capability list: the MSI capability in MSI mode, none in INTx mode.", f"{PCI} 6.7"),
    Register("PLX_INTRLINE", 0x03C, (Field("LINE", 0, 8, RW, 0), Field("PIN", 8, 8, RO, 0, values={1: "INTA"})),
             "Interrupt line and pin; there is a pin in INTx mode.", f"{PCI} 6.2.4"),
    Register("PLX_MSICAP", MSI_CAP, (Field("ID", 0, 8, RO, 0), Field("NEXT", 8, 8, RO, 0), Field("EN", 16, 1, RW, 0),
                                     Field("MME", 20, 3, RW, 0), Field("A64", 23, 1, RO, 0)),
             "MSI capability: one vector, 64-bit address. Zero in INTx mode.", f"{PCI} 6.8.1; place inferred",
             write="write_interrupts"),
    Register("PLX_MSIADDR", MSI_CAP + 4, word(RW, 0, "ADDRESS"), "MSI address.", f"{PCI} 6.8.1.4"),
    Register("PLX_MSIUADDR", MSI_CAP + 8, word(RW, 0, "ADDRESS"), "MSI upper address.", f"{PCI} 6.8.1.5"),
    Register("PLX_MSIMDATA", MSI_CAP + 12, (Field("DATA", 0, 16, RW, 0),), "MSI data.", f"{PCI} 6.8.1.6"),
    Register("PLX_DESC_RING_ADDR", 0x214, word(RW, None, "ADDRESS"), "The descriptor ring's address, lower half.",
             f"{DRIVER}: PLX_REG_DESC_RING_ADDR"),
    Register("PLX_DESC_RING_ADDR_HI", 0x218, word(RW, None, "ADDRESS"), "The descriptor ring's address, upper half.",
             f"{DRIVER}: PLX_REG_DESC_RING_ADDR_HI"),
    Register("PLX_DESC_RING_NEXT_ADDR", 0x21C, word(RW, None, "ADDRESS"),
             "The descriptor to be fetched next, lower half of its address.",
             f"{DRIVER}: PLX_REG_DESC_RING_NEXT_ADDR; that it moves on with the ring is inferred"),
    Register("PLX_DESC_RING_COUNT", 0x220, word(RW, None, "COUNT"), "Descriptors of 16 bytes in the ring.",
             f"{DRIVER}: PLX_REG_DESC_RING_COUNT, PLX_DMA_RING_COUNT"),
    Register("PLX_DESC_RING_LAST_ADDR", 0x224, word(RO, None, "ADDRESS"),
             "The descriptor that was done last, lower half of its address.", f"{DRIVER}: PLX_REG_DESC_RING_LAST_ADDR; meaning inferred"),
    Register("PLX_DESC_RING_LAST_SIZE", 0x228, word(RO, None, "BYTES"), "Bytes that it transferred.",
             f"{DRIVER}: PLX_REG_DESC_RING_LAST_SIZE; meaning inferred"),
    Register("PLX_PREF_LIMIT", 0x234, (Field("LIMIT", 0, 8, RW, None, values={8: "FOUR"}),),
             "Descriptors fetched ahead: stored, the model fetches one at a time.", f"{DRIVER}: PLX_REG_PREF_LIMIT; width inferred"),
    Register("PLX_CTRL", 0x238, (
        Field("GRACEFUL_PAUSE", 0, 1, RW, 0, "Stop when the present descriptor is done"),
        Field("ABORT", 1, 1, RW, 0, "Stop now; the present descriptor is not written back"),
        Field("WRITE_BACK_EN", 2, 1, RW, 0, "Write the result into the descriptor; taken at START"),
        Field("START", 3, 1, WO, 0, "Run until a descriptor that is not valid"),
        Field("RING_STOP_MODE", 4, 1, RW, 0, "Stop at the ring's end"),
        Field("DESC_MODE", 5, 2, RW, 0, values={0: "BLOCK", 1: "ON_CHIP", OFF_CHIP: "OFF_CHIP"}),
        Field("DESC_INVALID", 8, 1, RW1C, 0, "Stopped at a descriptor that is not valid"),
        Field("GRACEFUL_PAUSE_DONE", 9, 1, RW1C, 0), Field("ABORT_DONE", 10, 1, RW1C, 0),
        Field("IMM_PAUSE_DONE", 12, 1, RW1C, 0),
        Field("MAX_TXFR_SIZE", 16, 3, RW, 0, "CTRL2: stored", {
            0: "64B", 1: "128B", 2: "256B", 3: "512B", 4: "1KB", 5: "2KB", 7: "4B"}),
        Field("IN_PROGRESS", 30, 1, RO, 0, "Runs")),
             "Control; its upper half is CTRL2. Only OFF_CHIP descriptors are carried out, others end in an ERROR. Idle at "
             "reset: inferred from __plx_dma_stop, which leaves an engine alone that shows nothing but GRACEFUL_PAUSE.",
             f"{DRIVER}: PLX_REG_CTRL, PLX_REG_CTRL2", write="write_ctrl"),
    Register("PLX_INTR", 0x23C, (
        *(Field(f"{name}_EN", lsb, 1, RW, 0) for name, lsb in EVENTS if name != ALWAYS),
        *(Field(name, STATUS_SHIFT + lsb, 1, RW1C, 0) for name, lsb in EVENTS)),
             "INTR_CTRL, which events interrupt, and INTR_STATUS, which happened. DESC_DONE comes when a descriptor asks for "
             "it, and needs no enable. PAUSE_DONE and IMM_PAUSE_DONE of the status are inferred from their enables.",
             f"{DRIVER}: PLX_REG_INTR_CTRL, PLX_REG_INTR_STATUS, plx_dma_isr", write="write_interrupts", moved_by=("write_ctrl",)),
)  # fmt: skip

PLX = RegisterMap("plx", 0xC01, ROWS)
REGISTERS_BYTES = PLX.places[-1].offset + 4
