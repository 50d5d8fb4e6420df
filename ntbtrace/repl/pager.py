# SPDX-License-Identifier: GPL-2.0-or-later
"""What to do when the page is full: a key decides."""

from enum import Enum

from prompt_toolkit.application import Application
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window


class Answer(Enum):
    PAGE = "space: a page"
    LINE = "enter: a line"
    ALL = "c: all the rest"
    QUIT = "q: no more"


KEYS = {
    Answer.PAGE: (" ", "pagedown"),
    Answer.LINE: ("enter", "down"),
    Answer.ALL: ("c",),
    Answer.QUIT: ("q", "escape", "c-c", "c-d"),
}
QUESTION = f" -- more -- {', '.join(answer.value for answer in Answer)}"


def ask() -> Answer:
    """Wait for a key on the terminal."""
    bindings = KeyBindings()
    for answer, keys in KEYS.items():
        for key in keys:

            @bindings.add(key, eager=True)
            def _(event: KeyPressEvent, answer: Answer = answer) -> None:
                event.app.exit(result=answer)

    control = FormattedTextControl([("reverse", QUESTION)])
    application: Application[Answer] = Application(
        layout=Layout(Window(control, height=1)), key_bindings=bindings, erase_when_done=True
    )
    return application.run()
