# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest image: Debian's kernel, unmodified NTB and DMA drivers, busybox, our init and workloads (FACTS 1.4)."""

from ntbtrace.capture.guests.image.build import GuestImage, build, find

__all__ = ["GuestImage", "build", "find"]
