# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace wireshark`: the dissector for `ntbtrace export`'s files, generated from the register tables."""

import argparse
from pathlib import Path

from ntbtrace import __version__
from ntbtrace.errors import NtbTraceError
from ntbtrace.exporters.lua import dissector
from ntbtrace.text import plain

NAME = "wireshark"
HELP = "print or install Wireshark's dissector for exported traces"
EXAMPLE = """ntbtrace wireshark --install; tshark -r run.pcapng -Y 'ntb.reg == "OUTDBELLSET" && ntb.port == 0'"""
PLUGINS = Path("~/.local/lib/wireshark/plugins")  # Wireshark User's Guide, "Plugin folders"
FILE = "ntbtrace.lua"


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--install", action="store_true", help=f"write {FILE} into Wireshark's folder for a user's plugins")
    add(
        "--folder",
        type=Path,
        default=PLUGINS,
        metavar="DIR",
        help="with --install: another (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    text = dissector(f"ntbtrace {__version__}")
    if not args.install:
        print(text, end="")
        return 0
    path = args.folder.expanduser() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise NtbTraceError(f"cannot write {path}: {error.strerror}") from error
    print(
        f"{plain(str(path))}: start Wireshark again, or press Ctrl+Shift+L in it; then filter by ntb.reg, ntb.port ..."
    )
    return 0
