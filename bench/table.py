# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure: one measured number beside its limit; `report` prints them and says whether all were met."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`limit` is the least allowed value, or the greatest when `at_most`; None: only for comparison."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool:
        if self.limit is None:
            return True
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def margin(self) -> float:
        """How many times better than the limit; under 1 is a miss."""
        assert self.limit is not None
        return self.limit / self.value if self.at_most else self.value / self.limit


def report(figures: Iterable[Figure]) -> int:
    """Print the table; the exit code: 1 if a limit is missed."""
    figures = list(figures)
    print(f"{'figure':<58} {'measured':>12} {'limit':>12} {'margin':>7}")
    for figure in figures:
        measured = f"{figure.value:,.3g}" if figure.value < 100 else f"{figure.value:,.0f}"
        line = f"{figure.name:<58} {measured:>12} "
        if figure.limit is not None:
            limit = f"{'<=' if figure.at_most else '>='} {figure.limit:,g}"
            line += f"{limit:>12} {figure.margin:>6.2f}x {'' if figure.met else 'MISSED'}"
        print(f"{line} {figure.unit}".rstrip())
    return 0 if all(figure.met for figure in figures) else 1
