# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace record`: start guests on a modelled switch, record everything that crosses, end cleanly."""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import device
from device.profile import Profile
from ntbtrace.capture import rundir
from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.clients import CLIENTS, Work
from ntbtrace.capture.guests.driver import IdtDriver
from ntbtrace.capture.guests.names import RegisterNames
from ntbtrace.capture.guests.qemu import MEMORY, PROGRAM, QemuGuest, QemuSpec
from ntbtrace.capture.guests.simulated import SimulatedGuest
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.recorder import Recorder
from ntbtrace.capture.session import Session
from ntbtrace.commands.profiles import load_profile
from ntbtrace.commands.status import StatusLine
from ntbtrace.errors import NtbTraceError, SetupError
from ntbtrace.event import endpoint_of

NAME = "record"
HELP = "start guests (simulated, or Linux in QEMU) and record what crosses between them"
EXAMPLE = "ntbtrace record --guests qemu --workload pingpong -o pingpong.ntbt"
QUIET = ("quiet", "printk.time=0", "printk.devkmsg=on")  # the init reports through the kernel's log
TIMEOUT_S = 300.0  # for a workload that ends by itself


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.ntbt", help="the trace to make")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    parser.add_argument("--guests", choices=("simulated", "qemu"), default="simulated",
                        help="simulated guests inside this process (default), or Linux in QEMU")  # fmt: skip
    parser.add_argument("--workload", default="pingpong", choices=sorted({*CLIENTS, *image.WORKLOADS}),
                        help="what they do (default: pingpong); `shell` waits for `ntbtrace console`")  # fmt: skip
    parser.add_argument("--profile", type=Path, metavar="FILE.toml", help="chip, ports, partitions, BARs")
    parser.add_argument("--no-payload", action="store_true", help="keep hashes of guest memory, not its bytes")
    parser.add_argument("--timeout", type=float, metavar="S",
                        help=f"end a run that is not done after S seconds (default: {TIMEOUT_S:g}; "
                        "none for shell and for images of yours)")  # fmt: skip
    work = parser.add_argument_group("how much")
    work.add_argument("--count", type=int, default=Work.count, metavar="N",
                      help=f"ping-pongs that each guest counts (default: {Work.count})")  # fmt: skip
    work.add_argument("--size", type=int, metavar="BYTES",
                      help=f"bytes that perf copies (simulated: {Work.size}; qemu: 1 MiB, a power of two)")  # fmt: skip
    work.add_argument("--seed", type=int, default=1, help="simulated guests: same seed, same accesses (default: 1)")
    qemu = parser.add_argument_group("guests in QEMU")
    qemu.add_argument("--qemu", default=PROGRAM, metavar="PATH", help=f"the QEMU to run (default: {PROGRAM})")
    qemu.add_argument("--kernel", type=Path, metavar="FILE", help="your kernel, not that of `ntbtrace guest build`")
    qemu.add_argument("--initrd", type=Path, metavar="FILE", help="your initial RAM disk")
    qemu.add_argument("--drive", type=Path, metavar="FILE", help="a disk image")
    qemu.add_argument("--append", default="", metavar="TEXT", help="more for the kernel command line")
    qemu.add_argument("--memory", default=MEMORY, metavar="SIZE", help=f"of each guest (default: {MEMORY})")
    qemu.add_argument("--accel", choices=("tcg", "kvm"), default="tcg",
                      help="tcg (default) runs anywhere; kvm needs a /dev/kvm that really works")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    profile = load_profile(args.profile) if args.profile else device.DEFAULT
    spec = _spec(args) if args.guests == "qemu" else None
    if spec is None and args.workload not in CLIENTS:
        raise SetupError(
            f"--workload {args.workload} needs --guests qemu; simulated guests do {', '.join(sorted(CLIENTS))}"
        )
    if args.count < 1 or (args.size is not None and (args.size < 4 or args.size % 4)):
        raise SetupError("--count must be 1 or more, --size a multiple of 4 bytes")
    if spec is not None and args.size is not None and args.size & (args.size - 1):
        raise SetupError(f"--size must be a power of two with --guests qemu, not {args.size}: ntb_perf takes its order")
    transport = "mpqemu" if spec else "simulated"
    recorder = Recorder(
        args.output,
        profile,
        command=shlex.join(sys.argv),
        transports={str(number): transport for number in profile.port_numbers},
        guests={"workload": args.workload, **({"kernel": str(spec.kernel), "accel": spec.accel} if spec else
                {"seed": args.seed, "count": args.count})},
        hashed=args.no_payload,
        overwrite=args.overwrite,
    )  # fmt: skip
    loop = Loop()
    status = StatusLine()
    guests: Sequence[SimulatedGuest | QemuGuest] = []

    def show() -> None:
        parts = [
            f"port {g.port.number}: {g.state}, {recorder.counts[endpoint_of(g.port.number)]:,} accesses" for g in guests
        ]
        seconds = (time.monotonic_ns() - recorder.t0) / 1e9
        status.show(
            f"{' | '.join(parts)} | {recorder.next_seq:,} events, {seconds:.1f} s",
            " | ".join(f"port {g.port.number}: {g.state}" for g in guests),
        )

    session = Session(recorder, loop, show)

    def interrupted(signum: int, frame: FrameType | None) -> None:
        session.stop("interrupted")

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if spec is None:
            simulated = guests = _simulated(args, profile, recorder)
            why = session.run_simulated(simulated)
        else:
            real = guests = _real(args, spec, recorder, loop)
            by_itself = args.workload != "shell" and args.kernel is None and args.drive is None
            timeout = args.timeout or (TIMEOUT_S if by_itself else None)
            why = session.run_qemu(real, timeout)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        status.done()
        recorder.close()
    for guest in guests:
        results = " ".join(f"{key}={value}" for key, value in guest.results.items())
        print(f"port {guest.port.number}: {results or 'no result'}")
    print(f"{args.output}: {recorder.next_seq:,} events, {args.output.stat().st_size:,} bytes")
    if recorder.writer.error is not None:
        raise recorder.writer.error
    if why == "interrupted":
        print("interrupted; the trace is whole", file=sys.stderr)
        return 130
    if why:
        raise NtbTraceError(f"{why}; the trace up to there is in {args.output}")
    return 0


def _spec(args: argparse.Namespace) -> QemuSpec:
    kernel, initrd = args.kernel, args.initrd
    if kernel is None and args.drive is None:
        found = image.find()
        if found is None:
            raise SetupError("there is no guest image yet: run `ntbtrace guest build`, or name yours with --kernel")
        kernel, initrd = found.kernel, initrd or found.initrd
    spec = QemuSpec(args.qemu, kernel, initrd, args.drive, args.append, accel=args.accel, memory=args.memory)
    spec.check()
    return spec


def _simulated(args: argparse.Namespace, profile: Profile, recorder: Recorder) -> list[SimulatedGuest]:
    names = RegisterNames(device.register_table(profile))
    work = Work(args.count, args.size or Work.size)
    guests = []
    for number in profile.port_numbers:
        guest = SimulatedGuest(recorder.port(number), names, args.seed)
        driver = IdtDriver(guest, list(profile.chip_ports))
        guest.power_on(CLIENTS[args.workload](guest, driver, work).life())
        guests.append(guest)
    return guests


def _real(args: argparse.Namespace, spec: QemuSpec, recorder: Recorder, loop: Loop) -> list[QemuGuest]:
    place = rundir.create()
    words = [*QUIET, f"ntbtrace.workload={args.workload}", f"ntbtrace.count={args.count}"]
    if args.size is not None:
        words.append(f"ntbtrace.order={args.size.bit_length() - 1}")
    return [
        QemuGuest(port, loop, spec, place, " ".join([*words, f"ntbtrace.port={number}"]))
        for number, port in recorder.ports.items()
    ]
