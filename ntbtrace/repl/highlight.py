# SPDX-License-Identifier: GPL-2.0-or-later
"""What each piece of a line is: of what the user types, and of what the debugger says. Names of style.py."""

import re
from collections.abc import Iterator

from ntbtrace.query.nodes import Column
from ntbtrace.repl.names import MOVED, WORDS
from ntbtrace.trace.registers import RegisterTable

Parts = list[tuple[str, str]]

_TOKEN = re.compile(
    r"(?P<number>\b0x[0-9a-fA-F]+\b|\b\d+(?:\.\d+)?(?:s|ms|us|ns|%)?(?!\w))"
    r"|(?P<name>\$?[A-Za-z_][\w-]*)"
    r"|(?P<cause><- \d+)"
    r"|(?P<status>\[[a-z ]+\d*\])"
    r"|(?P<changed>^\*|(?<= )\*(?= ))"
    r"|(?P<operator>==|!=|<=|>=|<<|>>|[-+*/%&|^~<>])"
)
_KEYWORDS = frozenset((*WORDS, *MOVED, *map(str, Column), "if"))


class Highlighter:
    """`registers`: whose names are known."""

    def __init__(self, registers: RegisterTable) -> None:
        self._registers = frozenset(registers.names())

    def output(self, text: str) -> Parts:
        return list(self._parts(text, _said))

    def typed(self, text: str) -> Parts:
        """A command line: its first word is a command."""
        first = re.match(r"\s*[A-Za-z][\w-]*", text)
        if first is None:
            return list(self._parts(text, _typed))
        return [("class:command", first[0]), *self._parts(text[first.end() :], _typed)]

    def _parts(self, text: str, kinds: dict[str, str]) -> Iterator[tuple[str, str]]:
        at = 0
        for match in _TOKEN.finditer(text):
            style = self._style(match, kinds)
            if style:
                if match.start() > at:
                    yield "", text[at : match.start()]
                yield style, match[0]
                at = match.end()
        if at < len(text):
            yield "", text[at:]

    def _style(self, match: re.Match[str], kinds: dict[str, str]) -> str:
        kind = match.lastgroup or ""
        if kind != "name":
            return kinds.get(kind, "")
        if match[0].lstrip("$").upper() in self._registers:
            return "class:register"
        return kinds["keyword"] if match[0] in _KEYWORDS else ""


_typed = {"number": "class:number", "operator": "class:operator", "keyword": "class:keyword"}
_said = {
    "number": "class:number",
    "cause": "class:cause",
    "status": "class:status",
    "changed": "class:changed",
    "keyword": "",
}
