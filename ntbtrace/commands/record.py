# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace record`: start guests on a modelled switch, record everything that crosses, end cleanly."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from device.profile import Profile
from ntbtrace.capture import rundir
from ntbtrace.capture.control import controlled
from ntbtrace.capture.guest_pc.build import compiler, plugin
from ntbtrace.capture.guest_pc.guest import Annotator, CodeFinder, GuestCode
from ntbtrace.capture.guest_pc.monitor import MOST, MonitoredCode
from ntbtrace.capture.guests import image
from ntbtrace.capture.guests.clients import Work
from ntbtrace.capture.guests.make import check_simulated, qemu_guests, simulated_guests
from ntbtrace.capture.guests.qemu import MEMORY, PROGRAM, QemuGuest, QemuSpec, qmp_name
from ntbtrace.capture.guests.simulated import SimulatedGuest
from ntbtrace.capture.guests.workloads import MOST_COUNT, MOST_SIZE, WORKLOADS, Workload, check_driver
from ntbtrace.capture.loop import Loop
from ntbtrace.capture.port import Port
from ntbtrace.capture.recorder import Recorder
from ntbtrace.capture.session import INTERRUPTED, Session
from ntbtrace.commands.keeping import keeping_arguments, storage, told
from ntbtrace.commands.profiles import check_for_qemu, load_profile
from ntbtrace.commands.signals import on_interrupt
from ntbtrace.commands.status import StatusLine
from ntbtrace.errors import NtbTraceError, SetupError
from ntbtrace.text import plain

NAME = "record"
HELP = "start guests (simulated, or Linux in QEMU) and record what crosses between them"
EXAMPLE = "ntbtrace record --guests qemu --workload pingpong -o pingpong.ntbt"
SEED = 1
TIMEOUT_S = 300.0  # for a workload that ends by itself
FinderOf = Callable[[Loop, Path], Callable[[Sequence[Port]], CodeFinder]]
QUIET = ("quiet", "printk.time=0", "printk.devkmsg=on")  # our image's init reports through the kernel's log


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("-o", "--output", type=Path, required=True, metavar="FILE.ntbt", help="the trace to make")
    add("--overwrite", action="store_true", help="replace FILE if it exists")
    add("--guests", choices=("simulated", "qemu"), default="simulated",
        help="simulated guests inside this process (default), or Linux in QEMU")  # fmt: skip
    add("--workload", default="pingpong", choices=WORKLOADS, metavar="NAME",
        help="what they do (default: pingpong): "
        + "; ".join(f"{w.name}: {w.doc}" for w in WORKLOADS.values()))  # fmt: skip
    add("--profile", type=Path, metavar="FILE.toml",
        help="chip, ports, partitions, BARs (default: what the workload needs)")  # fmt: skip
    add("--no-payload", action="store_true", help="keep hashes of guest memory, not its bytes")
    add("--timeout", type=float, default=None, metavar="S",
        help=f"end a run that is not done after S seconds (default: {TIMEOUT_S:g}; "
        "none for shell and for images of yours)")  # fmt: skip
    keeping_arguments(parser)
    add = parser.add_argument_group("how much is done").add_argument
    add("--count", type=int, metavar="COUNT", help="what the workload says (default: "
        + ", ".join(f"{w.name} {w.count}" for w in WORKLOADS.values() if w.count > 1) + ")")  # fmt: skip
    add("--size", type=int, metavar="SIZE", help="bytes, with --guests qemu a power of two (default: "
        + ", ".join(f"{name} {1 << WORKLOADS[name].order}" for name in ("perf", "tool", "dmatest"))
        + f"; simulated: {Work.size})")  # fmt: skip
    add("--seed", type=int, default=SEED, help=f"simulated guests: same seed, same accesses (default: {SEED})")
    add = parser.add_argument_group("guests in QEMU").add_argument
    add("--qemu", default=PROGRAM, metavar="PATH", help=f"the QEMU to run (default: {PROGRAM})")
    add("--kernel", type=Path, metavar="FILE", help="your kernel, not that of `ntbtrace guest build`")
    add("--initrd", type=Path, metavar="FILE", help="your initial RAM disk")
    add("--drive", type=Path, metavar="FILE", help="a disk image; each guest's writes to it are thrown away")
    add("--append", default="", metavar="TEXT", help="more for the kernel command line")
    add("--memory", default=MEMORY, metavar="SIZE", help=f"of each guest (default: {MEMORY})")
    add("--guest-pc", action="store_true",
        help="note which code of the guest made each access: function, file and line (needs a C compiler)")  # fmt: skip
    add("--accel", choices=("tcg", "kvm"), default="tcg",
        help="tcg (default) runs anywhere; kvm needs a /dev/kvm that really works")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    workload = WORKLOADS[args.workload]
    ours = args.kernel is None and args.drive is None
    profile = load_profile(args.profile) if args.profile else workload.default_profile()
    count = workload.count if args.count is None else args.count
    work = Work(count, Work.size if args.size is None else args.size)
    spec = place = None
    finder_of: FinderOf | None = None
    if count < 1:
        raise SetupError(f"--count must be 1 or more, not {count}")
    if args.timeout is not None and not args.timeout > 0:
        raise SetupError(f"--timeout must be more than 0 seconds, not {args.timeout:g}")
    if args.guests == "qemu":
        _only_real(args)
        if count > MOST_COUNT:
            raise SetupError(f"--count must be at most {MOST_COUNT} with --guests qemu, not {count}")
        check_for_qemu(profile)
        workload.check(profile)
        if ours:
            check_driver(profile)
            workload.check_ports(profile)
        spec = _spec(args)
        finder_of = _finder(args) if args.guest_pc else None
    else:
        _only_simulated(args)
        check_simulated(profile, args.workload, work)
    with ExitStack() as stack:
        interrupted = stack.enter_context(on_interrupt())
        place = rundir.create() if spec else None
        if place is not None:
            stack.callback(rundir.remove, place)
        recorder = _recorder(args, profile, spec)
        stack.callback(recorder.close)
        loop, status = Loop(), StatusLine()
        stack.callback(status.done)
        guests: Sequence[SimulatedGuest | QemuGuest] = []
        session = Session(recorder, loop, lambda: _show(status, recorder, guests), interrupted)
        if place is not None:
            stack.enter_context(controlled(loop, recorder, place))
        if spec is None or place is None:
            simulated = guests = simulated_guests(recorder, args.workload, work, args.seed)
            why = session.run_simulated(simulated, args.timeout or TIMEOUT_S)
        else:
            words = _words(workload, count, args.size, profile) if ours else []
            words += ["ntbtrace.symbols=1"] if args.guest_pc else []
            finder = None if finder_of is None else finder_of(loop, place)
            real = guests = qemu_guests(recorder, loop, spec, place, words, one_vm=workload.one_vm, finder=finder)
            by_itself = ours and workload.by_itself
            why = session.run_qemu(real, args.timeout or (TIMEOUT_S if by_itself else None))
    return _report(args, recorder, guests, why)


def _recorder(args: argparse.Namespace, profile: Profile, spec: QemuSpec | None) -> Recorder:
    transport = "mpqemu" if spec else "simulated"
    return Recorder(
        args.output,
        profile,
        command=shlex.join(["ntbtrace", *sys.argv[1:]]),
        transports={str(number): transport for number in profile.port_numbers},
        guests=_about(args, spec),
        hashed=args.no_payload,
        overwrite=args.overwrite,
        storage=storage(args),
        drop=args.slow_disk == "drop",
    )


def _report(
    args: argparse.Namespace, recorder: Recorder, guests: Sequence[SimulatedGuest | QemuGuest], why: str
) -> int:
    """Say what came of it; `why` it ended early, or ''. Returns the exit code; raises NtbTraceError."""
    for guest in guests:
        results = plain(" ".join(f"{key}={value}" for key, value in guest.results.items()))
        print(f"port {guest.port.number}: {results or 'nothing to report'}")
    if recorder.writer.error is not None:
        raise recorder.writer.error
    print(told(args, recorder.next_seq))
    if args.guest_pc:
        _tell_code(recorder)
    if recorder.writer.dropped:
        print(f"the disk could not follow: {recorder.writer.dropped:,} events were dropped", file=sys.stderr)
    if why == INTERRUPTED:
        print("interrupted; the trace is whole", file=sys.stderr)
        return 130
    if why:
        raise NtbTraceError(f"{why}; the trace up to there is in {args.output}")
    return 0


def _finder(args: argparse.Namespace) -> FinderOf:
    """What finds the code of the guests' accesses: the plugin, or without a compiler the monitor. Raises SetupError."""
    if args.accel != "tcg":
        raise SetupError("--guest-pc is done by a plugin of QEMU's TCG: leave out --accel")
    if compiler() is None:
        print(
            "no C compiler here (`apt-get install gcc`): QEMU's monitor is asked for the code of the first "
            f"{MOST:,} accesses of each guest; slower, and less exact",
            file=sys.stderr,
        )
        return lambda loop, place: lambda doors: MonitoredCode(doors, place / qmp_name(doors[0].number))
    made = plugin()
    return lambda loop, place: lambda doors: GuestCode(loop, doors, made)


def _tell_code(recorder: Recorder) -> None:
    annotator, error = recorder.writer.annotator, recorder.writer.annotator_error
    if error is not None:
        print(f"the code of the accesses could not be noted any more: {type(error).__name__}: {error}", file=sys.stderr)
    if isinstance(annotator, Annotator):
        known, unknown = annotator.counts
        print(f"code of {known:,} accesses, {unknown:,} unknown")


def _only_simulated(args: argparse.Namespace) -> None:
    """Raise SetupError for options that would be ignored."""
    given = {"--qemu": args.qemu != PROGRAM, "--kernel": args.kernel, "--initrd": args.initrd, "--drive": args.drive,
             "--append": args.append, "--memory": args.memory != MEMORY, "--accel": args.accel != "tcg",
             "--guest-pc": args.guest_pc}  # fmt: skip
    for option, there in given.items():
        if there:
            raise SetupError(f"{option} is about guests in QEMU: say --guests qemu")


def _only_real(args: argparse.Namespace) -> None:
    """As `_only_simulated`, the other way round."""
    if args.seed != SEED:
        raise SetupError("--seed is about simulated guests: what real ones do is never the same again, but replays")


def _show(status: StatusLine, recorder: Recorder, guests: Sequence[SimulatedGuest | QemuGuest]) -> None:
    if recorder.writer.error is not None:
        status.tell(f"{recorder.writer.error}; the guests go on, unrecorded")
    parts = [f"port {g.port.number}: {g.state}, {g.port.accesses:,} accesses" for g in guests]
    seconds = (time.monotonic_ns() - recorder.t0) / 1e9
    status.show(
        f"{' | '.join(parts)} | {recorder.next_seq:,} events, {seconds:.1f} s",
        " | ".join(f"port {g.port.number}: {g.state}" for g in guests),
    )


def _spec(args: argparse.Namespace) -> QemuSpec:
    """What to start. Raises SetupError for what is missing, before anything is made."""
    if args.size is not None and (not 4 <= args.size <= MOST_SIZE or args.size & (args.size - 1)):
        raise SetupError(
            f"--size must be a power of two from 4 to {MOST_SIZE} with --guests qemu, not {args.size}: "
            "ntb_perf takes its order"
        )
    kernel, initrd = args.kernel, args.initrd
    if kernel is None and args.drive is None:
        found = image.find()
        if found is None:
            raise SetupError("there is no guest image yet: run `ntbtrace guest build`, or name yours with --kernel")
        kernel, initrd = found.kernel, initrd or found.initrd
    spec = QemuSpec(args.qemu, kernel, initrd, args.drive, args.append, accel=args.accel, memory=args.memory)
    spec.check()
    return spec


def _about(args: argparse.Namespace, spec: QemuSpec | None) -> dict[str, Any]:
    """What the trace's header says of the guests."""
    about = {"workload": args.workload}
    if spec is None:
        return {**about, "seed": args.seed}
    found = image.find()
    ours = found is not None and spec.kernel == found.kernel
    kernel = f"guest image {found.release}" if found is not None and ours else str(spec.kernel)
    return {**about, "kernel": kernel, "accel": spec.accel, "append": args.append}


def _words(workload: Workload, count: int, size: int | None, profile: Profile) -> list[str]:
    order = workload.order if size is None else size.bit_length() - 1
    first = min(profile.port_numbers)
    about = {"workload": workload.name, "count": count, "order": order, "first": first}
    return [*QUIET, *(f"ntbtrace.{key}={value}" for key, value in about.items())]
