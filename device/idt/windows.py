# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows: a guest's accesses to its BARs become accesses to its peers' memory.

A window passes an access when memory space is enabled, BARSETUP says that the BAR is a window, the access lies in it,
and the NTB link is up on both sides (link.py). A direct window (BARSETUP.ATRAN DIR) is the whole BAR up to BARLIMIT,
and leads to BARSETUP.TPART; a BAR with a lookup table is cut into 16 (LUT12) or 32 (LUT24) equal parts, the first 12
or 24 of them windows of their own, which need no limit (lut.py). A 64-bit window has the upper half of its address in
the next BAR, that of its limit in the next BARLIMIT (idt_ntb_peer_mw_set_trans).

Anything else reads as ones or is dropped, which is unproven for the chip (FACTS 2), and is marked:

    DISABLED  memory space is off
    UNKNOWN   no such BAR
    CLOSED    BARLIMIT is 0 (as idt_ntb_peer_mw_clear_trans leaves it), an entry that is not valid, no way to the peer,
              a lookup table where there can be none (ATRAN is the guest's to write)
    LIMIT     behind BARLIMIT, the last entry or the BAR's end, across two entries, or no size that an access can have

BARLIMIT is compared exactly as the driver means it: bus address + size, the first address that does not pass. (Its
lower 10 bits are reserved on the chip and count as ones, says ntb_hw_idt.h at IDT_DIR_SIZE_ALIGN.)
"""

from device.host import Status
from device.idt.interrupts import COMMAND
from device.idt.lut import LUTS, Lut
from device.idt.maps import NT
from device.profile import WINDOW_TYPES, Window, WindowType

MAE = NT["PCICMDSTS"].register.field_mask("MAE")
BAR0 = NT["BAR0"].offset >> 2
SETUP0, LIMIT0, LTBASE0, UTBASE0 = (NT[f"BAR{n}0"].offset >> 2 for n in ("SETUP", "LIMIT", "LTBASE", "UTBASE"))
SETUP_STRIDE = (NT["BARSETUP1"].offset - NT["BARSETUP0"].offset) >> 2
EN, MODE, ATRAN, TPART = (NT["BARSETUP0"].register.field_mask(n) for n in ("EN", "MODE", "ATRAN", "TPART"))
TYPES = {kind.atran * (ATRAN & -ATRAN): kind for kind in WINDOW_TYPES.values()}
DIRECT = TYPES[0]

_MASKS = {size: (1 << 8 * size) - 1 for size in (1, 2, 4, 8)}
_ADDRESS = (1 << 64) - 1
_OK, _UNKNOWN, _LIMIT, _CLOSED = int(Status.OK), int(Status.UNKNOWN), int(Status.LIMIT), int(Status.CLOSED)
_DISABLED = int(Status.DISABLED)
_LUT = -1  # instead of a status: the entry decides

Way = tuple[int, int, int, int]  # end within the BAR, translated address of its start, peer's port, status


def ones(size: int) -> int:
    """What a read gives where nobody answers."""
    return _MASKS.get(size, 0)


class Windows(Lut):
    """The part of an Endpoint that is about windows.

    `windows`: by BAR number; `sizes`: bytes of every BAR. `ways`: by BAR number, what the registers of both sides say,
    until one of them changes (Switch.forget_ways).
    """

    windows: dict[int, Window]
    sizes: dict[int, int]
    ways: dict[int, Way]

    def window_read(self, bar: int, offset: int, size: int) -> int:
        switch = self.switch
        switch.target = 0
        end, base, port, status = self.ways.get(bar) or self._find_way(bar)
        if status == _LUT:
            end, base, port, status = self.entry_way(bar, offset)
        if status == _OK:
            if size in _MASKS and 0 <= offset <= end - size:
                switch.status = _OK
                data = switch.host.mem_read(port, (base + offset) & _ADDRESS, size)
                return int.from_bytes(data, "little")
            status = _LIMIT
        switch.status = status
        return ones(size)

    def window_write(self, bar: int, offset: int, size: int, value: int) -> None:
        switch = self.switch
        switch.target = 0
        end, base, port, status = self.ways.get(bar) or self._find_way(bar)
        if status == _LUT:
            end, base, port, status = self.entry_way(bar, offset)
        if status == _OK:
            if size in _MASKS and 0 <= offset <= end - size:
                switch.status = _OK
                data = (value & _MASKS[size]).to_bytes(size, "little")
                switch.host.mem_write(port, (base + offset) & _ADDRESS, data)
                return
            status = _LIMIT
        switch.status = status

    def reach(self, address: int, length: int) -> tuple[int, int, int, int] | None:
        """Where a transfer of `length` bytes to a bus address of this function's BARs leads: status, port, address
        there, and how many of the bytes (none unless the status is OK). None for an address that is not in a BAR.
        """
        if not self.regs[COMMAND] & MAE:
            return None
        for bar, size in self.sizes.items():
            start = self.bus_address(bar)
            offset = address - start
            if not 0 <= offset < size:
                continue
            if not bar:
                return _CLOSED, 0, 0, 0
            end, base, port, status = self.ways.get(bar) or self._find_way(bar)
            if status == _LUT:
                end, base, port, status = self.entry_way(bar, offset)
            if status == _OK and offset >= end:
                status = _LIMIT
            if status != _OK:
                return status, 0, 0, 0
            return _OK, port, (base + offset) & _ADDRESS, min(length, end - offset)
        return None

    def _find_way(self, bar: int) -> Way:
        if bar not in self.windows:
            return 0, 0, 0, _UNKNOWN
        way = self.ways[bar] = self.way(bar)
        return way

    def way(self, bar: int) -> Way:
        """What the registers say now of a BAR that the function has."""
        regs = self.regs
        at = SETUP_STRIDE * bar
        setup = regs[SETUP0 + at]
        if not regs[COMMAND] & MAE:
            return 0, 0, 0, _DISABLED
        kind = TYPES.get(setup & ATRAN)
        if not setup & EN or setup & MODE or kind is None:
            return 0, 0, 0, _CLOSED
        if kind is not DIRECT:
            return 0, 0, 0, _LUT if self.has_table(bar, kind) else _CLOSED
        limit = self.limit(bar)
        port = self._peer((setup & TPART) // (TPART & -TPART))
        if not limit or port is None:
            return 0, 0, 0, _CLOSED
        end = min(self.sizes[bar], limit - self.bus_address(bar))
        return end, self.translated(bar), port, _OK

    def limit(self, bar: int) -> int:
        """The first bus address behind a direct window; 0: it is closed."""
        at = LIMIT0 + SETUP_STRIDE * bar
        upper = self.regs[at + SETUP_STRIDE] if self.windows[bar].width == 64 else 0
        return upper << 32 | self.regs[at]

    def translated(self, bar: int) -> int:
        """Where the start of a direct window leads."""
        at = SETUP_STRIDE * bar
        return self.regs[UTBASE0 + at] << 32 | self.regs[LTBASE0 + at]

    @property
    def decodes_memory(self) -> bool:
        """Memory space is enabled: accesses to the BARs come in at all."""
        return bool(self.regs[COMMAND] & MAE)

    def has_table(self, bar: int, kind: WindowType) -> bool:
        """The BAR can have a lookup table, and is large enough to be cut into that many parts."""
        return bar in LUTS and self.sizes[bar] >= kind.parts

    def entry_way(self, bar: int, offset: int) -> Way:
        """The way through the entry of the lookup table that `offset` falls on."""
        kind = TYPES[self.regs[SETUP0 + SETUP_STRIDE * bar] & ATRAN]
        part = self.sizes[bar] // kind.parts
        index = offset // part
        if not 0 <= index < kind.windows:
            return 0, 0, 0, _LIMIT
        entry = self.lut_entry(bar, index)
        port = self._peer(entry.partition) if entry.valid else None
        if port is None:
            return 0, 0, 0, _CLOSED
        return (index + 1) * part, entry.address - index * part, port, _OK

    def _peer(self, partition: int) -> int | None:
        """The port of the partition, if requests pass between it and this one."""
        peer = self.switch.by_partition.get(partition)
        return peer.port if peer is not None and self.up and peer.up else None

    def write_window(self, number: int, value: int, lanes: int) -> None:
        """Any register that decides over the function's own windows."""
        self.store(number, value, lanes)
        self.ways.clear()

    def bus_address(self, bar: int) -> int:
        """Where the guest put a BAR that the function has."""
        low = self.regs[BAR0 + bar] & ~0xF
        window = self.windows.get(bar)
        return low | self.regs[BAR0 + bar + 1] << 32 if window is not None and window.width == 64 else low

    def bar_address(self, bar: int) -> int | None:
        """The bus address that the guest gave the BAR; None if the function does not have it."""
        return self.bus_address(bar) if bar in self.sizes else None

    def bar_size(self, bar: int) -> int:
        """Bytes; 0 if the function does not have the BAR."""
        return self.sizes.get(bar, 0)
