# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace replay`: perform a trace on a fresh model; "identical", or the first divergence explained."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import device
from ntbtrace.event import EFFECTS, STIMULI
from ntbtrace.progress import progress
from ntbtrace.render import kind_name
from ntbtrace.repl.divergence import describe
from ntbtrace.replay.divergence import Divergence
from ntbtrace.replay.player import Player
from ntbtrace.trace import Trace, open_trace

NAME = "replay"
HELP = "perform a trace on a fresh model and compare every answer and effect"
EXAMPLE = "ntbtrace replay run.ntbt"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a trace")
    parser.add_argument("-q", "--quiet", action="store_true", help="no output: the exit code is the answer")


def run(args: argparse.Namespace) -> int:
    with open_trace(args.file) as trace:
        if not args.quiet:
            for line in _remarks(trace):
                print(line)
        player = Player(trace)
        start = time.perf_counter()
        divergence = _play(player, not args.quiet)
        elapsed = time.perf_counter() - start
        if not args.quiet:
            lines = describe(trace, divergence) if divergence else [_identical(trace, elapsed)]
            print("\n".join(lines))
    return 1 if divergence else 0


def _remarks(trace: Trace) -> Iterator[str]:
    recorded = trace.header.model_version
    if recorded != device.MODEL_VERSION:
        yield (
            f"recorded with model version {recorded}, this is {device.MODEL_VERSION}: "
            "a difference may be a correction of the model (see CHANGELOG)"
        )
    if not trace.closed:
        state = "salvaged" if trace.salvaged else "not closed"
        yield f"the recording was {state}: replaying what is there"
    if trace.lost:
        yield f"{trace.lost:,} events could not be written when it was recorded"


def _play(player: Player, wanted: bool) -> Divergence | None:
    """Run block by block; with a progress bar, if it is `wanted`."""
    with progress("replay", player.end, wanted=wanted) as say:
        for block in player.trace.blocks:
            divergence = player.run(block.last_seq + 1)
            if divergence is not None:
                return divergence
            say(player.position)
    return None


def _identical(trace: Trace, elapsed: float) -> str:
    counts: dict[int, int] = {}
    for block in trace.blocks:
        for kind, count in block.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    stimuli = sum(count for kind, count in counts.items() if kind in STIMULI)
    effects = {kind: count for kind, count in sorted(counts.items()) if kind in EFFECTS}
    kinds = ", ".join(f"{count:,} {kind_name(kind)}" for kind, count in effects.items())
    return (
        f"identical: {stimuli:,} accesses, {sum(effects.values()):,} effects{f' ({kinds})' if kinds else ''} "
        f"in {elapsed:.2f} s, {len(trace) / elapsed:,.0f} events/s"
    )
