# SPDX-License-Identifier: GPL-2.0-or-later
"""The debugger's commands, a module a subject."""

from importlib import import_module

SUBJECTS = ("moving", "stopping", "looking", "state", "causes", "info", "scripting")


def load() -> None:
    """Make all commands known."""
    for subject in SUBJECTS:
        import_module(f"{__name__}.{subject}")
