# SPDX-License-Identifier: GPL-2.0-or-later
"""A cable to capture from: a veth pair in a network namespace of its own."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from stack.errors import StackError

NEAR: Final = "near"
"""The end that frames are put in at."""
FAR: Final = "far"
"""The end that the agent listens at. It has no address: what is sent there, nobody answers."""


class Cable:
    """Exists as long as the ``with`` block of ``cable``."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def command(self, command: Sequence[str], processors: Sequence[int] = ()) -> list[str]:
        """The command line that runs a program at the cable, on these processors only."""
        pinned = ["taskset", "-c", ",".join(map(str, processors))] if processors else []
        return ["ip", "netns", "exec", self._namespace, *pinned, *command]


@contextmanager
def cable() -> Iterator[Cable]:
    """Raises StackError where no namespace can be made."""
    name = f"kemiscope-bench-{secrets.token_hex(4)}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "add", NEAR, "type", "veth", "peer", "name", FAR)
        for interface in ("lo", NEAR, FAR):
            _ip("-n", name, "link", "set", interface, "up")
        yield Cable(name)
    finally:
        _ip("netns", "delete", name)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ip {' '.join(arguments)}: {done.stderr.strip()}"
        raise StackError(message)
