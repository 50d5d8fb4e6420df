# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace serve`: the switch for VMs of your own, recorded until Ctrl-C."""

import argparse
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from device.profile import Profile, ProfileError
from ntbtrace.capture import rundir
from ntbtrace.capture.control import controlled
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from ntbtrace.capture.serve import FORM, PortServer, PortSpec, serving
from ntbtrace.commands.keeping import keeping_arguments, storage, told
from ntbtrace.commands.profiles import check_for_qemu, load_profile
from ntbtrace.commands.signals import on_interrupt
from ntbtrace.commands.status import StatusLine
from ntbtrace.errors import SetupError

NAME = "serve"
HELP = "the switch for your own VMs: listen on sockets, record what crosses"
EXAMPLE = "ntbtrace serve --port 0=/tmp/ntb0.sock --port 2=/tmp/ntb2.sock -o session.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", action="append", required=True, metavar=FORM, dest="ports",
        help="a guest's socket, for `ntbtrace exec SOCKET`; irq=qtest (default, at SOCKET.qtest) for TCG, "
        "intx for KVM; once for each port, once more as PORT.1 for its DMA engine; "
        "ports of one VM name the same qtest PATH")  # fmt: skip
    add("-o", "--output", type=Path, required=True, metavar="FILE.ntbt", help="the trace to make")
    add("--overwrite", action="store_true", help="replace FILE if it exists")
    add("--profile", type=Path, metavar="FILE.toml",
        help="chip, ports, partitions, BARs (default: a partition for each port, two windows of 1 MiB)")  # fmt: skip
    add("--no-payload", action="store_true", help="keep hashes of guest memory, not its bytes")
    keeping_arguments(parser)


def run(args: argparse.Namespace) -> int:
    specs = PortSpec.parse_all(args.ports)
    profile = _profile(args.profile, specs)
    with ExitStack() as stack:
        interrupted = stack.enter_context(on_interrupt())
        place = rundir.create()
        stack.callback(rundir.remove, place)
        recorder = Recorder(
            args.output,
            profile,
            command=shlex.join(["ntbtrace", *sys.argv[1:]]),
            transports={spec.name: "mpqemu" for spec in specs},
            hashed=args.no_payload,
            overwrite=args.overwrite,
            storage=storage(args),
            drop=args.slow_disk == "drop",
        )
        stack.callback(recorder.close)
        loop, status = Loop(), StatusLine()
        stack.callback(status.done)
        stack.enter_context(controlled(loop, recorder, place))
        try:
            servers = stack.enter_context(serving(loop, recorder, specs, status.event))
        except SetupError:
            recorder.discard()
            raise
        for spec in specs:
            status.event(spec.name, f"waiting at {spec.path}")
        loop.run(interrupted, lambda: _tick(status, recorder, servers))
    if recorder.writer.error is not None:
        raise recorder.writer.error
    print(told(args, recorder.next_seq))
    if recorder.writer.dropped:
        print(f"the disk could not follow: {recorder.writer.dropped:,} events were dropped", file=sys.stderr)
    return 0


def _profile(path: Path | None, specs: list[PortSpec]) -> Profile:
    """The profile in the file, or one made from the ports. Raises SetupError."""
    numbers = [spec.number for spec in specs if not spec.function]
    engines = {spec.number for spec in specs if spec.function}
    if path is not None:
        profile = load_profile(path)
        check_for_qemu(profile)
        if sorted(numbers) != sorted(profile.port_numbers):
            raise SetupError(f"--port must be given for ports {list(profile.port_numbers)} of {path}, not {numbers}")
        if engines != {port.number for port in profile.ports if port.dma}:
            raise SetupError(
                f"--port PORT.1 must be given for the ports of {path} that have `dma = true`, and only these"
            )
        return profile
    try:
        ports = [{"number": n, "partition": i, "dma": n in engines} for i, n in enumerate(numbers)]
        return Profile.from_mapping({"port": ports})
    except ProfileError as error:
        raise SetupError(f"--port: {error}") from error


def _tick(status: StatusLine, recorder: Recorder, servers: dict[str, PortServer]) -> None:
    recorder.writer.tick()
    if recorder.writer.error is not None:
        status.tell(f"{recorder.writer.error}; the guests go on, unrecorded")
    states = {name: "attached" if server.attached else "waiting" for name, server in servers.items()}
    for name, server in servers.items():
        if server.qtest is not None and server.qtest.lost:
            status.tell(f"port {name}: interrupts are lost, no QEMU is connected to its qtest socket (irq=qtest)")
    parts = [
        f"port {n}: {state}, {recorder.doors[servers[n].endpoint].accesses:,} accesses" for n, state in states.items()
    ]
    seconds = (time.monotonic_ns() - recorder.t0) / 1e9
    status.show(
        f"{' | '.join(parts)} | {recorder.next_seq:,} events, {seconds:.1f} s",
        " | ".join(f"port {name}: {state}" for name, state in states.items()),
    )
