# SPDX-License-Identifier: GPL-2.0-or-later
"""What `--no-payload` keeps: equal stays equal, length stays, bytes go."""

from hypothesis import given
from hypothesis import strategies as st

from ntbtrace.capture.privacy import Concealer


@given(st.binary(max_size=200))
def test_length_stays_and_equal_data_stays_equal(data: bytes) -> None:
    concealer = Concealer()
    assert len(concealer.conceal(data)) == len(data)
    assert concealer.conceal(data) == concealer.conceal(data)


@given(st.binary(min_size=16, max_size=200))
def test_bytes_are_gone_and_the_key_is_of_one_recording(data: bytes) -> None:
    assert Concealer().conceal(data) != data
    assert Concealer().conceal(data) != Concealer().conceal(data)


@given(st.integers(0, 2**64 - 1))
def test_an_access_and_its_memory_effect_agree(value: int) -> None:
    concealer = Concealer()
    data = value.to_bytes(8, "little")
    assert concealer.conceal_int(value, 8) == int.from_bytes(concealer.conceal(data), "little")
