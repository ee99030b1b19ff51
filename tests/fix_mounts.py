# SPDX-License-Identifier: GPL-2.0-or-later
"""Small file systems for tests, in a mount namespace of the test process: nobody else sees them,
and they are gone with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pytest

_CLONE_NEWNS: Final = 0x20000
"""linux/sched.h; Python has unshare from 3.12 on."""

Mount = Callable[..., None]


@contextmanager
def mounted(directory: Path, *arguments: str) -> Iterator[None]:
    """``mount ARGUMENTS directory``; skips the test where that is not allowed."""
    _enter_namespace()
    _run("mount", *arguments, str(directory))
    try:
        yield
    finally:
        # Lazily: a test that failed may have left something that uses it.
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Called as ``mounted``; unmounted after the test."""
    with ExitStack() as stack:

        def mount_until_the_end(directory: Path, *arguments: str) -> None:
            stack.enter_context(mounted(directory, *arguments))

        yield mount_until_the_end


@cache
def _enter_namespace() -> None:
    """Once in a process; what raises, as a skip does, is not remembered as done."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        pytest.skip(f"no mount namespace can be made here: {os.strerror(ctypes.get_errno())}")
    # Systemd has "/" shared, so that mounts would spread to where we came from.
    _run("mount", "--make-rprivate", "/")


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
