# SPDX-License-Identifier: GPL-2.0-or-later
"""Expression: the text a user wrote, parsed; and what can be asked of it."""

from collections.abc import Callable
from functools import cached_property

from ntbtrace.event import Event
from ntbtrace.query.nodes import Node
from ntbtrace.query.one import compile_node
from ntbtrace.query.parser import Names, Parser
from ntbtrace.query.skip import Contents, verdict


class Expression:
    """`text` as written; `root` its tree. True for an event when its value is there and not 0."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root

    @cached_property
    def value(self) -> Callable[[Event], int | None]:
        """Its value for an event, None for nothing."""
        return compile_node(self.root)

    def test(self, event: Event) -> bool:
        return bool(self.value(event))

    def may_match(self, contents: Contents) -> bool:
        """False when what is known of a block rules every event in it out."""
        return verdict(self.root, contents).may_be_true

    def __str__(self) -> str:
        return self.text


def parse(text: str, names: Names) -> Expression:
    """The expression in `text`; `names` are the trace's registers.

    Raises NtbTraceError that says where, and which names there are near a wrong one.
    """
    return Expression(text, Parser(text, names).parse())
