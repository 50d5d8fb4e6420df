# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages that show sessions: each is carried out by the real program, and its output put into the page.

`make docs` writes the pages anew (`python -m tests.sessions`); test_debugger_page.py says when they are stale.

- A fenced block `console` has `$ command` lines, each with its output. Where `(ntbtrace) ` lines follow, they are typed
  at the prompt of that command, and `> ` lines right below them too.
- A fenced block that begins with `# NAME` is a file of that name in the folder where the commands run, beside traces/.
- Between `<!-- table NAME -->` and `<!-- end -->` stands what TABLES makes.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ntbtrace.query.nodes import COLUMN_DOCS
from ntbtrace.repl import commands
from ntbtrace.repl.prompt import PROMPT
from ntbtrace.repl.registry import COMMANDS, TOPICS
from ntbtrace.repl.stops import FORMS

ROOT = Path(__file__).parent.parent
PAGES = ("docs/debugger.md", "README.md")
SHELL, MORE, MARK = "$ ", "> ", "--8<--"
_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.M | re.S)
_FILE = re.compile(r"^```\w*\n# (\w[\w.-]*)\n(.*?)^```$", re.M | re.S)
_TABLE = re.compile(r"(?<=^<!-- table )(\w+) -->\n.*?(?=^<!-- end -->$)", re.M | re.S)


def fresh(page: str) -> str:
    """The page with what its commands say today."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "traces").symlink_to(ROOT / "traces")
        for name, text in _FILE.findall(page):
            (Path(folder) / name).write_text(text)
        with ThreadPoolExecutor() as pool:
            done = pool.map(
                lambda block: "".join(f"{line}\n" for line in _done(block, Path(folder))), _BLOCK.findall(page)
            )
        page = _BLOCK.sub(lambda match: next(done), page)
    return _TABLE.sub(lambda match: f"{match[1]} -->\n" + "".join(f"{row}\n" for row in TABLES[match[1]]()), page)


def _done(block: str, folder: Path) -> Iterator[str]:
    """The block's lines: its commands, with their output of today."""
    lines = block.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(SHELL)]
    assert starts[:1] == [0], f"a console block must begin with '{SHELL}': {block[:80]}"
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        typed = _typed(lines[start + 1 : end])
        yield lines[start]
        if typed:
            yield from _session(lines[start].removeprefix(SHELL), typed, folder)
        else:
            yield from _output(["bash", "-c", lines[start].removeprefix(SHELL)], folder)


def _typed(lines: list[str]) -> list[str]:
    """Lines with a prompt; `> ` is one only where the line above has one."""
    typed: list[str] = []
    above = ""
    for line in lines:
        if line.startswith(PROMPT) or (line.startswith(MORE) and above):
            typed.append(line)
            above = line
        else:
            above = ""
    return typed


def _session(command: str, typed: list[str], folder: Path) -> Iterator[str]:
    """A marker is printed before each command, to tell whose output is whose."""
    options: list[str] = []
    for line in typed:
        if line.startswith(PROMPT):
            options += ["--command", f"echo {MARK}"]
        options += ["--command", line.removeprefix(PROMPT).removeprefix(MORE)]
    output = "\n".join(_output(["bash", "-c", f'{command} --batch "$@"', "bash", *options], folder))
    said = [part.split("\n")[:-1] for part in f"{output}\n".split(f"{MARK}\n")]
    asked = [line.startswith(PROMPT) for line in typed]
    assert len(said) == 1 + sum(asked), f"{command}: {output[-200:]}"
    answers = iter(said)
    yield from next(answers)
    for line, last in zip(typed, [*asked[1:], True], strict=True):
        yield line
        if last:
            yield from next(answers)


def _output(command: list[str], folder: Path) -> list[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def _commands() -> Iterator[str]:
    for group, rows in COMMANDS.groups().items():
        yield from ("", f"**{group[0].upper()}{group[1:]}**", "", "| command | short | what it does |", "|---|---|---|")
        for one in rows:
            yield f"| `{_cell(one.usage)}` | {' '.join(f'`{alias}`' for alias in one.aliases)} | {_cell(one.brief)} |"
    yield ""


def _topics() -> Iterator[str]:
    yield from ("| `info ...` | what it shows |", "|---|---|")
    for one in TOPICS.commands.values():
        yield f"| `{one.name}` | {_cell(one.brief)} |"


def _forms() -> Iterator[str]:
    yield from ("| `break ...` | stops where |", "|---|---|")
    for word, doc in FORMS.items():
        what, _, usage = doc.partition(": ")
        yield f"| `{_cell(usage or word)}` | {_cell(what)} |"


def _names() -> Iterator[str]:
    yield from ("| name | what it is |", "|---|---|")
    from ntbtrace.repl.commands.scripting import SPECIAL

    for word, doc in (*COLUMN_DOCS.items(), *SPECIAL.items()):
        yield f"| `{word}` | {_cell(doc)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "commands": _commands,
    "topics": _topics,
    "forms": _forms,
    "names": _names,
}
commands.load()


if __name__ == "__main__":
    for name in PAGES:
        path = ROOT / name
        path.write_text(fresh(path.read_text()))
