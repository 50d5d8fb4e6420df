# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay: a recorded run performed on a fresh model, compared event by event (DESIGN 6)."""
