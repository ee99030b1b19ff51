# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs in C, compiled when they are older than their sources."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stack.errors import StackError

HERE: Final = Path(__file__).resolve().parent
BUILD: Final = HERE / "build"
_FLAGS: Final = ("-O2", "-Wall", "-Wextra", "-Werror")


def program(name: str, sources: Sequence[str], libraries: Sequence[str] = ()) -> Path:
    """The program ``name`` made of these files below bench/, headers included.

    Raises StackError when it does not compile.
    """
    BUILD.mkdir(exist_ok=True)
    made = BUILD / name
    paths = [HERE / source for source in sources]
    if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in paths):
        files = [str(path) for path in paths if path.suffix == ".c"]
        command = ["gcc", *_FLAGS, "-o", str(made), *files, *libraries]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            message = f"{name} does not compile: {done.stderr}"
            raise StackError(message)
    return made
