# SPDX-License-Identifier: GPL-2.0-or-later
"""EnginePort: the door of a DMA engine, which also works when no guest asks: piece by piece, each a stimulus."""

from typing import TYPE_CHECKING

from device.plx.engine import PIECE_BYTES, Engine
from device.plx.function import FUNCTION
from ntbtrace.capture.port import Port
from ntbtrace.event import Kind
from ntbtrace.trace.pace import give_way

if TYPE_CHECKING:
    from ntbtrace.capture.recorder import Recorder

FARTHEST = (1 << 32) - 1  # events back that a cause may be


class EnginePort(Port):
    """Function 1 of port `number`. A piece's cause is the access that made the engine active; none if it is too far
    back.
    """

    def __init__(self, recorder: "Recorder", number: int, engine: Engine) -> None:
        super().__init__(recorder, number, FUNCTION)
        self._engine = engine
        self._started = 0  # seq of that access

    def cfg_write(self, offset: int, size: int, value: int) -> None:
        before = self._engine.active
        super().cfg_write(offset, size, value)
        self._note_start(before)

    def bar_write(self, bar: int, offset: int, size: int, value: int) -> None:
        before = self._engine.active
        super().bar_write(bar, offset, size, value)
        self._note_start(before)

    def _note_start(self, before: bool) -> None:
        if self._engine.active and not before:
            self._started = self._recorder.seq

    def work(self) -> bool:
        """Do one piece; False if there is nothing to do. Nothing is done while the writer is behind: an engine makes
        events faster than they can be written, and the guests' accesses would have to wait for that.
        """
        if not self._engine.active:
            return False
        recorder = self._recorder
        if recorder.writer.behind:
            give_way()
            return True
        recorder.begin()
        self._engine.work(PIECE_BYTES)
        cause = recorder.seq - self._started
        recorder.complete(Kind.WORK, self._id, value=PIECE_BYTES, cause=cause if cause <= FARTHEST else 0)
        return True
