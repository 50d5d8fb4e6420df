# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine: a ring of descriptors in the guest's memory, each a copy between two places that the guest can reach.

START makes it active; from then on `work` does it piece by piece, each a stimulus of its own, until a descriptor that
is not VALID, a pause, an abort or an error. A place is the guest's own memory, or a window of its NT function and thus
a peer's memory. What plx_dma.c does not show is ours:

- A descriptor that reaches nowhere, or is of no bytes, is written back as failed, with the bytes done before, and
  raises ERROR; the engine goes on with the next one. A piece that is not all memory is not done at all.
- The engine stops with ERROR when it is started in another mode than OFF_CHIP, when the ring has no descriptors or
  more than MAX_COUNT, when NEXT is not in it, when a descriptor cannot be read or written back, and after twice as many
  descriptors as the ring has without another START: such a ring feeds itself and would run for ever.
- An abort forgets the present descriptor; a pause waits for its end.
"""

from struct import Struct

from device.host import Status
from device.plx.function import BME, COMMAND, CTRL, Function, Reach, Switch
from device.plx.registers import EVENTS, OFF_CHIP, PLX, REGISTERS_BYTES
from device.regmap import DWORD
from device.space import from_bytes, to_bytes

PIECE_BYTES = 64 << 10  # the most that one piece of work copies
PIECE_STEPS = 32  # the most descriptors fetched and copies made in one piece: 16 descriptors of one copy each
MAX_COUNT = 1 << 16  # descriptors in a ring
LAPS = 2  # round the ring without another START

RING, RING_HI, NEXT, COUNT, LAST_ADDR, LAST_SIZE = (
    PLX[f"PLX_DESC_RING_{name}"].offset >> 2
    for name in ("ADDR", "ADDR_HI", "NEXT_ADDR", "COUNT", "LAST_ADDR", "LAST_SIZE")
)
_CTRL = PLX["PLX_CTRL"].register
PAUSE, ABORT, WRITE_BACK, START, RING_STOP, INVALID, PAUSE_DONE, ABORT_DONE, IN_PROGRESS, MODE = (
    _CTRL.field_mask(name)
    for name in (
        "GRACEFUL_PAUSE", "ABORT", "WRITE_BACK_EN", "START", "RING_STOP_MODE", "DESC_INVALID", "GRACEFUL_PAUSE_DONE",
        "ABORT_DONE", "IN_PROGRESS", "DESC_MODE",
    )
)  # fmt: skip
_OFF_CHIP = OFF_CHIP * (MODE & -MODE)
_EVENT = {name: 1 << bit for name, bit in EVENTS}
ERROR, INV_DESC, DESC_DONE = _EVENT["ERROR"], _EVENT["INV_DESC"], _EVENT["DESC_DONE"]

# struct plx_dma_hw_std_desc: flags and size, upper halves of destination and source, their lower halves
DESCRIPTOR = Struct("<IHHII")
FLAGS = Struct("<I")
VALID, INT_WHEN_DONE, SIZE = 1 << 31, 1 << 30, 0x7FF_FFFF  # PLX_DESC_FLAG_*, PLX_DESC_SIZE_MASK
SUCCESS, READ_FAILED, WRITE_FAILED = 1 << 30, 1 << 29, 1 << 28  # PLX_DESC_WB_*

_OK, _DISABLED, _REFUSED = int(Status.OK), int(Status.DISABLED), int(Status.REFUSED)
_ADDRESS = (1 << 64) - 1
_STATE = Struct("<8I3Q")


class Engine(Function):
    """The DMA function of one guest."""

    snapshot_size = _STATE.size + REGISTERS_BYTES

    def __init__(self, switch: Switch, port: int, reach: Reach) -> None:
        self.flags = 0  # of the present descriptor; 0: there is none
        self.place = self.source = self.destination = self.done = 0  # its address, and what is left to do
        self.write_back = 0  # WRITE_BACK_EN as it was at START
        self.fetched = 0  # descriptors since START
        super().__init__(switch, port, reach)

    @property
    def active(self) -> bool:
        """There is work to do."""
        return bool(self.regs[CTRL] & IN_PROGRESS and self.regs[COMMAND] & BME)

    def reset_function(self) -> None:
        super().reset_function()
        self.flags = self.place = self.source = self.destination = self.done = 0
        self.write_back = self.fetched = 0

    def write_ctrl(self, number: int, value: int, lanes: int) -> None:
        before = self.regs[CTRL]
        self.store(number, value, lanes)
        now = self.regs[CTRL]
        rising = now & ~before
        if rising & ABORT:
            self._stop(ABORT_DONE, _EVENT["ABORT_DONE"])
        elif rising & PAUSE and not self.flags:
            self._stop(PAUSE_DONE, _EVENT["PAUSE_DONE"])
        elif value & lanes & START and not now & (PAUSE | ABORT):
            if now & MODE != _OFF_CHIP or not 0 < self.regs[COUNT] <= MAX_COUNT:
                self._stop(0, ERROR)
                return
            self.fetched = 0
            self.write_back = now & WRITE_BACK
            self.regs[CTRL] |= IN_PROGRESS

    def _stop(self, done: int, events: int) -> None:
        """Be idle: without a descriptor, `done` in CTRL, `events` in INTR_STATUS."""
        self.flags = 0
        self.regs[CTRL] = self.regs[CTRL] & ~IN_PROGRESS | done
        self.raise_events(events)

    def _fail(self, status: int = _REFUSED) -> None:
        self.told.status = status
        self._stop(0, ERROR)

    # Work

    def work(self, budget: int) -> None:
        """One piece: at most `budget` bytes (and PIECE_BYTES), at most PIECE_STEPS steps.

        The status is that of the last failure in it, DISABLED when there was nothing to do.
        """
        told = self.told
        told.target, told.status = self.targets[CTRL], _OK
        if not self.active:
            told.status = _DISABLED
            return
        left = min(budget, PIECE_BYTES)
        for _ in range(PIECE_STEPS):
            if not self.flags:
                self._fetch()
            elif left > 0:
                left -= self._copy(left)
            if left <= 0 or not self.regs[CTRL] & IN_PROGRESS:
                return

    def _fetch(self) -> None:
        """Take the next descriptor of the ring."""
        regs = self.regs
        count, offset = regs[COUNT], regs[NEXT] - regs[RING] & DWORD
        index, rest = divmod(offset, DESCRIPTOR.size)
        if not index < count <= MAX_COUNT or rest or self.fetched >= LAPS * count:
            self._fail()
            return
        place = (regs[RING_HI] << 32 | regs[RING]) + offset & _ADDRESS
        data = self.switch.host.dma_read(self.port, place, DESCRIPTOR.size, control=True)
        if data is None:
            self._fail()
            return
        flags, destination_hi, source_hi, destination, source = DESCRIPTOR.unpack(data)
        if not flags & VALID:
            self._stop(INVALID, INV_DESC)
            return
        regs[NEXT] = regs[RING] if index + 1 == count else regs[NEXT] + DESCRIPTOR.size & DWORD
        self.fetched += 1
        self.flags, self.place, self.done = flags, place, 0
        self.source, self.destination = source_hi << 32 | source, destination_hi << 32 | destination
        if not flags & SIZE:
            self._finish(READ_FAILED, _REFUSED)

    def _copy(self, most: int) -> int:
        """Copy as many of the next bytes as lie together at both ends; returns how many that were, or should have been.

        One read and one write of the same bytes: so a recording without payloads can be replayed.
        """
        host = self.switch.host
        length = max(min(most, (self.flags & SIZE) - self.done), 0)
        status, reader, source, length = self._reach(self.source + self.done, length)
        if status:
            self._finish(READ_FAILED, status)
            return 0
        status, writer, destination, length = self._reach(self.destination + self.done, length)
        if status:
            self._finish(WRITE_FAILED, status)
            return 0
        data = host.dma_read(reader, source, length)
        if data is None:
            self._finish(READ_FAILED, _REFUSED)
        elif not host.dma_write(writer, destination, data):
            self._finish(WRITE_FAILED, _REFUSED)
        else:
            self.done += length
            if self.done >= self.flags & SIZE:
                self._finish(SUCCESS, _OK)
        return length

    def _reach(self, address: int, length: int) -> tuple[int, int, int, int]:
        """Status, whose memory, the address there, and how many of the bytes."""
        address &= _ADDRESS
        return self.reach(address, length) or (_OK, self.port, address, length)

    def _finish(self, result: int, status: int) -> None:
        """Write the descriptor back, tell the guest what it wants to know, and look whether to go on."""
        regs, flags = self.regs, self.flags
        self.flags = 0
        if status:
            self.told.status = status
        regs[LAST_ADDR], regs[LAST_SIZE] = self.place & DWORD, self.done
        if self.write_back:
            data = FLAGS.pack(result | self.done & SIZE)
            if not self.switch.host.dma_write(self.port, self.place, data, control=True):
                self._fail()
                return
        events = (DESC_DONE if flags & INT_WHEN_DONE else 0) | (ERROR if status else 0)
        if regs[CTRL] & PAUSE:
            self._stop(PAUSE_DONE, events | _EVENT["PAUSE_DONE"])
        elif regs[CTRL] & RING_STOP and regs[NEXT] == regs[RING]:
            self._stop(0, events)
        else:
            self.raise_events(events)

    # State

    def snapshot(self) -> bytes:
        """All but what the profile decides; `snapshot_size` bytes."""
        state = _STATE.pack(
            self.attached, self.mode, self.pending, self.level, self.write_back, self.fetched, self.flags, self.done,
            self.place, self.source, self.destination,
        )  # fmt: skip
        return state + to_bytes(self.regs)

    def restore(self, data: bytes) -> None:
        attached, mode, self.pending, self.level, *rest = _STATE.unpack_from(data)
        self.write_back, self.fetched, self.flags, self.done, self.place, self.source, self.destination = rest
        self.attached = bool(attached)
        self.set_mode(mode)
        self.regs = from_bytes(data[_STATE.size :])
