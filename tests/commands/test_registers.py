# SPDX-License-Identifier: GPL-2.0-or-later
"""`ntbtrace registers`: names, addresses, values, profiles, and docs/registers.md, which it makes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import device
from ntbtrace import cli
from ntbtrace.commands.chip import EVERYTHING, Chip, ranges
from ntbtrace.commands.register_page import page
from ntbtrace.trace.registers import RegisterTable

PAGE = Path(__file__).parents[2] / "docs" / "registers.md"


@pytest.fixture(scope="module")
def chip() -> Chip:
    return Chip()


def ask(capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    assert cli.main(["registers", *map(str, words)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    try:
        code = cli.main(["registers", *map(str, words)])
    except SystemExit as error:  # argparse's
        code = int(str(error.code))
    captured = capsys.readouterr()
    assert (code, captured.out, captured.err.count("\n")) == (2, "", 1)
    return captured.err


def fields(lines: list[str]) -> dict[str, str]:
    """Of a decoded value: what stands behind each field's reset, or that."""
    at = next(n for n, line in enumerate(lines) if line.split()[:2] == ["bits", "field"])
    rows = [line.split() for line in lines[at + 1 :] if "reserved" not in line]
    return {words[1]: words[min(4, len(words) - 1)] for words in rows}


def test_the_list_has_every_row_once(capsys: pytest.CaptureFixture[str], chip: Chip) -> None:
    first_words = [line.split()[0] for line in ask(capsys) if line.startswith("  ")]
    assert [word for word in first_words if word != "name"] == [row.label for row in chip.rows]
    assert sum(len(row.elements) for row in chip.rows) > 400


def test_a_register(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ask(capsys, "NTINTMSK")
    assert lines[0].startswith("NTINTMSK: Interrupt masks.")
    assert "0x408 in the NT function" in lines[1]
    assert "port 0 at 0x1408, port 2 at 0x5408" in lines[1]
    assert "ntb_hw_idt.h: IDT_NT_NTINTMSK" in lines[2]
    assert [line.split() for line in lines[4:]] == [
        ["7", "TMPSENSOR", "RW", "1"], ["3", "SEVENT", "RW", "1"], ["1", "DBELL", "RW", "1"], ["0", "MSG", "RW", "1"],
    ]  # fmt: skip


@pytest.mark.parametrize("words", [("PLX_CTRL", "0x4000174C"), ("PLX_INTR",), ("NTCTL",)])
def test_the_column_of_fields_is_as_wide_as_the_longest(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    heading, *lines = ask(capsys, *words)[3:]
    at = heading.index("access")
    assert {line[at - 1 : at + 1] for line in lines} <= {" R", " W"}


def test_the_column_of_names_is_as_wide_as_the_longest(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in ask(capsys) if line.startswith("  ")]
    at = lines[0].index("address")
    assert {line[at - 1 : at + 1] for line in lines} <= {" a", " 0", " -"}


def test_a_name_in_any_case_an_element_an_array_and_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "ntctl") == ask(capsys, "NTCTL")
    element, array = ask(capsys, "barsetup2"), ask(capsys, "BARSETUP")
    assert (element[0].split(":")[0], array[0].split(":")[0]) == ("BARSETUP2", "BARSETUP[0-5]")
    assert "0x490 in" in element[1]
    assert "0x470, then every 0x10 in" in array[1]
    assert element[2:] == array[2:]
    assert any(line.split() == ["12:11", "ATRAN", "RW", "unproven", "0", "DIR,", "1", "LUT12,", "2", "LUT24"]
               for line in element)  # fmt: skip
    assert "address  none" in ask(capsys, "NTMTBL3")[1]
    assert "0x3e244 in the global space" in ask(capsys, "SWPORT2STS")[1]


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("0x408", ["NTINTMSK"]), ("1032", ["NTINTMSK"]), ("0x40a", ["NTINTMSK"]), ("0x5400", ["NTCTL of port 2"]),
        ("0x19408", ["NTINTMSK of port 12"]), ("0x3E000", ["CTL"]), ("0x3e244", ["SWPORT2STS"]),
        ("0x1004", ["PCICMDSTS of port 0", "LUTOFF"]),
    ],
)  # fmt: skip
def test_an_address(capsys: pytest.CaptureFixture[str], address: str, names: list[str]) -> None:
    assert [line.split(":")[0] for line in ask(capsys, address) if not line.startswith(" ")] == names


def test_every_element_is_found_at_its_address_and_by_its_name(chip: Chip) -> None:
    for row in chip.rows:
        for one in row.elements:
            assert chip.named(one.name).elements == (one,)
            if row.addressed:
                assert (row, (one,)) in [found[:2] for found in chip.at(one.offset)]


def test_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ask(capsys, "BARSETUP2", "0x80002d44")
    assert fields(lines) == {
        "EN": "1", "TPART": "1", "ATRAN": "1(LUT12)", "MODE": "1(CFG)", "SIZE": "0x14", "PREF": "0", "TYPE": "2(64)",
    }  # fmt: skip
    assert "reserved" not in "".join(lines)


def test_reserved_bits_that_are_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "NTCTL", "0x80000012")[-1] == "  reserved, and set: bits 31, 4"
    assert ask(capsys, "NTCTL", "0x10")[-1] == "  reserved, and set: bit 4"


def test_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert fields(ask(capsys, "ntctl.cpen")) == {"CPEN": "unproven"}
    assert fields(ask(capsys, "NTCTL.CPEN", "0x2")) == {"CPEN": "1"}
    assert fields(ask(capsys, "SWPORT0STS.MODE", "0xd0")) == {"MODE": "3(NT)"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["NTCTLL"], "did you mean NTCTL or"), (["zzz"], "there is no register zzz"),
        (["NTCTL.CPN"], "NTCTL has no field CPN: did you mean CPEN?"), (["NTCTL.zzz"], "it has IDPROTDIS, CPEN"),
        (["0x500"], "the nearest are NTCEEM at 0x4f4 and NTUEEM at 0x4f0"), (["0x40000"], "there is no register at"),
        (["0x5x"], "an address must be a whole number"), (["SWPORT16STS"], "the 89HPES24NT6AG2 does not have"),
        (["NTCTL", "0x100000000"], "VALUE must fit in 32 bits"), (["NTCTL", "two"], "must be a whole number"),
        (["NTCTL", "-1"], "VALUE"), (["--markdown", "NTCTL"], "--markdown"), (["--profile", "/none"], "/none"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], says: str) -> None:
    assert says in refused(capsys, *words)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1).filter(lambda text: not text.startswith("-")), value=st.integers(0, (1 << 32) - 1))
def test_whatever_is_asked(capsys: pytest.CaptureFixture[str], name: str, value: int) -> None:
    assert cli.main(["registers", name, str(value)]) in (0, 2)
    assert "internal error" not in capsys.readouterr().err


def test_a_profile_decides_ports_and_what_stands_beside(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    path.write_text('chip = "89HPES16NT16G2"\n[[port]]\nnumber = 16\npartition = 3\n')
    assert "at 0x21400" in ask(capsys, "NTCTL", "--profile", path)[1]
    assert [line for line in ask(capsys, "0x21400", "--profile", path) if line.startswith("NTCTL of port 16")]
    assert "SWPORT16STS:" in ask(capsys, "SWPORT16STS", "--profile", path)[0]
    assert "LUTOFF" not in [line.split()[0] for line in ask(capsys, "--profile", path) if line]
    assert "there is no register at 0x1400" in refused(capsys, "0x1400", "--profile", path)
    assert "there is no register LDATA" in refused(capsys, "LDATA", "--profile", path)


def test_the_page_is_not_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["registers", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text(), f"{PAGE.name} is stale: run `make docs`"


def test_the_page_has_every_register_field_and_value_name(chip: Chip) -> None:
    text = page(chip)
    table = device.register_table(EVERYTHING)
    assert text.count("\n### ") == len(chip.rows) == len(table["registers"])
    assert text.count("| unproven |") == sum(one[5] is None for row in table["registers"] for one in row["fields"]) > 50
    names = RegisterTable(table)
    assert all(
        name in text for row in table["registers"] for one in names.fields(row["id"]) for name in one.values.values()
    )
    assert "IDT_BARSETUP_TYPE_FLD" in text


@pytest.mark.parametrize(
    ("numbers", "text"), [([0], "0"), ([0, 1], "0,1"), ([0, 1, 2], "0-2"), ([0, 2, 4, 5, 6, 9], "0,2,4-6,9")]
)
def test_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text
