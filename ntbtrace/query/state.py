# SPDX-License-Identifier: GPL-2.0-or-later
"""Expressions that ask the device ($NTCTL.CPEN, old, new): which they are, and what can be said of them without it."""

from ntbtrace.query.nodes import FieldOf, Held, InCode, IsRegister, Logic, Moved, Name, Node, Number, OfCode, children

TRUE = Number(1)


def asks(node: Node) -> bool:
    """Whether the node's value depends on the device."""
    return isinstance(node, Moved | Held) or any(map(asks, children(node)))


def needs_event(node: Node) -> bool:
    """Whether the node's value depends on an event."""
    return isinstance(node, Name | FieldOf | IsRegister | OfCode | InCode | Moved) or any(
        map(needs_event, children(node))
    )


def without(node: Node) -> Node:
    """A node on the event alone that is true wherever `node` is, and often where it is not."""
    if not asks(node):
        return node
    if isinstance(node, Logic):
        parts = tuple(without(one) for one in node.operands)
        if node.op == "or":
            return TRUE if TRUE in parts else Logic("or", parts)
        kept = tuple(one for one in parts if one != TRUE)
        if kept:
            return kept[0] if len(kept) == 1 else Logic("and", kept)
    return TRUE
