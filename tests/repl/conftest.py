# SPDX-License-Identifier: GPL-2.0-or-later
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ntbtrace.repl.registry import COMMANDS
from tests.repl.driver import TRACES, Debugger

Opener = Callable[[Path], Debugger]


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens a trace in a debugger."""
    debuggers: list[Debugger] = []

    def make(path: Path) -> Debugger:
        debuggers.append(Debugger(path))
        return debuggers[-1]

    yield make
    for one in debuggers:
        one.close()


@pytest.fixture
def pingpong(opened: Opener) -> Debugger:
    """A debugger over the recording of two real guests that play ping-pong."""
    return opened(TRACES / "pingpong.ntbt")


@pytest.fixture(autouse=True)
def _commands_of_users_go() -> Iterator[None]:
    """What a test's own file added to the debugger is gone after it."""
    before = dict(COMMANDS.commands)
    yield
    COMMANDS.commands.clear()
    COMMANDS.commands.update(before)
