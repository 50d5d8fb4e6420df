# SPDX-License-Identifier: GPL-2.0-or-later
"""What print says of an expression: hex and decimal, and the names that its value has."""

import pytest

from tests.repl.driver import Debugger


@pytest.mark.parametrize(("expression", "said"), [
    ("kind", "0x4 mmio_write"), ("status", "0x0 ok"), ("t", "0x1fae854d4 (8504497364) 8.504497 s"), ("port", "0x2"),
    ("seq", "0x3ca (970)"), ("value", "0x1"), ("kind == irq", "0x0"), ("2:NTCTL", "0x2 CPEN=1"), ("$NTCTL.CPEN", "0x1"),
    ("0:INTRLINE.PIN", "0x1 INTA"), ("reg", "0x22 (34) NTGSIGNAL"),
    ("cause", "nothing: the event here does not have it"), ("0:SESTS", "nothing: that port does not have it"),
])  # fmt: skip
def test_print(pingpong: Debugger, expression: str, said: str) -> None:
    assert pingpong("goto 970", f"print {expression}")[-1] == f"{expression} = {said}"
