# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a running recorder keeps its sockets: a directory for the owner only, named by process id."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from ntbtrace.errors import SetupError

MAX_PATH = 90  # bytes: a socket's path may have 107 (unix(7)), its name in the directory is the rest


def base() -> Path:
    """$XDG_RUNTIME_DIR/ntbtrace, or ntbtrace-UID in the directory for temporary files."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime, "ntbtrace") if runtime else Path(tempfile.gettempdir(), f"ntbtrace-{os.getuid()}")


def create() -> Path:
    """The directory of this process. Raises SetupError if it cannot be, or somebody else owns the place."""
    top = base()
    own = top / str(os.getpid())
    if len(os.fsencode(own)) > MAX_PATH:
        raise SetupError(f"{own} is too long for sockets: set XDG_RUNTIME_DIR to a shorter directory")
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(top)
    except OSError as error:
        raise SetupError(f"cannot make {top}: {error.strerror}: set XDG_RUNTIME_DIR to a directory of yours") from error
    for old in top.iterdir():
        if old.name.isdigit() and not _alive(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def remove(own: Path) -> None:
    """Clear away what `create` made."""
    shutil.rmtree(own, ignore_errors=True)


def runs() -> list[Path]:
    """The directories of running recorders, the newest first. Raises SetupError if somebody else owns the place."""
    top = base()
    try:
        _check(top)
        found = [entry for entry in top.iterdir() if entry.name.isdigit() and _alive(int(entry.name))]
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.stat().st_mtime, reverse=True)


def _check(top: Path) -> None:
    """Raise SetupError unless `top` is ours: anybody can make such a directory in /tmp, and listen there."""
    about = top.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077:
        raise SetupError(f"{top} must belong to you alone (mode 0700): remove it, or set XDG_RUNTIME_DIR")


def join(name: str, pid: str | None) -> socket.socket | None:
    """Connect to the socket `name` of the recorder `pid`, or of the newest that has one; None if none has. Raises
    SetupError.
    """
    for path in runs():
        place = path / name
        if pid in (None, path.name) and place.exists():
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                peer.connect(os.fspath(place))
            except OSError as error:
                peer.close()
                raise SetupError(f"cannot join {place}: {error.strerror}") from error
            return peer
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
