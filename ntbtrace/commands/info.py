# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace info`: what a trace holds: header, duration, counts by kind, port and register."""

import argparse
import datetime
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ntbtrace.commands.counting import count_groups, events_by, register_lines
from ntbtrace.commands.merge import about as about_source
from ntbtrace.commands.options import natural
from ntbtrace.event import port_name
from ntbtrace.render import kind_name, seconds
from ntbtrace.text import plain
from ntbtrace.trace import Trace, open_trace

NAME = "info"
HELP = "what a trace holds: guests, profile, duration, counts by kind, port and register"
EXAMPLE = "ntbtrace info run.ntbt"
TOP = 15  # registers that are listed


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace, closed or still being recorded")
    parser.add_argument("--top", type=natural, default=TOP, metavar="N",
                        help=f"list the N busiest registers (default: {TOP})")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace:
        for name, text in (*_header(trace), *_contents(trace)):
            print(f"{name:<12} {text}")
        for line in _registers(trace, args.top):
            print(line)
    return 0


def _header(trace: Trace) -> Iterator[tuple[str, str]]:
    header = trace.header
    size = trace.path.stat().st_size
    yield "file", f"{plain(str(trace.path))}, {size:,} bytes, format {trace.format_version}"
    if trace.closed:
        yield "", "closed cleanly"
    elif trace.salvaged:
        yield "", "not closed, but salvaged: it ends where the recorder was stopped"
    else:
        yield "", f"not closed: still being recorded, or run `ntbtrace salvage {plain(str(trace.path))}`"
    yield "recorded", f"{_wall(header.start_wall_ns)} by {plain(header.tool)}: {plain(header.command)}"
    for source in header.merged:
        yield "merged from", about_source(source)
    if not header.merged:
        chip = plain(str(header.profile.get("chip", "unknown")))
        yield "switch", f"{chip}, model version {header.model_version}"
    ports = header.profile.get("port")
    for port in (entry for entry in ports if isinstance(entry, dict)) if isinstance(ports, list) else ():
        number = plain(str(port.get("number")))
        about = ", ".join(f"{plain(key)} {_short(value)}" for key, value in port.items() if key != "number")
        yield f"  port {number}", f"{plain(str(header.transports.get(number, 'no transport')))}; {about}"
    for key, value in header.guests.items():
        yield f"  {plain(key)}", _short(value)
    yield "payloads", "guest memory as it was" if header.payloads == "full" else plain(header.payloads)


def _guest_code(trace: Trace) -> Iterator[str]:
    for port, guest in sorted(trace.annotations.symbols.items()):
        modules = {module.name for boot in guest.boots for module in boot.modules}
        releases = {boot.release for boot in guest.boots}
        yield plain(f"port {port}: kernel {' '.join(sorted(releases))}, {len(modules)} modules")


def _wall(ns: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(ns / 1e9, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"at an impossible time ({ns} ns)"


def _short(value: object) -> str:
    """A value of the header's JSON on one line."""
    if isinstance(value, dict):
        return " ".join(f"{plain(str(key))}={_short(item)}" for key, item in value.items())
    return plain(value if isinstance(value, str) else json.dumps(value))


def _contents(trace: Trace) -> Iterator[tuple[str, str]]:
    blocks = trace.blocks
    duration = blocks[-1].last_t - blocks[0].first_t if blocks else 0
    yield "events", f"{len(trace):,} in {seconds(duration)} s, {len(blocks)} blocks"
    known, unknown = trace.annotations.counts
    if known or unknown:
        missing = f", {unknown:,} unknown (their records did not match)" if unknown else ""
        yield "code", f"of {known:,} accesses{missing}; of " + (", ".join(_guest_code(trace)) or "no guest by name")
    if trace.lost:
        yield "  missing", f"{trace.lost:,} that could not be written"
    kinds: Counter[int] = Counter()
    for block in blocks:
        kinds.update(block.counts)
    for kind, count in sorted(kinds.items()):
        yield f"  {kind_name(kind)}", f"{count:,}"


def _registers(trace: Trace, top: int) -> Iterator[str]:
    """Events by port, then the busiest registers with their reads and writes."""
    groups = count_groups(trace)
    for endpoint, count in sorted(events_by(groups, lambda group: group.endpoint).items()):
        yield f"{f'port {port_name(endpoint)}':<12} {count:,} events"
    yield from register_lines(groups, trace.registers, top)
