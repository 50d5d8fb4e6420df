# SPDX-License-Identifier: GPL-2.0-or-later
"""ntbtrace: record, replay and debug what crosses a PCIe non-transparent bridge between virtual machines."""

__version__ = "0.1.0"
