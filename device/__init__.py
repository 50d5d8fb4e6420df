# SPDX-License-Identifier: GPL-2.0-or-later
"""The switch, modelled: pure, deterministic, and never aware that it is traced (DESIGN 2)."""
