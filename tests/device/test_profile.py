# SPDX-License-Identifier: GPL-2.0-or-later
"""Which profiles are taken, and what is said about the others."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.idt.chips import CHIPS
from device.profile import DEFAULT, Profile, ProfileError, Window
from tests.device.making import RICH, World

GOOD = {"number": 0, "partition": 0, "bars": {"BAR0": "registers", "BAR2": "1M"}}


def port(**changes):
    return {"port": [{**GOOD, **changes}]}


def test_the_default_is_two_ports_with_a_partition_and_two_windows_each():
    assert DEFAULT.chip == "89HPES24NT6AG2"
    assert [(one.number, one.partition, dict(one.windows)) for one in DEFAULT.ports] == [
        (0, 0, {2: Window(1 << 20), 3: Window(1 << 20)}), (2, 1, {2: Window(1 << 20), 3: Window(1 << 20)}),
    ]  # fmt: skip
    assert DEFAULT.port_numbers == (0, 2)
    assert DEFAULT.chip_ports == (0, 2, 4, 6, 8, 12)


@pytest.mark.parametrize(("size", "number"), [("16K", 1 << 14), ("2m", 1 << 21), ("2G", 1 << 31), (16, 16)])
def test_sizes(size, number):
    profile = Profile.from_mapping(port(bars={"BAR0": "registers", "BAR5": size}))
    assert profile.ports[0].windows == {5: Window(number)}


@pytest.mark.parametrize("profile", [DEFAULT, RICH], ids=["default", "rich"])
def test_it_survives_json(profile):
    assert Profile.from_mapping(json.loads(json.dumps(profile.to_mapping()))) == profile


def test_windows_doorbells_and_what_stands_beside():
    first, second, third = RICH.ports
    assert first.windows == {2: Window(1 << 20, "lut12", 64), 4: Window(1 << 26, "lut24", 32)}
    assert (third.bells_set, third.bells_seen, third.dma) == (0xFFFF, 0xF00F, False)
    assert (second.bells_set, second.bells_seen) == (0xFFFF_FFFF, 0xFFFF_FFFF)
    assert RICH.inbound_windows
    assert RICH.wide_bars == ["port 0 BAR2", "port 12 BAR2", "port 12 BAR4"]
    assert (DEFAULT.inbound_windows, DEFAULT.wide_bars, DEFAULT.dma) == (False, [], False)
    assert Profile.from_mapping(port(dma=True)).dma


def bar(number=2, **window):
    return port(bars={"BAR0": "registers", f"BAR{number}": {"size": "1M", **window}})


LUT24 = {"size": "1M", "type": "lut24"}
WIDE = {"size": "1M", "width": 64}


@pytest.mark.parametrize(("mapping", "says"), [
    ({}, "must have at least one"),
    (5, "a profile must be a table, not 5"),
    ([GOOD], "a profile must be a table"),
    ({"port": []}, "must have at least one"),
    ({"port": [7]}, "must be a table, not 7"),
    ({"chip": "89HPES99", "port": [GOOD]}, r"chip must be one of 89HPES24NT6AG2, .*, not '89HPES99'"),
    ({"chip": ["x"], "port": [GOOD]}, "chip must be one of"),
    ({"ports": [GOOD]}, "the profile has chip, inbound_windows, port, not 'ports'"),
    ({**port(), "inbound_windows": 1}, "the profile: inbound_windows must be true or false, not 1"),
    (port(colour="red"), r"\[\[port\]\] has bars, bells, dma, number, partition, not 'colour'"),
    (port(dma="yes"), "port 0: dma must be true or false, not 'yes'"),
    (port(bells=3), "port 0: bells must be a table, not 3"),
    (port(bells={"ring": 3}), "port 0: bells has see, set, not 'ring'"),
    (port(bells={"set": -1}), "port 0: bells.set must be a mask of 32 bits, not -1"),
    (port(bells={"see": 1 << 32}), "port 0: bells.see must be a mask of 32 bits, not 4294967296"),
    (bar(type="lut"), "BAR2: type must be one of direct, lut12, lut24, not 'lut'"),
    (bar(type=["direct"]), "type must be one of"),
    (bar(3, type="lut12"), "port 0: BAR3: a lookup table must be at BAR2 or BAR4, not at BAR3"),
    (bar(width=16), "BAR2: width must be 32 or 64, not 16"),
    (bar(3, width=64), "BAR3: a 64-bit window must be at BAR2 or BAR4, not at BAR3"),
    (bar(colour="red"), "BAR2 has size, type, width, not 'colour'"),
    (bar(size=128, type="lut12"), "a 32-bit lut12 window must be a power of two from 256 to 2147483648"),
    (bar(size=256, type="lut24"), "a 32-bit lut24 window must be a power of two from 512 to 2147483648"),
    (bar(size=1 << 41, width=64), "a 64-bit direct window must be a power of two from 16 to 1099511627776"),
    (port(bars={"BAR0": "registers", "BAR2": WIDE, "BAR3": "1M"}), "BAR2 and BAR3 overlap: a 64-bit BAR takes"),
    (port(bars={"BAR0": "registers", "BAR2": LUT24, "BAR4": LUT24}),
     "port 0: BAR2 and BAR4 are both 'lut24': only one of them can have 24 entries"),
    (port(number=1), r"must be one of \[0, 2, 4, 6, 8, 12\] on the 89HPES24NT6AG2, not 1"),
    (port(number=16), "not 16"),
    (port(number=True), "not True"),
    (port(number=[0]), r"not \[0\]"),
    (port(partition=8), "port 0: partition must be 0 to 7, not 8"),
    (port(partition="1"), "not '1'"),
    ({"port": [GOOD, {**GOOD, "number": 2, "partition": 2}, {**GOOD, "partition": 1}]},
     r"port 0 stands twice in the profile, as \[\[port\]\] 1 and 3: a port has one guest"),
    ({"port": [GOOD, {**GOOD, "number": 2}]}, "ports 0 and 2 are both in partition 0: .* a partition of its own"),
    (port(bars=3), "port 0: bars must be a table, not 3"),
    (port(bars={"BAR2": "1M"}), "BAR0 must be 'registers'"),
    (port(bars={"BAR0": "1M"}), "BAR0 must be 'registers', .*, not '1M'"),
    (port(bars={"BAR0": "registers", "BAR2": "registers"}), "BAR0 and BAR2 overlap"),
    (port(bars={"BAR0": "registers", "BAR6": "1M"}), "BAR0 to BAR5, not 'BAR6'"),
    (port(bars={"BAR0": "registers", "BAR2": "2G", "BAR3": "2G"}),
     r"port 0: its 32-bit BARs \(BAR2 and BAR3\) must fit below 4G together, not take 0x100000000 bytes"),
    (port(bars={"BAR0": "registers", 5: "1M"}), "BAR0 to BAR5, not 5"),
    *[(port(bars={"BAR0": "registers", "BAR2": size}), rf"size of a 32-bit direct window must be .*, not {size!r}")
      for size in ("3M", "1T", "M", "-1M", 0, 8, 3 << 20, 1 << 32, None, 1.5, True, "9" * 11 + "K", "4G", "1_0M")],
])  # fmt: skip
def test_what_is_wrong_is_said(mapping, says):
    with pytest.raises(ProfileError, match=says) as error:
        Profile.from_mapping(mapping)
    assert "\n" not in str(error.value)


_WORDS = (
    "registers", "1M", "BAR0", "BAR2", "number", "partition", "bars", "chip", "port", "size", "type", "width", "lut12",
    "bells", "set", "dma",
)  # fmt: skip
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from((*_WORDS, "9" * 5000 + "M")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_WORDS) | st.integers() | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(("chip", "port", "x")), _ANY, max_size=3))
def test_nonsense_is_a_profile_error_and_nothing_else(mapping):
    try:
        profile = Profile.from_mapping(mapping)
    except ProfileError:
        return
    assert Profile.from_mapping(profile.to_mapping()) == profile


EXAMPLES = sorted((Path(__file__).parents[2] / "docs/profiles").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_in_the_documentation_are_switches(path):
    profile = Profile.from_mapping(tomllib.loads(path.read_text()))
    assert tuple(World(profile).switch.endpoints) == profile.port_numbers
    assert all(chip in (path.parents[1] / "profiles.md").read_text() for chip in CHIPS)
