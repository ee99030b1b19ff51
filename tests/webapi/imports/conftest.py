# SPDX-License-Identifier: GPL-2.0-or-later
"""Imports into a receiver of HEP in the place of the capture node."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from collector import hep, settings
from collector.hep import Hep
from tests.receivers import StreamReceiver
from webapi.imports import job, process

RunImport = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def run_import(node: StreamReceiver) -> RunImport:
    """The process that reads a file, with that node; settings as WEB_IMPORT_TIMEOUT="2"."""

    async def run(path: Path, *, shift: bool = False, **environment: str) -> dict[str, Any]:
        loaded = settings_for(node, **environment)
        made = job.make(loaded, str(path), path.name, shift=shift)
        return await process.run(made, loaded.web.import_timeout, lambda _: None)

    return run


def settings_for(node: StreamReceiver, **environment: str) -> settings.Settings:
    """Settings that name the node."""
    variables = {
        "CONFIG": "/dev/null",
        "WEB_IMPORT_TARGET": f"tcp:127.0.0.1:{node.port}",
        **environment,
    }
    return settings.load(None, {f"KEMISCOPE_{name}": value for name, value in variables.items()})


def received(node: StreamReceiver) -> list[Hep]:
    """What the node has got; the process has waited for it to close."""
    packets = [hep.decode(packet) for packet in node.packets]
    assert all(isinstance(packet, Hep) for packet in packets)
    assert not node.faults
    return [packet for packet in packets if isinstance(packet, Hep)]


def readers() -> list[int]:
    """Processes of ours that read a file."""
    pid = os.getpid()
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if b"webapi.imports.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found
