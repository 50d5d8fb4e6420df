# SPDX-License-Identifier: GPL-2.0-or-later
"""The prompt: completion, highlighting, history, and the bar at the bottom."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.search import accept_search

from ntbtrace.errors import NtbTraceError
from ntbtrace.render import seconds
from ntbtrace.repl.arguments import begun, complete_arguments
from ntbtrace.repl.highlight import Highlighter
from ntbtrace.repl.registry import COMMANDS, Choice
from ntbtrace.repl.session import Session
from ntbtrace.repl.style import STYLE

PROMPT = "(ntbtrace) "
MAX_CHOICES = 400


class CommandCompleter(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for number, choice in enumerate(completions(self._session, document.text_before_cursor)):
            if number == MAX_CHOICES:
                return
            yield Completion(choice.text, -choice.length, display_meta=choice.doc)


def completions(session: Session, text: str) -> Iterable[Choice]:
    """What the line `text`, which ends at the cursor, can become."""
    text = text.lstrip()
    word, space, rest = text.partition(" ")
    if not space:
        return begun(word, {one.name: one.brief for one in COMMANDS.commands.values()})
    return complete_arguments(session, COMMANDS, word, rest)


class CommandLexer(Lexer):
    def __init__(self, highlighter: Highlighter) -> None:
        self._highlighter = highlighter

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        lines = document.lines
        return lambda number: [*self._highlighter.typed(lines[number])]


def bar(session: Session) -> str:
    """Position, time, part of the whole; the device in short; what the replay has found."""
    if not session.trace.blocks:
        return " the trace has no events"
    here = session.here
    whole = session.end - session.start
    where = "start" if here is None else f"event {here.seq} of {session.end - 1}  {seconds(here.t)} s"
    parts = [f" {where}  {100 * (session.position - session.start) // whole}%"]
    try:
        parts.append(session.device().brief())
        divergence = session.player.divergence
        parts.append(
            "replay: no difference so far" if divergence is None else f"replay differs at event {divergence.seq}"
        )
    except NtbTraceError:
        parts.append("no replay")
    return "  |  ".join(parts)


def history_file() -> Path:
    """Where the commands of earlier sessions stand."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "ntbtrace" / "history"


def history() -> History:
    """On disk, for the owner only; in memory where there is no such place."""
    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _keys() -> KeyBindings:
    """Enter carries out what Ctrl-R found, as in a shell."""
    bindings = KeyBindings()

    @bindings.add("enter", filter=is_searching)
    def _(event: KeyPressEvent) -> None:
        accept_search()
        event.app.current_buffer.validate_and_handle()

    return bindings


def make_prompt(session: Session, highlighter: Highlighter) -> Callable[[str], str | None]:
    """A function that asks for a line: None when the user leaves (Ctrl-D); KeyboardInterrupt for Ctrl-C."""
    prompt: PromptSession[str] = PromptSession(
        history=history(),
        completer=CommandCompleter(session),
        lexer=CommandLexer(highlighter),
        auto_suggest=AutoSuggestFromHistory(),
        bottom_toolbar=lambda: bar(session),
        style=STYLE,
        complete_while_typing=True,
        reserve_space_for_menu=6,
        key_bindings=_keys(),
    )

    def ask(text: str) -> str | None:
        try:
            return prompt.prompt([("class:prompt", text or PROMPT)])
        except EOFError:
            return None

    return ask


def plain_prompt(text: str) -> str | None:
    """For a terminal that can do nothing."""
    try:
        return input(text or PROMPT)
    except EOFError:
        return None
