# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated guests: seeded and repeatable, and what they send arrives."""

import tomllib
from pathlib import Path

import pytest

from device.profile import Profile
from ntbtrace.capture.guests.clients import INBUF
from ntbtrace.event import Event, Kind, port_of
from ntbtrace.replay.player import Player
from ntbtrace.trace import open_trace
from tests.support import events, simulate


def _without_times(path: Path) -> list[Event]:
    return [event._replace(t=0) for event in events(path)]


@pytest.mark.parametrize("workload", ["pingpong", "perf"])
def test_the_same_seed_gives_the_same_trace(tmp_path: Path, workload: str) -> None:
    first = simulate(tmp_path / "a.ntbt", workload, seed=7)
    again = simulate(tmp_path / "b.ntbt", workload, seed=7)
    other = simulate(tmp_path / "c.ntbt", workload, seed=8)
    assert _without_times(first) == _without_times(again)
    assert _without_times(first) != _without_times(other)


def test_pingpong_counts_every_bell(tmp_path: Path) -> None:
    trace = events(simulate(tmp_path / "a.ntbt", count=20))
    done = [event.data for event in trace if event.kind == Kind.CONSOLE and b"=" in (event.data or b"")]
    assert done == [b"pingpong=20", b"pingpong=20"]


def test_a_copy_arrives_in_the_peers_memory(tmp_path: Path) -> None:
    size = 512
    trace = events(simulate(tmp_path / "a.ntbt", "perf", size=size))
    sent = [event for event in trace if event.kind == Kind.MMIO_WRITE and event.bar == 2]
    arrived = [event for event in trace if event.kind == Kind.MEM_WRITE]
    assert [event.value for event in sent] == [event.value for event in arrived]
    assert [event.offset for event in arrived] == list(range(INBUF, INBUF + size, 4))
    assert {port_of(event.endpoint) for event in arrived} == {2}
    digests = [event.data for event in trace if event.kind == Kind.CONSOLE and b"=" in (event.data or b"")]
    assert len({text.split(b"=")[1] for text in digests if text}) == 1


WINDOWS = {
    "lut12": {"size": "1M", "type": "lut12"},
    "lut24": {"size": "64M", "type": "lut24"},
    "wide": {"size": "8G", "width": 64},
    "wide-lut12": {"size": "4G", "type": "lut12", "width": 64},
}


@pytest.mark.parametrize("window", WINDOWS)
def test_a_copy_arrives_through_every_type_of_window(tmp_path: Path, window: str) -> None:
    ports = [
        {"number": number, "partition": partition, "bars": {"BAR0": "registers", "BAR2": WINDOWS[window]}}
        for number, partition in ((0, 3), (12, 7))
    ]
    path = simulate(tmp_path / "a.ntbt", "perf", profile=Profile.from_mapping({"port": ports}))
    arrived = [event for event in events(path) if event.kind == Kind.MEM_WRITE]
    assert [event.offset for event in arrived] == list(range(INBUF, INBUF + 256, 4))
    assert {port_of(event.endpoint) for event in arrived} == {12}
    with open_trace(path) as trace:
        assert Player(trace).run() is None


EXAMPLES = sorted((Path(__file__).parents[3] / "docs/profiles").glob("*.toml"))


@pytest.mark.parametrize("profile", EXAMPLES, ids=lambda path: path.stem)
def test_pingpong_runs_on_every_example_of_a_profile(tmp_path: Path, profile: Path) -> None:
    path = simulate(tmp_path / "a.ntbt", count=3, profile=Profile.from_mapping(tomllib.loads(profile.read_text())))
    with open_trace(path) as trace:
        assert Player(trace).run() is None
