# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that gzip has packed, as a pipe to read it from: nothing is written anywhere.

The file is also the program that unpacks, so it imports nothing that is ours."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Final

_MAGIC: Final = b"\x1f\x8b"
"""RFC 1952 §2.3.1."""
_READ_BYTES: Final = 1 << 18


def is_packed(path: Path) -> bool:
    """Whether gzip has packed this file, whatever its name is. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class Inflating:
    """Unpacks ``path`` in a process of its own, until ``finish``.

    Not in a thread: libpcap holds Python's lock while it opens a file. ``name`` is a file name for
    whoever reads; then ``opened`` has to be called. Several members behind each other are one file
    (RFC 1952 §2.2). Raises OSError.
    """

    def __init__(self, path: Path, max_bytes: int = 0) -> None:
        """It ends with an error after ``max_bytes`` unpacked bytes; 0 for any number."""
        self._process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-I", "-S", __file__, str(path), str(max_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C is for the agent, which decides when it is enough.
            start_new_session=True,
        )
        self.name = f"/dev/fd/{self._process.stdout.fileno()}" if self._process.stdout else ""

    def opened(self) -> None:
        """Whoever reads has the pipe open, or will never."""
        if self._process.stdout:
            self._process.stdout.close()

    def finish(self) -> str:
        """Stop; the reader has closed the pipe. What is wrong with the file, or ""."""
        _, said = self._process.communicate()
        return said.decode(errors="replace").strip()


def unpack(path: str, pipe: int, max_bytes: int) -> str:
    """Write what is in the file; what is wrong with it, or ""."""
    room = max_bytes or sys.maxsize
    try:
        with gzip.open(path) as file:
            # What is in front of the damage comes before the exception.
            while data := file.read1(_READ_BYTES):
                left = memoryview(data)[:room]
                room -= len(data)
                while left:
                    left = left[os.write(pipe, left) :]
                if room < 0:
                    return f"unpacks to more than {max_bytes} bytes"
    except BrokenPipeError:
        # Nobody wants the rest.
        return ""
    except (OSError, EOFError, zlib.error) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    sys.exit(unpack(sys.argv[1], sys.stdout.fileno(), int(sys.argv[2])))
