# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from guests, files and command lines on its way to a terminal."""


def plain(text: str | bytes) -> str:
    r"""Printable text: what is not (control characters, bytes that are not UTF-8) stands as \x1b or
    \u202e.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def basename(path: str) -> str:
    """The last part of a path with slashes."""
    return path.rpartition("/")[2]
