# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables as a whole, and the copy of them that goes into a trace."""

import json

import device
from device.idt.maps import BEHIND, INBOUND, NT, SWITCH
from device.plx.registers import PLX
from tests.device.making import ALL_ROWS

TABLES = (NT, SWITCH, BEHIND, INBOUND, PLX)
PLACES = [place for table in TABLES for place in table.places]


def test_every_row_says_what_it_is_and_who_says_so():
    for table in TABLES:
        for row in table.rows:
            assert row.doc.endswith("."), row.name
            assert any(word in row.source for word in ("ntb_hw_idt.h", "plx_dma.c", "Specification", "inferred")), (
                row.name
            )


def test_names_and_ids_are_unique():
    assert len({place.name for place in PLACES}) == len(PLACES)
    assert len({place.id for place in PLACES}) == len(PLACES)
    assert min(place.id for place in PLACES) == 1


def test_ids_do_not_move():
    """They stand in traces: the first and last of each table, so that a row put in between is noticed."""
    ends = [(table.places[0].name, table.places[0].id, table.places[-1].name, table.places[-1].id) for table in TABLES]
    assert ends == [
        ("PCIID", 1, "GASADATA", 89), ("CTL", 1025, "SMBUSCBHL", 1143), ("NTMTBL0", 2049, "LUT4UDATA23", 2256),
        ("TPART", 2817, "HLIMIT", 2822), ("PLX_PCIID", 3073, "PLX_INTR", 3093),
    ]  # fmt: skip


def test_the_table_in_a_trace_names_every_register():
    table = device.register_table(ALL_ROWS)
    assert json.loads(json.dumps(table)) == table
    named = {}
    for row in table["registers"]:
        for step, index in enumerate([None] if row["indices"] is None else row["indices"]):
            named[row["id"] + step] = (
                row["name"].replace("{}", str(index)),
                row["offset"] + row["stride"] * (index or 0),
            )
        assert row["width"] == 32
        assert row["space"] in ("nt", "switch", "behind", "inbound", "plx")
        assert row["fields"]
        for name, lsb, width, access, values, reset, doc in row["fields"]:
            assert isinstance(doc, str)
            assert name.isupper()
            assert 0 <= lsb < lsb + width <= 32
            assert access in ("RO", "RW", "RW1C", "WO")
            assert all(0 <= int(value) < 1 << width for value in values)
            assert reset is None or 0 <= reset < 1 << width
    assert named == {place.id: (place.name, place.offset) for place in PLACES}
