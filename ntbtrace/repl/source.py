# SPDX-License-Identifier: GPL-2.0-or-later
"""Source text of the guests' code: around a function, a line, or each step of the chain that led to an access."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ntbtrace.errors import NtbTraceError
from ntbtrace.query.nodes import Column
from ntbtrace.repl.arguments import Number
from ntbtrace.repl.registry import Argument, Choice
from ntbtrace.text import plain

if TYPE_CHECKING:
    from ntbtrace.repl.session import Session

SOURCE = "source"  # of the event here
COUNT = Number("COUNT", 1)
AROUND = 8  # lines before a place and behind it
NEAR = 2  # the same for each step of a chain


class Listed(Argument):
    """A number of events, or a place in the guests' code."""

    metavar = "COUNT|source|FUNCTION|FILE:LINE"

    def parse(self, session: "Session", text: str) -> int | str:
        if not text[0].isdecimal() and text[0] != "-":
            return text
        return COUNT.parse(session, text)

    def complete(self, session: "Session", text: str) -> Iterable[Choice]:
        words = {SOURCE: "each line of the guest that led to the event here"}
        if session.code is not None:
            words |= dict.fromkeys(sorted(session.code.words(Column.FUNC)), "a function")
        return (Choice(word, len(text), doc) for word, doc in words.items() if word.startswith(text))


def source_of(session: "Session", text: str) -> Iterator[str]:
    """The lines for FUNCTION or FILE:LINE. Raises NtbTraceError."""
    code = session.guests_code
    file, colon, number = text.rpartition(":")
    if colon and number.isdecimal():
        code.check(Column.FILE, file)
        found = next(path for path in sorted(code.words(Column.FILE)) if path.endswith(file)), int(number)
    else:
        code.check(Column.FUNC, text)
        place = code.source_of(text)
        if place is None:
            raise NtbTraceError(f"it is not known where {plain(text)} stands: {_missing(session)}")
        found = place
    listed = list(_lines(session, *found, AROUND, session.lines_of(found[0])))
    if not listed:
        count = len(session.sources.lines(found[0]))
        if count:
            raise NtbTraceError(f"{plain(found[0])} has {count} lines")
        raise NtbTraceError(f"there is no text of {plain(found[0])} here: name its directory with --source DIR")
    yield from listed


def source_of_here(session: "Session") -> Iterator[str]:
    """Each step of the chain that led to the event here (to its cause), the innermost first. Raises NtbTraceError."""
    here = session.here
    if here is None:
        raise NtbTraceError("at the start there is no event: `step` goes to the first one")
    frames = session.guests_code.frames(here.seq if here.cause is None else here.cause)
    told = [frame for frame in frames or () if frame.line]
    if not told:
        raise NtbTraceError(f"it is not known which line made event {here.seq}: {_missing(session)}")
    for frame in told:
        yield f"{plain(frame.name)} [{plain(frame.file.rpartition('/')[2])}:{frame.line}]"
        text = list(_lines(session, frame.file, frame.line, NEAR, {frame.line}))
        yield from text or ["        (its text is not here: name its directory with --source DIR)"]


def _lines(session: "Session", file: str, line: int, around: int, marked: set[int]) -> Iterator[str]:
    """`around` lines before this one and behind it; none if the file's text is not here."""
    for number, text in session.sources.around(file, line, around, around):
        yield f"{'>' if number in marked else ' '}{number:>6}  {plain(text.expandtabs(8))}".rstrip()


def _missing(session: "Session") -> str:
    return "; ".join(map(plain, session.guests_code.problems)) or "the recording does not tell"
