# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that a test has started: wait until it can be asked."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 30.0


@contextmanager
def listening(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """``command`` runs, and can be asked at ``port``; ends with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_for_port(process, port, log)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the process listens; an AssertionError with its log if it does not."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
