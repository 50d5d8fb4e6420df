# SPDX-License-Identifier: GPL-2.0-or-later
"""`stats --latency` and `--polling`: how long guests take to answer interrupts, and what they wait for by reading."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ntbtrace.commands.tables import Cell, Table
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import SWITCH_OWNER, Kind, port_name, port_of
from ntbtrace.query import Expression, columns
from ntbtrace.query.one import TARGET_ID
from ntbtrace.render import register_name
from ntbtrace.text import plain
from ntbtrace.trace import Block, Trace
from ntbtrace.trace.columns import Array

STATUS_REGISTER = "NTINTSTS"
POLLED = 3  # identical reads in a row that make a polling loop
US = 1000


def latencies(trace: Trace, where: Expression | None) -> Table:
    """From an interrupt, by the register whose access caused it, to the guest's first read of NTINTSTS after it.

    `where` is about that access. A block at a time: what is kept of one are the waits and who still waits.
    """
    try:
        status = trace.registers.find(STATUS_REGISTER)
    except NtbTraceError as error:
        raise NtbTraceError(f"this trace's device has no {STATUS_REGISTER}: {error}") from error
    waits: dict[int, list[Array]] = defaultdict(list)  # ns, by key
    waiting: dict[int, list[tuple[Array, Array]]] = defaultdict(list)  # keys and times, by endpoint
    for number, info in enumerate(trace.blocks):
        if Kind.IRQ not in info.kinds and not any(target & TARGET_ID in status for target in info.targets):
            continue
        block = trace.block(number)
        kinds, times, endpoints = (block.column(name) for name in ("kind", "t", "endpoint"))
        reads = np.flatnonzero((kinds == Kind.MMIO_READ) & np.isin(block.column("target") & TARGET_ID, status))
        irqs, keys = _interrupts(block, where)
        for endpoint in np.unique(np.concatenate((endpoints[reads], endpoints[irqs]))).tolist():
            mine = endpoints[irqs] == endpoint
            queue = waiting[endpoint]
            before = sum(len(ours) for ours, _ in queue)
            asked, answers = irqs[mine], reads[endpoints[reads] == endpoint]
            queue.append((keys[mine], times[asked]))
            if not len(answers):
                continue
            ours, since = (np.concatenate(parts) for parts in zip(*queue, strict=True))
            which = np.append(np.zeros(before, np.int64), answers.searchsorted(asked))
            done = which < len(answers)
            answered, ns = ours[done], times[answers[which[done]]] - since[done]
            for key in np.unique(answered).tolist():
                waits[key].append(ns[answered == key])
            queue[:] = [(ours[~done], since[~done])]
    left = np.concatenate([np.empty(0, np.uint64), *(ours for queue in waiting.values() for ours, _ in queue)])
    unanswered = dict(zip(*(column.tolist() for column in np.unique(left, return_counts=True)), strict=True))
    rows: list[Sequence[Cell]] = []
    for key in waits.keys() | unanswered.keys():
        ns = np.concatenate([np.empty(0, np.uint64), *waits[key]])
        spread = [float(p) / US for p in np.percentile(ns, (0, 50, 90, 100))] if len(ns) else [None] * 4
        by = register_name(trace.registers, key >> 16 | SWITCH_OWNER << 24) or "-"
        names = (by, port_name(key >> 8 & 0xFF), port_name(key & 0xFF))
        rows.append((*names, len(ns), unanswered.get(key, 0), *spread))
    rows.sort(key=lambda row: tuple(map(str, row[:3])))
    return Table(
        f"from an interrupt to the first read of {STATUS_REGISTER}, microseconds",
        ("by", "from port", "to port", "answered", "not", "min", "median", "90 %", "max"),
        rows,
    )


def _interrupts(block: Block, where: Expression | None) -> tuple[Array, Array]:
    """Rows of the block's interrupts whose cause `where` is true for; their keys: register << 16 | from << 8 | to."""
    rows = np.flatnonzero((block.column("kind") == Kind.IRQ) & (block.column("cause") >= block.info.first_seq))
    causes = block.column("cause")[rows] - block.info.first_seq
    if where is not None:
        wanted = columns.matches(where, block)[causes]
        rows, causes = rows[wanted], causes[wanted]
    endpoints = block.column("endpoint").astype(np.uint64)
    registers = (block.column("target")[causes] & TARGET_ID).astype(np.uint64)
    return rows, registers << np.uint64(16) | endpoints[causes] << np.uint64(8) | endpoints[rows]


def polling(trace: Trace, where: Expression | None) -> Table:
    """Runs of more than POLLED identical reads by one guest, with nothing of that guest's between them."""
    loops: dict[tuple[int, int, int], tuple[int, int, int, int]] = {}
    last: dict[int, tuple[tuple[int, int, int], int, int, int]] = {}

    def end(endpoint: int) -> None:
        run = last.pop(endpoint, None)
        if run is None or run[1] <= POLLED:
            return
        key, count, began, ended = run
        runs, reads, longest, ns = loops.get((endpoint, key[0], key[1]), (0, 0, 0, 0))
        loops[endpoint, key[0], key[1]] = (runs + 1, reads + count, max(longest, count), ns + ended - began)

    selected = trace.events() if where is None else trace.where(where)
    for event in selected:
        if event.kind >= 16:
            continue
        if event.kind not in (Kind.MMIO_READ, Kind.CFG_READ) or not event.target:
            end(event.endpoint)
            continue
        key = (event.target, event.value, event.offset)
        run = last.get(event.endpoint)
        if run is None or run[0] != key:
            end(event.endpoint)
            last[event.endpoint] = (key, 1, event.t, event.t)
        else:
            last[event.endpoint] = (key, run[1] + 1, run[2], event.t)
    for endpoint in list(last):
        end(endpoint)
    rows = []
    for (endpoint, target, value), (runs, reads, longest, ns) in sorted(loops.items(), key=lambda item: -item[1][1]):
        name = register_name(trace.registers, target, port_of(endpoint))
        rows.append((port_name(endpoint), plain(name), f"{value:#x}", runs, reads, longest, ns / 1e6))
    return Table(
        f"polling: more than {POLLED} equal reads in a row",
        ("port", "register", "value", "runs", "reads", "longest", "ms"), rows,
    )  # fmt: skip
