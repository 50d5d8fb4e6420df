# SPDX-License-Identifier: GPL-2.0-or-later
"""The debugger: a recorded run at a prompt, forwards and backwards (docs/debugger.md).

For a user's own file (`--load`): `command` and `decoder`, see decoders.py.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ntbtrace.repl.decoders import command as command
    from ntbtrace.repl.decoders import decoder as decoder

__all__ = ["command", "decoder"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from ntbtrace.repl import decoders

    return getattr(decoders, name)
