# SPDX-License-Identifier: GPL-2.0-or-later
"""`stats --latency` and `--polling`: how long guests take to answer interrupts, and what they wait for by reading."""

from bisect import bisect_left
from collections import defaultdict

import numpy as np

from ntbtrace.commands.tables import Table
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Kind, port_name, port_of
from ntbtrace.query import Expression
from ntbtrace.render import register_name
from ntbtrace.text import plain
from ntbtrace.trace import Trace

STATUS_REGISTER = "NTINTSTS"
POLLED = 3  # identical reads in a row that make a polling loop
US = 1000


def latencies(trace: Trace, where: Expression | None) -> Table:
    """From an interrupt, by the register whose access caused it, to the guest's first read of NTINTSTS after it."""
    try:
        status = set(trace.registers.find(STATUS_REGISTER))
    except NtbTraceError as error:
        raise NtbTraceError(f"this trace's device has no {STATUS_REGISTER}: {error}") from error
    names = ("seq", "t", "kind", "endpoint", "target", "cause")
    irqs = trace.arrays(*names, where=f"kind == {int(Kind.IRQ)}")
    reads = trace.arrays("t", "endpoint", "target", where=f"reg == {STATUS_REGISTER} and kind == mmio_read")
    read_at: dict[int, list[int]] = defaultdict(list)
    for t, endpoint, target in zip(*(column.tolist() for column in reads.values()), strict=True):
        if target & 0xFF_FFFF in status:
            read_at[endpoint].append(t)
    wanted = None if where is None else {event.seq for event in trace.where(where)}
    causes = {cause for cause in irqs["cause"].tolist() if cause >= 0 and (wanted is None or cause in wanted)}
    targets = dict(zip(*(c.tolist() for c in trace.arrays("seq", "target", where="kind < 16").values()), strict=True))
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    unanswered: dict[tuple[str, str, str], int] = defaultdict(int)
    sources = dict(zip(*(c.tolist() for c in trace.arrays("seq", "endpoint", where="kind < 16").values()), strict=True))
    for _, t, _, endpoint, _, cause in zip(*(irqs[name].tolist() for name in names), strict=True):
        if cause not in causes:
            continue
        key = (register_name(trace.registers, targets[cause] & 0xFF_FFFF | 0xFF << 24) or "-",
               port_name(sources[cause]), port_name(endpoint))  # fmt: skip
        times = read_at[endpoint]
        at = bisect_left(times, t)
        if at < len(times):
            found[key].append((times[at] - t) / US)
        else:
            unanswered[key] += 1
    rows = []
    for key in sorted(found.keys() | unanswered.keys()):
        times_us = found[key]
        spread = [float(p) for p in np.percentile(times_us, (0, 50, 90, 100))] if times_us else [None] * 4
        rows.append((*key, len(times_us), unanswered[key], *spread))
    return Table(
        f"from an interrupt to the first read of {STATUS_REGISTER}, microseconds",
        ("by", "from port", "to port", "answered", "not", "min", "median", "90 %", "max"), rows,
    )  # fmt: skip


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
