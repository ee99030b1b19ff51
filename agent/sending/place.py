# SPDX-License-Identifier: GPL-2.0-or-later
"""Where journals of agents are, and how an agent takes one that no other has."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.errors import JournalError
from collector.journal import links
from collector.output import state as state_file

KEPT_FREE_SHARE: Final = 20
"""One part in so many of a file system stays free …"""
MOST_KEPT_FREE: Final = 1 << 30
"""… but not more bytes than this. The oldest that wait go first."""
MOST_AGENTS: Final = 64
"""With journals side by side."""
OLD_S: Final = 3600.0
"""What nobody has taken out of memory for so long is not wanted any more."""
_LEAST_MEMORY: Final = 8 << 20
_OWNER: Final = "agent"
"""File in the journal with the process id of the agent that has it, and its lock."""
_ENDING_S: Final = 10.0
"""What an agent that was killed has forked ends within this time."""
_POLL_S: Final = 0.05


def on_disk(path: Path) -> Path:
    """Beside the spool file that heplify would have."""
    return path.with_name(f"{path.name}.journal")


def in_memory() -> Path:
    """The first place in memory that can be used; at last the directory for temporary files."""
    runtime = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    # The others are for everybody: the name there tells whose it is.
    name = f"hepagent-{os.geteuid()}.journal"
    places = [Path(runtime) / "journal"] if runtime else []
    places += [parent / name for parent in _for_everybody()]
    for place in places:
        with suppress(OSError):
            is_large = free_bytes(place.parent) - kept_free(place.parent) >= _LEAST_MEMORY
            if is_large and os.access(place.parent, os.W_OK | os.X_OK):
                return place
    return places[-1]


def _for_everybody() -> tuple[Path, ...]:
    return Path("/dev/shm"), Path(tempfile.gettempdir())  # noqa: S108


def free_bytes(directory: Path) -> int:
    """Bytes that the file system has left for us. Raises OSError."""
    space = os.statvfs(directory)
    return space.f_bavail * space.f_frsize


def kept_free(directory: Path) -> int:
    """Bytes of its file system that a journal leaves to others. Raises OSError."""
    space = os.statvfs(directory)
    return min(space.f_blocks * space.f_frsize // KEPT_FREE_SHARE, MOST_KEPT_FREE)


def claim(base: Path, outputs: Iterable[str]) -> tuple[Path, int]:
    """Take a journal that no running agent has; of those, one that has the same outputs.

    It is ``base``, or where that is taken one beside it. In a place for everybody one with other
    outputs is left alone: its messages may be none of this agent's servers' business. Returns its
    directory and the descriptor that holds it for this process and those that it forks. Raises
    OSError or JournalError.
    """
    mine = sorted(outputs)
    found = {one: state_file.names(one) if one.is_dir() else [] for one in _candidates(base)}
    known = [one for one, names in found.items() if names == mine]
    is_own = base.parent not in _for_everybody()
    others = [one for one, names in found.items() if is_own or not names]
    for directory in (*known, *others):
        lock = _take(directory)
        if lock is not None:
            return directory, lock
    message = f"{base}: {MOST_AGENTS} agents have journals here"
    raise JournalError(message)


def remove_old(base: Path) -> None:
    """Remove journals that agents left when they were killed, and that none has taken since."""
    for directory in _candidates(base):
        with suppress(OSError):
            states = directory.glob(f"{links.DIRECTORY}/*/{state_file.FILE_NAME}")
            last = max(file.stat().st_mtime for file in (directory / _OWNER, *states))
            if time.time() - last > OLD_S:
                lock = _try_lock(directory)
                if lock is not None:
                    shutil.rmtree(directory, ignore_errors=True)
                    os.close(lock)


def _candidates(base: Path) -> Iterator[Path]:
    yield base
    for number in range(1, MOST_AGENTS):
        yield base.with_name(f"{base.name}-{number}")


def _take(directory: Path) -> int | None:
    """Lock a journal, made if there is none; None when another agent or user has it."""
    deadline = time.monotonic() + _ENDING_S
    while True:
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        status = directory.lstat()
        if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
            return None
        lock = _try_lock(directory)
        if lock is not None:
            os.ftruncate(lock, 0)
            os.write(lock, str(os.getpid()).encode())
            return lock
        if _owner_runs(directory) or time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def _try_lock(directory: Path) -> int | None:
    try:
        lock = os.open(directory / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if os.fstat(lock).st_nlink:
        return lock
    os.close(lock)  # its agent has removed it a moment ago
    return None


def _owner_runs(directory: Path) -> bool:
    """Whether the process that took the journal is there: else its children are about to end."""
    try:
        os.kill(int((directory / _OWNER).read_text()), 0)
    except (ValueError, ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        pass
    return True
