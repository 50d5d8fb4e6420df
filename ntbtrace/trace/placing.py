# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the recordings of several switches stand in a merged trace: at which time, and under which port numbers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ntbtrace.errors import NtbTraceError
from ntbtrace.event import SWITCH_OWNER, port_of
from ntbtrace.trace.header import Header, MergedFrom
from ntbtrace.trace.reader import Trace
from ntbtrace.trace.registers import Field

PORTS = 31  # 0 to 30
STEP = 10  # ports of a later source that are taken are moved by so much, or by a multiple
MAX_SHIFT = 1 << 62  # ns
MONOTONIC, WALL = "the monotonic clock", "the wall clock"


def merged_header(traces: Sequence[Trace], command: str, tool: str) -> Header:
    """The header of what merge.merge() writes. Raises NtbTraceError for traces that cannot be merged."""
    for trace in traces:
        if trace.header.merged:
            raise NtbTraceError(f"{trace.path} is merged already: merge the recordings that it was made of")
    starts, placed = _starts([trace.header for trace in traces])
    begin = starts.index(min(starts))
    if max(starts) - starts[begin] > MAX_SHIFT:
        raise NtbTraceError(f"{traces[0].path} and the others were recorded more than a century apart")
    ports = _assign([_ports(trace) for trace in traces])
    merged: list[MergedFrom] = []
    for trace, mapping, start, clock in zip(traces, ports, starts, placed, strict=True):
        about = {key: value for key, value in asdict(trace.header).items() if key not in ("registers", "merged")}
        numbers = {str(old): new for old, new in mapping.items()}
        merged.append(MergedFrom(trace.path.name, numbers, start - starts[begin], clock, about))
    boots = {trace.header.boot_id for trace in traces}
    return Header(
        model_version=max(trace.header.model_version for trace in traces),
        profile={},
        registers=_registers(traces),
        command=command,
        tool=tool,
        transports={str(new): trace.header.transports[str(old)] for trace, mapping in zip(traces, ports, strict=True)
                    for old, new in mapping.items() if str(old) in trace.header.transports},
        guests={},
        start_wall_ns=traces[begin].header.start_wall_ns,
        start_mono_ns=traces[begin].header.start_mono_ns,
        boot_id=boots.pop() if len(boots) == 1 else "",
        payloads="full" if all(trace.header.payloads == "full" for trace in traces) else "hashed",
        merged=merged,
    )  # fmt: skip


def _registers(traces: Sequence[Trace]) -> dict[str, Any]:
    """All their registers: those of one id must be the same."""
    known: dict[int, tuple[str, Sequence[Field]]] = {}
    rows: dict[int, Any] = {}
    for trace in traces:
        table = trace.registers
        for number in table.ids():
            one = table.name(number), table.fields(number)
            if known.setdefault(number, one) != one:
                raise NtbTraceError(
                    f"{trace.path} and the others have different registers of one number ({one[0]}): only "
                    "recordings of the same kind of switch, by the same version, can be merged"
                )
        rows |= {int(row["id"]): row for row in trace.header.registers["registers"]}
    return {"registers": list(rows.values())}


def _starts(headers: Sequence[Header]) -> tuple[list[int], list[str]]:
    """When each recording began, Unix time in ns, exact among those of one boot; and by which clock it was placed."""
    boots: dict[str, Header] = {}
    starts, placed = [], []
    for header in headers:
        known = boots.setdefault(header.boot_id, header) if header.boot_id else header
        starts.append(known.start_wall_ns + header.start_mono_ns - known.start_mono_ns)
        alone = sum(header.boot_id == other.boot_id for other in headers) == 1 or not header.boot_id
        placed.append(WALL if alone else MONOTONIC)
    return starts, placed


def _ports(trace: Trace) -> list[int]:
    """The ports of a recording: those that something happened at, those that a register belongs to."""
    used = {port_of(endpoint) for info in trace.blocks for endpoint in info.endpoints}
    owners = {target >> 24 for info in trace.blocks for target in info.targets} - {SWITCH_OWNER}
    wrong = [port for port in used | owners if port >= PORTS]
    if wrong:
        raise NtbTraceError(f"{trace.path}: there is no port {wrong[0]}; the file is damaged")
    return sorted(used | owners)


def _assign(sources: Sequence[Sequence[int]]) -> list[dict[int, int]]:
    """For each source, its ports' numbers in the merged trace: moved by a multiple of STEP, or any free ones."""
    taken: set[int] = set()
    assigned = []
    for ports in sources:
        moved: Sequence[int] = ports
        for shift in range(0, PORTS, STEP):
            moved = [port + shift for port in ports]
            if not taken.intersection(moved) and max(moved, default=0) < PORTS:
                break
        else:
            moved = [port for port in range(PORTS) if port not in taken][: len(ports)]
            if len(moved) < len(ports):
                raise NtbTraceError(f"the recordings have more than {PORTS} ports together: merge fewer of them")
        taken.update(moved)
        assigned.append(dict(zip(ports, moved, strict=True)))
    return assigned
