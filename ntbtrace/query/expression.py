# SPDX-License-Identifier: GPL-2.0-or-later
"""Expression: the text a user wrote, parsed; and what can be asked of it."""

from collections.abc import Callable
from functools import cached_property

from ntbtrace.event import Event
from ntbtrace.query.nodes import Node
from ntbtrace.query.one import Moment, compile_node
from ntbtrace.query.parser import Asking, Names, Parser
from ntbtrace.query.skip import Contents, verdict
from ntbtrace.query.state import asks, needs_event, without


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

    @cached_property
    def asks_device(self) -> bool:
        """It needs `at`: its value is not in the event alone."""
        return asks(self.root)

    @cached_property
    def needs_event(self) -> bool:
        """It has a value only for an event; else the device is enough."""
        return needs_event(self.root)

    @cached_property
    def without_device(self) -> "Expression":
        """One on the event alone, true wherever this one is."""
        return Expression(self.text, without(self.root)) if self.asks_device else self

    def at(self, moment: Moment) -> Callable[[Event], int | None]:
        """Its value for the event that `moment` is around."""
        return compile_node(self.root, moment)

    def __str__(self) -> str:
        return self.text


def parse(text: str, names: Names, asking: Asking = Asking.NOTHING) -> Expression:
    """The expression in `text`; `names` are the trace's registers; `asking`: what it may ask the device.

    Raises NtbTraceError that says where, and which names there are near a wrong one.
    """
    return Expression(text, Parser(text, names, asking).parse())
