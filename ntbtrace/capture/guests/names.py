# SPDX-License-Identifier: GPL-2.0-or-later
"""RegisterNames: offsets and masks by the driver's names, derived from the device's own register table."""

from typing import Any


class RegisterNames:
    """`offset("NTCTL")` in the NT function, `switch_offset("SESTS")` in the global space, `mask("NTCTL.CPEN")`."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._offsets: dict[str, dict[str, int]] = {"nt": {}, "switch": {}}
        self._fields: dict[str, tuple[int, int]] = {}
        for row in table["registers"]:
            indices = row["indices"]
            for index in indices if indices is not None else [None]:
                name = row["name"] if index is None else row["name"].format(index)
                self._offsets.setdefault(row["space"], {})[name] = row["offset"] + row["stride"] * (index or 0)
                for field, lsb, width, *_ in row["fields"]:
                    self._fields[f"{name}.{field}"] = (lsb, width)

    def offset(self, name: str) -> int:
        return self._offsets["nt"][name]

    def switch_offset(self, name: str) -> int:
        return self._offsets["switch"][name]

    def mask(self, field: str) -> int:
        lsb, width = self._fields[field]
        return ((1 << width) - 1) << lsb

    def put(self, field: str, value: int) -> int:
        """`value` at the field's place."""
        lsb, width = self._fields[field]
        return (value & ((1 << width) - 1)) << lsb

    def get(self, field: str, register: int) -> int:
        lsb, width = self._fields[field]
        return register >> lsb & ((1 << width) - 1)
