# SPDX-License-Identifier: GPL-2.0-or-later
"""Breakpoints: where a run stops, in either direction, and what is counted and done there."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ntbtrace.errors import NtbTraceError
from ntbtrace.query import Expression


@dataclass(frozen=True)
class Change:
    """A register that is watched, as target, and which of its bits."""

    target: int
    mask: int


@dataclass(frozen=True)
class Stop:
    """What is waited for. `text`: as the user would type it again.

    An event for which `condition` holds; with `changes`, one after which one of them is another, and the condition (if
    there is one) holds.
    """

    text: str
    condition: Expression | None
    changes: tuple[Change, ...] = ()


@dataclass
class Breakpoint:
    """`kind`: break, tbreak (gone after it was hit) or trace (says so and goes on)."""

    number: int
    kind: str
    stop: Stop
    enabled: bool = True
    ignore: int = 0  # this many hits more are passed by
    hits: int = 0
    commands: list[str] = field(default_factory=list)

    def hit(self) -> bool:
        """Count it; whether it is to be minded."""
        self.hits += 1
        if self.ignore:
            self.ignore -= 1
            return False
        return True


class Breakpoints:
    """By number, in the order in which they were set."""

    def __init__(self) -> None:
        self._all: dict[int, Breakpoint] = {}
        self._next = 1

    def add(self, kind: str, stop: Stop) -> Breakpoint:
        one = self._all[self._next] = Breakpoint(self._next, kind, stop)
        self._next += 1
        return one

    def get(self, number: int) -> Breakpoint:
        """Raises NtbTraceError."""
        if number not in self._all:
            there = ", ".join(map(str, self._all)) or "none"
            raise NtbTraceError(f"there is no breakpoint {number}: there are {there}" if self._all else
                                f"there is no breakpoint {number}: `break` sets one")  # fmt: skip
        return self._all[number]

    def delete(self, number: int) -> None:
        self.get(number)
        del self._all[number]

    def clear(self) -> None:
        self._all.clear()

    @property
    def enabled(self) -> list[Breakpoint]:
        return [one for one in self if one.enabled]

    def __iter__(self) -> Iterator[Breakpoint]:
        return iter(list(self._all.values()))

    def __len__(self) -> int:
        return len(self._all)
