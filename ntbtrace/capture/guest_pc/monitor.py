# SPDX-License-Identifier: GPL-2.0-or-later
"""Without a compiler: who made an access, asked of QEMU's monitor (QMP) while the access waits for its reply.

The answer is less exact than the plugin's: RIP is the begin of the translated block that made the access, and only in
the kernel's one-instruction helpers does the stack's top tell who called. It takes QEMU a fraction of a millisecond; so
there is a cap. An access that QEMU's main loop made itself cannot be answered (FACTS 1.8): questions begin with the
first access of a BAR, which only a vCPU makes, and have a time-out.
"""

import json
import re
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ntbtrace.capture.guest_pc.symbols import SymbolNotes
from ntbtrace.capture.port import Port
from ntbtrace.trace.sites import UNKNOWN, Chain, Sites, Via
from ntbtrace.trace.summary import Rows

MOST = 20_000  # accesses of a guest that are asked about
TIMEOUT_S = 0.1  # for an answer
LATE = 3  # answers that may be late before nothing more is asked
HELPERS = ("ioread8", "ioread16", "ioread32", "iowrite8", "iowrite16", "iowrite32")  # these push nothing
_REGISTER = re.compile(r"\b(RIP|RSP)=([0-9a-f]{16})")
_WORD = re.compile(r": 0x([0-9a-f]{1,16})")


class Monitor:
    """QMP at the socket `path`. `ask` gives None when there is no answer in time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._number = 0
        self.late = 0

    def ask(self, command: str) -> str | None:
        """What the human monitor says to `command`."""
        if self.late >= LATE:
            return None
        try:
            if self._socket is None:
                self._connect()
            answer = self._execute("human-monitor-command", {"command-line": command})
        except (OSError, ValueError):
            self.late += 1
            return None
        self.late = 0
        return answer if isinstance(answer, str) else None

    def _connect(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(str(self._path))
        self._execute("qmp_capabilities", {})

    def _execute(self, name: str, arguments: dict[str, str]) -> object:
        """Raises OSError (TimeoutError), ValueError."""
        assert self._socket is not None
        self._number += 1
        deadline = time.monotonic() + TIMEOUT_S
        request = {"execute": name, "arguments": arguments, "id": self._number}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line, end, rest = self._buffer.partition(b"\n")
            if end:
                self._buffer = rest
                answer = json.loads(line)
                if (
                    isinstance(answer, dict) and answer.get("id") == self._number
                ):  # not a greeting, an event, a late one
                    return answer.get("return")
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError
            self._buffer += data

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self.late = LATE


class MonitoredCode(SymbolNotes):
    """Of the guest behind `doors`, whose QMP is at `path`; has the place of guest.GuestCode."""

    def __init__(self, doors: Sequence[Port], path: Path) -> None:
        super().__init__(sorted({door.number for door in doors}))
        self._monitor = Monitor(path)
        self._found: deque[tuple[int, Chain]] = deque()
        self._asked = 0

    def arguments(self) -> tuple[list[str], list[socket.socket]]:
        return [], []

    def watch(self, seq: int, bar: bool) -> None:
        """Access `seq`, of a BAR or of configuration space, is done but not answered."""
        if not (bar or self._asked) or self._asked >= MOST:
            return
        self._asked += 1
        self._found.append((seq, self._chain()))

    def _chain(self) -> Chain:
        registers = dict(_REGISTER.findall(self._monitor.ask("info registers") or ""))
        if len(registers) < 2:
            return UNKNOWN
        pc = int(registers["RIP"], 16)
        frames = [pc]
        boots = self.symbols_so_far.boots
        functions = boots[-1].functions if boots else []
        helper = next((one.name for one in functions if one.start <= pc < one.end), "")
        if helper in HELPERS:
            back = _WORD.search(self._monitor.ask(f"x/1gx 0x{registers['RSP']}") or "")
            if back is not None:
                frames.append(int(back[1], 16) - 1)  # in the call before it
        return Chain(Via.MONITOR, tuple(frames))

    def close(self) -> None:
        with suppress(OSError):
            self._monitor.close()

    # The writer thread

    def sites(self, first_seq: int, rows: Rows) -> Sites | None:
        end, found = first_seq + len(rows), []
        while self._found and self._found[0][0] < end:
            seq, chain = self._found.popleft()
            if seq >= first_seq:
                found.append((seq - first_seq, chain))
        if not found:
            return None
        chains = dict.fromkeys((UNKNOWN, *(chain for _, chain in found)))
        places = {chain: place for place, chain in enumerate(chains)}
        numbers = np.array([places[chain] for _, chain in found], np.int64)
        return Sites(np.array([row for row, _ in found], np.int64), numbers, list(chains))
