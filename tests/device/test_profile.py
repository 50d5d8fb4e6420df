# SPDX-License-Identifier: GPL-2.0-or-later
"""Which profiles are taken, and what is said about the others."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.profile import DEFAULT, Profile, ProfileError

GOOD = {"number": 0, "partition": 0, "bars": {"BAR0": "registers", "BAR2": "1M"}}


def port(**changes):
    return {"port": [{**GOOD, **changes}]}


def test_the_default_is_two_ports_with_a_partition_and_two_windows_each():
    assert DEFAULT.chip == "89HPES24NT6AG2"
    assert [(one.number, one.partition, dict(one.windows)) for one in DEFAULT.ports] == [
        (0, 0, {2: 1 << 20, 3: 1 << 20}), (2, 1, {2: 1 << 20, 3: 1 << 20}),
    ]  # fmt: skip
    assert DEFAULT.port_numbers == (0, 2)
    assert DEFAULT.chip_ports == (0, 2, 4, 6, 8, 12)


@pytest.mark.parametrize(("size", "number"), [("16K", 1 << 14), ("2m", 1 << 21), ("2G", 1 << 31), (16, 16)])
def test_sizes(size, number):
    profile = Profile.from_mapping(port(bars={"BAR0": "registers", "BAR5": size}))
    assert profile.ports[0].windows == {5: number}


def test_it_survives_json():
    assert Profile.from_mapping(json.loads(json.dumps(DEFAULT.to_mapping()))) == DEFAULT


@pytest.mark.parametrize(("mapping", "says"), [
    ({}, "must have at least one"),
    (5, "a profile must be a table, not 5"),
    ([GOOD], "a profile must be a table"),
    ({"port": []}, "must have at least one"),
    ({"port": [7]}, "must be a table, not 7"),
    ({"chip": "89HPES99", "port": [GOOD]}, r"chip must be one of 89HPES24NT6AG2, .*, not '89HPES99'"),
    ({"chip": ["x"], "port": [GOOD]}, "chip must be one of"),
    ({"ports": [GOOD]}, "the profile has chip, port, not 'ports'"),
    (port(colour="red"), r"\[\[port\]\] has bars, number, partition, not 'colour'"),
    (port(number=1), r"must be one of \[0, 2, 4, 6, 8, 12\] on the 89HPES24NT6AG2, not 1"),
    (port(number=16), "not 16"),
    (port(number=True), "not True"),
    (port(number=[0]), r"not \[0\]"),
    (port(partition=8), "port 0: partition must be 0 to 7, not 8"),
    (port(partition="1"), "not '1'"),
    ({"port": [GOOD, {**GOOD, "partition": 1}]}, "port 0 stands twice"),
    ({"port": [GOOD, {**GOOD, "number": 2}]}, "ports 0 and 2 are both in partition 0: .* a partition of its own"),
    (port(bars=3), "port 0: bars must be a table, not 3"),
    (port(bars={"BAR2": "1M"}), "BAR0 must be 'registers'"),
    (port(bars={"BAR0": "1M"}), "BAR0 must be 'registers', not '1M'"),
    (port(bars={"BAR0": "registers", "BAR2": "registers"}), "BAR0 and BAR2 overlap"),
    (port(bars={"BAR0": "registers", "BAR6": "1M"}), "BAR0 to BAR5, not 'BAR6'"),
    (port(bars={"BAR0": "registers", "BAR2": "2G", "BAR3": "2G"}), "fit below 4G together, not take 0x100000000 bytes"),
    (port(bars={"BAR0": "registers", 5: "1M"}), "BAR0 to BAR5, not 5"),
    *[(port(bars={"BAR0": "registers", "BAR2": size}), rf"BAR2: a window must be a power of two .*, not {size!r}")
      for size in ("3M", "1T", "M", "-1M", 0, 8, 3 << 20, 1 << 32, None, 1.5, True, "9" * 11 + "K", "4G", "1_0M")],
])  # fmt: skip
def test_what_is_wrong_is_said(mapping, says):
    with pytest.raises(ProfileError, match=says) as error:
        Profile.from_mapping(mapping)
    assert "\n" not in str(error.value)


_WORDS = ("registers", "1M", "BAR0", "BAR2", "number", "partition", "bars", "chip", "port")
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
