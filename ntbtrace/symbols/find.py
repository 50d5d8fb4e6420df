# SPDX-License-Identifier: GPL-2.0-or-later
"""Finding the file of a guest's module: by name in some directories, accepted by its build-id only."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from ntbtrace.errors import NtbTraceError, SetupError
from ntbtrace.places import in_images
from ntbtrace.symbols.cache import cached_module
from ntbtrace.symbols.elf import Module
from ntbtrace.symbols.module import ModuleCode

SUFFIXES = (".ko", ".ko.debug")


class ModuleFiles:
    """In `directories` and below, or in the guest cache. `problems`: a line for each module that could not be had, by
    its name.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        """Raises SetupError for a directory that is none."""
        for directory in directories:
            if not directory.is_dir():
                raise SetupError(f"--symbols {directory}: there is no such directory")
        self._directories = directories
        self._known: dict[str, ModuleCode | None] = {}
        self.problems: dict[str, str] = {}

    def find(self, name: str, build_id: str) -> ModuleCode | None:
        """The code of module `name`, of this very build."""
        key = f"{name} {build_id}"
        if key not in self._known:
            self._known[key] = self._find(name, build_id)
        return self._known[key]

    def _find(self, name: str, build_id: str) -> ModuleCode | None:
        others, unread = [], ""
        for path in self._paths.get(name, ()):
            try:
                found = Module(path).build_id
                if build_id and found == build_id:
                    code = cached_module(path, build_id)
                    if code.tables is None:
                        self.problems[name] = f"{path} has no DWARF: functions are known, lines are not"
                    return code
                others.append(f"{path} (build-id {found[:12] or 'missing'})")
            except NtbTraceError as error:
                unread = str(error)
        if not build_id:
            why = "the guest told no build-id of it"
        elif unread:
            why = unread
        elif others:
            why = f"{others[0]} is of another build"
        else:
            why = f"there is none in {' '.join(map(str, self._looked_in)) or 'the guest cache'}"
        self.problems[name] = f"{name}.ko with build-id {build_id[:12] or '?'} is missing: {why}"
        return None

    @property
    def _looked_in(self) -> Sequence[Path]:
        return self._directories or in_images("modules")

    @cached_property
    def _paths(self) -> dict[str, list[Path]]:
        """By module name."""
        found: dict[str, list[Path]] = {}
        for directory in self._looked_in:
            for place, _, names in os.walk(directory):
                for name in names:
                    suffix = next((one for one in SUFFIXES if name.endswith(one)), None)
                    if suffix is not None:
                        found.setdefault(name.removesuffix(suffix).replace("-", "_"), []).append(Path(place, name))
        return found
