# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace guest build`: make the Linux guest that `record --guests qemu` starts."""

import argparse

from ntbtrace.capture.guests import image

NAME = "guest"
HELP = "build the Linux guest image for `record --guests qemu`"
EXAMPLE = "ntbtrace guest build"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("build",), help="build: from Debian packages, into the cache; needs no root")
    parser.add_argument("--force", action="store_true", help="build anew even if the image is there")


def run(args: argparse.Namespace) -> int:
    image.build(print, force=args.force)
    return 0
