# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest image: Debian's kernel, the unmodified NTB drivers, busybox and our init (FACTS 1.4)."""

from ntbtrace.capture.guests.image.build import GuestImage, build, find

__all__ = ["WORKLOADS", "GuestImage", "build", "find"]

WORKLOADS = ("pingpong", "perf", "perf-fixed", "tool", "shell")  # what `init` does
