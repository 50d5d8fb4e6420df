# SPDX-License-Identifier: GPL-2.0-or-later
"""The lookup tables of an NT function: LUTOFFSET selects a BAR and an entry, LUTLDATA, LUTMDATA and LUTUDATA are its
address and its target partition (idt_ntb_peer_mw_set_trans). BAR2 and BAR4 can have one each.
"""

from array import array
from typing import NamedTuple

from device.host import Status
from device.idt.link import Link
from device.idt.maps import BEHIND, NT
from device.idt.nt_registers import LUT_ENTRIES as ENTRIES
from device.profile import LUT_BARS
from device.regmap import Access

LUTS = {bar: i for i, bar in enumerate(LUT_BARS)}
LUT_WORDS = 3 * ENTRIES * len(LUTS)
LUTOFFSET, LUTLDATA = NT["LUTOFFSET"].offset >> 2, NT["LUTLDATA"].offset >> 2
INDEX, BAR = (NT["LUTOFFSET"].register.field_mask(name) for name in ("INDEX", "BAR"))
PART, VALID = (NT["LUTUDATA"].register.field_mask(name) for name in ("PART", "VALID"))
# of LUTLDATA, LUTMDATA, LUTUDATA: the bits of an entry that are stored, and the id of entry 0 of each BAR
STORED = tuple(BEHIND[f"LUT2{half}DATA0"].register.mask(Access.RW) for half in "LMU")
IDS = {bar: tuple(BEHIND[f"LUT{bar}{half}DATA0"].id for half in "LMU") for bar in LUTS}

# by id of an entry's word: where it stands in `lut`
PLACES = {
    ids[half] + index: 3 * (LUTS[bar] * ENTRIES + index) + half
    for bar, ids in IDS.items()
    for half in range(3)
    for index in range(ENTRIES)
}


class Entry(NamedTuple):
    address: int
    partition: int
    valid: bool


class Lut(Link):
    """The part of an Endpoint that is about its lookup tables."""

    lut: "array[int]"  # LUT_WORDS: by BAR and entry: lower address, upper address, partition and VALID

    def lut_entry(self, bar: int, index: int) -> Entry:
        at = 3 * (LUTS[bar] * ENTRIES + index)
        low, high, upper = self.lut[at : at + 3]
        return Entry(high << 32 | low, (upper & PART) // (PART & -PART), bool(upper & VALID))

    def look_lut(self, at: int) -> int:
        return self.lut[at]

    def read_lutdata(self, number: int) -> int:
        at = self._place(number)
        return 0 if at is None else self.lut[at]

    def write_lutdata(self, number: int, value: int, lanes: int) -> None:
        at = self._place(number)
        if at is not None:
            lanes &= STORED[number - LUTLDATA]
            self.lut[at] = self.lut[at] & ~lanes | value & lanes

    def set_entry(self, bar: int, index: int, low: int, high: int, partition: int, valid: bool) -> bool:
        """Set an entry as a whole; False if there is none."""
        if bar not in LUTS or index >= ENTRIES:
            return False
        at = 3 * (LUTS[bar] * ENTRIES + index)
        upper = partition * (PART & -PART) | (VALID if valid else 0)
        self.lut[at : at + 3] = array("I", (low, high, upper))
        return True

    def _place(self, number: int) -> int | None:
        """Where the word behind a LUTxDATA register stands; None, and UNKNOWN, for an entry that there is not."""
        select = self.regs[LUTOFFSET]
        bar, index = (select & BAR) // (BAR & -BAR), select & INDEX
        switch = self.switch
        if bar not in LUTS or index >= ENTRIES:
            switch.status = int(Status.UNKNOWN)
            return None
        half = number - LUTLDATA
        switch.target = self.port << 24 | IDS[bar][half] + index
        return 3 * (LUTS[bar] * ENTRIES + index) + half
