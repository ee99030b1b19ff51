# SPDX-License-Identifier: GPL-2.0-or-later
"""The file system below the database, when the database runs on this host.

An address says little: 127.0.0.1 may be a container or a tunnel. So the process that serves our
connection is looked up in /proc; it is the one when it calls itself PostgreSQL's backend of our
user and database. Its parent's working directory is the data directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")


class FileSystem(NamedTuple):
    """Use of one file system, in bytes."""

    path: str
    """A path on it, for people."""
    device: int
    used: int
    size: int
    """Used plus what PostgreSQL may still fill: what df calculates its percentage from."""


class Server(NamedTuple):
    """Where the server that we are connected to keeps its files."""

    root: str
    """Stands before absolute paths of the server's: it may see other mounts than we do."""
    directory: str
    """The data directory; empty when it is unknown."""
    shown: str
    """The same for people."""
    why: str = ""
    """Why it is unknown."""


def look_at(path: str, shown: str = "") -> FileSystem:
    """Use of the file system that ``path`` is on. Raises OSError."""
    found = os.statvfs(path)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    size = used + found.f_bavail * found.f_frsize
    return FileSystem(shown or path, Path(path).stat().st_dev, used, size)


def find_server(backend: int, user: str, database: str, told: str | None) -> Server:
    """Where the server's data directory is.

    ``backend`` is the process that serves us, ``told`` what the server says its data directory is,
    if we may know. /proc/PID/cwd is the better source, and needs root or the server's own user.
    """
    try:
        title = (_PROC / str(backend) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, UnicodeDecodeError):
        title = ""
    if not (title.startswith("postgres:") and f" {user} {database} " in title):
        return Server("", "", "", "the database does not run on this host")
    try:
        postmaster = _PROC / str(_parent(backend))
        shown = str((postmaster / "cwd").readlink())
        return Server(f"{postmaster}/root", f"{postmaster}/cwd", shown)
    except PermissionError:
        pass
    directory = told or _argument(_PROC / str(_parent(backend)) / "cmdline")
    if not directory or directory.startswith("/proc/"):
        why = "the database does not say where its data directory is, and its process hides it"
        return Server("", "", "", why)
    return Server("", directory, directory)


def _parent(pid: int) -> int:
    for line in (_PROC / str(pid) / "status").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "PPid":
            return int(value)
    return 0


def _argument(cmdline: Path) -> str:
    """What follows -D on the postmaster's command line; empty if nothing does."""
    try:
        words = cmdline.read_bytes().decode().split("\0")
    except (OSError, UnicodeDecodeError):
        return ""
    return words[words.index("-D") + 1] if "-D" in words[:-1] else ""
