# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace inject WHAT`: do to a switch that is being recorded what a person, and not a guest, does to a chip."""

import argparse
from collections.abc import Callable

from ntbtrace.capture.control import WHOLE_SWITCH, ask
from ntbtrace.commands.options import natural
from ntbtrace.decode import REGISTER_BYTES
from ntbtrace.errors import NtbTraceError
from ntbtrace.event import Inject, Status

NAME = "inject"
HELP = "pull a cable, warm the chip, reset a partition, poke a register of a switch that is being recorded"
EXAMPLE = "ntbtrace inject cable 2 out; ntbtrace inject cable 2 in; ntbtrace inject temperature 85.5"
HOTTEST = 255  # half degrees
PLUGGED = {"out": 0, "in": 1}
MAX_PORT = 31
REGISTER_MAX, ADDRESS_MAX = 0xFFFF_FFFF, 0x3_FFFF


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", dest="recorder", metavar="PID",
                        help="the recorder's process id (default: the newest one)")  # fmt: skip
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    cable = kinds.add_parser("cable", help="pull (out) or plug (in) the cable of a port: its PCIe link")
    cable.add_argument("port", type=_up_to(MAX_PORT), metavar="PORT")
    cable.add_argument("value", type=_plugged, metavar="out|in")
    warm = kinds.add_parser("temperature", help="what the sensor feels, 0 to 127.5 degrees Celsius by halves")
    warm.add_argument("value", type=_half_degrees, metavar="DEGREES")
    for name, text in (("hot-reset", "of the port's partition, as by a secondary bus reset above the port"),
                       ("failover", "of the port's partition: the switch event")):  # fmt: skip
        kinds.add_parser(name, help=text).add_argument("port", type=_up_to(MAX_PORT), metavar="PORT")
    poke = kinds.add_parser("poke", help="write a register in the global space")
    poke.add_argument("offset", type=_register_address, metavar="ADDRESS")
    poke.add_argument("value", type=_up_to(REGISTER_MAX), metavar="VALUE")


def run(args: argparse.Namespace) -> int:
    what = Inject[args.what.replace("-", "_").upper()]
    port: int = getattr(args, "port", WHOLE_SWITCH)
    seq, status = ask(args.recorder, what, port, getattr(args, "offset", 0), getattr(args, "value", 0))
    if status == Status.UNKNOWN:
        raise NtbTraceError("the switch has no such " + ("register" if port == WHOLE_SWITCH else "port"))
    print(f"event {seq}: {args.what} {status.name.lower()}")
    return 0 if status == Status.OK else 1


def _up_to(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = natural(text)
        if value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most:#x}, not {text[:40]!r}")
        return value

    return number


def _register_address(text: str) -> int:
    address = _up_to(ADDRESS_MAX)(text)
    if address % REGISTER_BYTES:
        raise argparse.ArgumentTypeError(f"must be a register's, a multiple of {REGISTER_BYTES}, not {text[:40]!r}")
    return address


def _plugged(text: str) -> int:
    if text not in PLUGGED:
        raise argparse.ArgumentTypeError(f"must be {' or '.join(PLUGGED)}, not {text[:40]!r}")
    return PLUGGED[text]


def _half_degrees(text: str) -> int:
    try:
        halves = 2 * float(text)
    except ValueError:
        halves = -1.0
    if not (0 <= halves <= HOTTEST and halves.is_integer()):
        raise argparse.ArgumentTypeError(f"must be 0 to 127.5 by halves, not {text[:40]!r}")
    return int(halves)
