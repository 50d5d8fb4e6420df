# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace stats`: how often what happened: by port, kind, status, register and window; what was refused."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from ntbtrace.commands.code import code_arguments, guests_code
from ntbtrace.commands.counting import Group, Tally, accesses_by, count_groups, events_by, register_lines
from ntbtrace.commands.grouping import count_by, count_functions
from ntbtrace.commands.tables import Table, form_arguments, show_table
from ntbtrace.commands.timing import latencies, polling
from ntbtrace.commands.unknown import Place, unknown_accesses
from ntbtrace.decode import READS, WRITES
from ntbtrace.event import Kind, Status, function_of, port_name
from ntbtrace.query import Expression, parse
from ntbtrace.query.nodes import Column
from ntbtrace.render import kind_name, register_name, status_name
from ntbtrace.text import plain
from ntbtrace.trace import Trace, open_trace
from ntbtrace.trace.registers import RegisterTable

NAME = "stats"
HELP = "counts of a trace by port, kind, status, register and window; what was refused"
EXAMPLE = "ntbtrace stats perf.ntbt --where 'kind == mmio_write' --by reg,port"
DEFAULT_BY = "kind,port,status"  # as JSON and CSV
Groups = dict[Group, Tally]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace, closed or still being recorded")
    parser.add_argument("--where", metavar="EXPR", help="count only events for which the expression is true")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--by", metavar="EXPR,...", help="count by these, such as reg,port or t//s(1) or func")
    what.add_argument("--latency", action="store_true", help="from interrupts to the guests' first status read")
    what.add_argument("--polling", action="store_true", help="registers that guests read again and again")
    what.add_argument("--unknown", action="store_true", help="list the accesses to what the chip does not have")
    code_arguments(parser)
    form_arguments(parser)


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace, guests_code(trace, args) as code:
        where = None if args.where is None else parse(args.where, trace.registers)
        table = None
        if args.by == Column.FUNC and code is not None:
            table = count_functions(trace, code, where)
        elif args.by is not None:
            table = count_by(trace, args.by, where)
        elif args.latency:
            table = latencies(trace, where)
        elif args.polling:
            table = polling(trace, where)
        elif args.unknown and args.form:
            table = _unknown_table(trace, where)
        elif args.form:
            table = count_by(trace, DEFAULT_BY, where)
        if table is not None:
            show_table(table, args.form)
            return 0
        for line in _unknown(trace, where) if args.unknown else _stats(trace, where):
            print(line)
    return 0


def _stats(trace: Trace, where: Expression | None) -> Iterator[str]:
    groups = count_groups(trace, where)
    chosen = "" if where is None else f", {sum(tally.events for tally in groups.values()):,} where {plain(str(where))}"
    yield f"{plain(str(trace.path))}: {len(trace):,} events{chosen}"
    yield from _by_port("kind", groups, lambda group: group.kind, kind_name)
    yield from _by_port("status", groups, lambda group: group.status, status_name)
    yield from register_lines(groups, trace.registers)
    yield from _windows(groups)
    yield from _refused(groups, trace.registers)


def _by_port(title: str, groups: Groups, what: Callable[[Group], int], name: Callable[[int], str]) -> Iterator[str]:
    """A table: a row for each value of `what`, a column for each port."""
    counts = events_by(groups, lambda group: (what(group), group.endpoint))
    endpoints = sorted({group.endpoint for group in groups})
    yield f"{title:<20}" + "".join(f" {f'port {port_name(endpoint)}':>10}" for endpoint in endpoints)
    for value in sorted({what(group) for group in groups}):
        yield f"{name(value):<20}" + "".join(f" {counts[value, endpoint]:>10,}" for endpoint in endpoints)


def _is_window(group: Group) -> bool:
    """A BAR of the NT function other than that of its registers, and not one that is missing."""
    return (
        group.kind in (Kind.MMIO_READ, Kind.MMIO_WRITE)
        and bool(group.bar)
        and not function_of(group.endpoint)
        and group.status != Status.UNKNOWN
    )


def _windows(groups: Groups) -> Iterator[str]:
    found = accesses_by(groups, lambda group: (group.endpoint, group.bar) if _is_window(group) else None)
    if found:
        yield f"{'window':<20} {'reads':>10} {'bytes':>14} {'writes':>10} {'bytes':>14}"
    for (endpoint, bar), (reads, writes) in sorted(found.items()):
        name = f"port {port_name(endpoint)} BAR{bar}"
        yield f"{name:<20} {reads.events:>10,} {reads.size:>14,} {writes.events:>10,} {writes.size:>14,}"


def _refused(groups: Groups, registers: RegisterTable) -> Iterator[str]:
    """A line for each thing that was refused; one for all that does not exist."""
    refused = {group: tally for group, tally in groups.items() if group.status not in (Status.OK, Status.UNKNOWN)}
    counts = events_by(refused, lambda group: (_thing(group, registers), _verb(group.kind), status_name(group.status)))
    if counts:
        yield "refused"
    for (thing, verb, status), count in counts.most_common():
        yield f"  {thing}: {count:,} {verb}{'' if count == 1 else 's'} {status}"
    unknown = sum(tally.events for group, tally in groups.items() if group.status == Status.UNKNOWN)
    if unknown:
        yield f"unknown: {unknown:,} to what the chip does not have (--unknown lists the accesses)"


def _thing(group: Group, registers: RegisterTable) -> str:
    port = f"port {port_name(group.endpoint)}"
    if group.kind not in READS | WRITES:
        return port
    if group.target:
        return f"{port} {register_name(registers, group.target, group.endpoint >> 3)}"
    if group.kind in (Kind.CFG_READ, Kind.CFG_WRITE):
        return f"{port} configuration space"
    return f"{port} BAR{group.bar} {'window' if _is_window(group) else 'registers'}"


def _verb(kind: int) -> str:
    return "read" if kind in READS else "write" if kind in WRITES else kind_name(kind)


def _unknown(trace: Trace, where: Expression | None) -> Iterator[str]:
    yield f"{'port':<5} {'space':<7} {'offset':<8} {'reads':>10} {'writes':>10}"
    for (port, space, offset), (reads, writes) in unknown_accesses(trace, where).items():
        at = "any" if offset is None else f"{offset:#x}"
        yield f"{port:<5} {space:<7} {at:<8} {reads.events:>10,} {writes.events:>10,}"


def _unknown_table(trace: Trace, where: Expression | None) -> Table:
    found = unknown_accesses(trace, where)
    rows = [(*place, reads.events, writes.events) for place, (reads, writes) in found.items()]
    return Table("unknown", (*Place._fields, "reads", "writes"), rows)
