# SPDX-License-Identifier: GPL-2.0-or-later
"""Source text: lines of a file that DWARF names, from a directory of the user's (--source) or the guest image's."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from ntbtrace.errors import SetupError
from ntbtrace.places import in_images

MAX_FILE = 16 << 20  # bytes


class Sources:
    """Files in `directories` (the guest images' sources if there are none): as DWARF names them, or without some of the
    directories that begin their paths.
    """

    def __init__(self, directories: Sequence[Path] = ()) -> None:
        """Raises SetupError for a directory that is none."""
        for directory in directories:
            if not directory.is_dir():
                raise SetupError(f"--source {directory}: there is no such directory")
        self._directories = directories or in_images("source")
        self._read = cache(self._lines)

    def path(self, file: str) -> Path | None:
        """Where this source file is; None if it is not there."""
        parts = [part for part in PurePosixPath(file).parts if part != "/"]
        if ".." in parts:
            parts = parts[-1:]
        for directory in self._directories:
            for skipped in range(len(parts)):
                found = directory.joinpath(*parts[skipped:])
                if found.is_file():
                    return found
        return None

    def lines(self, file: str) -> Sequence[str]:
        """The text, line by line without their ends; none if it is not there."""
        return self._read(file)

    def _lines(self, file: str) -> Sequence[str]:
        path = self.path(file)
        if path is None:
            return ()
        with path.open("rb") as source:
            return source.read(MAX_FILE).decode("utf-8", "replace").splitlines()

    def around(self, file: str, line: int, before: int = 5, after: int = 5) -> Iterator[tuple[int, str]]:
        """Lines near `line`, with their numbers, from 1; none if the file is not there."""
        text = self.lines(file)
        for number in range(max(line - before, 1), min(line + after, len(text)) + 1):
            yield number, text[number - 1]
