# SPDX-License-Identifier: GPL-2.0-or-later
"""However often and whenever somebody interrupts a recording, its file is whole."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ntbtrace.capture.loop import Loop
from ntbtrace.cli import main
from ntbtrace.commands.signals import SIGNALS, on_interrupt
from ntbtrace.trace import TraceWriter, open_trace


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_is_only_noted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with on_interrupt() as interrupted:
        assert not interrupted()
        signal.raise_signal(number)
        assert interrupted()
    assert signal.getsignal(number) == before


def test_under_nohup_a_hang_up_is_none() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with on_interrupt() as interrupted:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupted()
    finally:
        signal.signal(signal.SIGHUP, before)


def interrupted_in(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """A Ctrl-C comes whenever this method is called."""
    real: Callable[..., object] = getattr(owner, name)

    def method(*args: object, **named: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return real(*args, **named)

    monkeypatch.setattr(owner, name, method)


@pytest.mark.parametrize("command", ["record", "serve"])
@pytest.mark.parametrize(("owner", "name"), [(TraceWriter, "close"), (Loop, "__init__"), (TraceWriter, "__init__")])
def test_an_interrupt_at_any_moment_leaves_a_whole_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, owner: type, name: str
) -> None:
    words = {
        "record": ["--workload", "pingpong", "--count", "5"],
        "serve": ["--port", f"0={tmp_path / 'socket'}"],
    }
    if command == "serve" and name == "close":  # which ends by an interrupt only
        interrupted_in(monkeypatch, Loop, "run")
    interrupted_in(monkeypatch, owner, name)
    code = main([command, *words[command], "-o", str(tmp_path / "run.ntbt")])
    assert code == (130 if command == "record" and name == "__init__" else 0)
    with open_trace(tmp_path / "run.ntbt") as trace:
        assert trace.closed
    assert [path.name for path in tmp_path.iterdir()] == ["run.ntbt"]
