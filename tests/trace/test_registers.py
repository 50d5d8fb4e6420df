# SPDX-License-Identifier: GPL-2.0-or-later
"""The register table of a trace: names, owners, fields, and what a wrong name is answered with."""

import pytest

from ntbtrace.errors import NtbTraceError
from ntbtrace.trace.registers import Field, RegisterTable
from tests.trace.making import REGISTERS


@pytest.fixture
def table() -> RegisterTable:
    return RegisterTable(REGISTERS)


@pytest.mark.parametrize(
    ("target", "name", "owner"),
    [(0, "", None), (1, "NTCTL", 0), (2 << 24 | 1, "NTCTL", 2), (2, "OUTMSG0", 0), (5, "OUTMSG3", 0),
     (0xFF << 24 | 10, "SWP2MSGCTL0", 0xFF), (2 << 24 | 77, "#77", 2), (2 << 24, "", 2)],
)  # fmt: skip
def test_name_and_owner(table: RegisterTable, target: int, name: str, owner: int | None) -> None:
    assert (table.name(target), table.owner(target)) == (name, owner)


def test_fields(table: RegisterTable) -> None:
    assert table.fields(2 << 24 | 1) == (
        Field("IDPROTDIS", 0, 1, "RW", {}, 0),
        Field("CPEN", 1, 1, "RW", {0: "off", 1: "on"}, None),
    )
    assert table.fields(2) == table.fields(0) == table.fields(77) == ()


@pytest.mark.parametrize(
    ("name", "ids"),
    [("NTCTL", [1]), ("ntctl", [1]), ("OUTMSG2", [4]), ("OUTMSG", [2, 3, 4, 5]), ("SWP0MSGCTL0", [9]),
     ("SWPMSGCTL0", [9, 10])],
)  # fmt: skip
def test_find(table: RegisterTable, name: str, ids: list[int]) -> None:
    assert table.find(name) == ids


def test_a_wrong_name(table: RegisterTable) -> None:
    with pytest.raises(NtbTraceError, match=r"there is no register NTCTRL: did you mean NTCTL\?"):
        table.find("NTCTRL")
    with pytest.raises(NtbTraceError, match="no similar name"):
        table.find("zzz")
