# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables: for people aligned text, for programs JSON or CSV."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

Cell = int | float | str | None


@dataclass(frozen=True)
class Table:
    """`rows` have a cell for each of `headings`; numbers are aligned to the right."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def form_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", dest="form", action="store_const", const="json", help="for programs: JSON")
    group.add_argument("--csv", dest="form", action="store_const", const="csv", help="for programs: CSV")


def show_table(table: Table, form: str | None) -> None:
    """Print the table as text (None), 'json' (a list of objects) or 'csv'."""
    if form == "json":
        import json

        print(json.dumps([dict(zip(table.headings, row, strict=True)) for row in table.rows], indent=1))
    elif form == "csv":
        import csv

        writer = csv.writer(sys.stdout)
        writer.writerow(table.headings)
        writer.writerows(table.rows)
    else:
        for line in _text(table):
            print(line)


def _text(table: Table) -> Sequence[str]:
    if not table.rows:
        return [f"{table.title}: none"]
    cells = [list(table.headings), *([_cell(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.headings))]
    right = [all(not isinstance(row[i], str) for row in table.rows) for i in range(len(table.headings))]
    return [
        table.title,
        *(
            "  ".join(
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in cells
        ),
    ]


def _cell(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
