# SPDX-License-Identifier: GPL-2.0-or-later
"""What the process that reads a file is told, and what it tells: JSON, a line each."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from collector.columns import TABLES
from collector.errors import KemiscopeError
from collector.hep import IMPORT_NODE
from collector.settings import Settings
from collector.settings.endpoint import TCP, Endpoint, parse_endpoint
from collector.settings.storing import kept_s
from collector.settings.target import parse_target

MAX_NAME: Final = 64
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not listened on)


class ImportFault(KemiscopeError):  # noqa: N818 (what it says is about the file, too)
    """An import that cannot be; ``code`` is that of the API, ``status`` that of HTTP."""

    def __init__(self, code: str, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One file to read."""

    path: str
    name: str
    """What people call it; safe in a node name."""
    host: str
    port: int
    """HEP over TCP of the capture node."""
    capture_id: int
    password: str
    shift: bool
    """Whether the times are moved so that the last packet is now."""
    max_bytes: int
    kept_s: dict[str, float]
    """How long the node keeps what, by kind."""
    accept_past_s: float
    accept_future_s: float

    @property
    def node(self) -> str:
        """The name of the capture node that the messages come under."""
        return IMPORT_NODE.decode() + self.name


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the process: how far it is, or how it ended."""

    frames: int = 0
    sent: int = 0
    result: dict[str, Any] | None = None
    code: str = ""
    message: str = ""
    status: int = 422


def make(settings: Settings, path: str, name: str, *, shift: bool) -> Job:
    """The job for a file. Raises ImportFault when no capture node is known."""
    target = _target(settings)
    web = settings.web
    return Job(
        path=path,
        name=clean_name(name),
        host=target.host,
        port=target.port,
        capture_id=web.import_capture_id,
        password=_password(settings.senders.passwords, web.import_capture_id),
        shift=shift,
        max_bytes=web.max_import_bytes,
        kept_s={table.kind: kept_s(settings.retention, table.kind) for table in TABLES},
        accept_past_s=settings.clock.accept_past,
        accept_future_s=settings.clock.accept_future,
    )


def clean_name(name: str) -> str:
    """A file's name without folders, and with nothing in it that a node name should not have."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return _UNSAFE.sub("_", last)[:MAX_NAME].strip("._") or "capture"


def _target(settings: Settings) -> Endpoint:
    if settings.web.import_target:
        return parse_target(settings.web.import_target)
    for text in settings.hep.listen:
        found = parse_endpoint(text)
        if found.protocol == TCP:
            return found._replace(host=_ANY.get(found.host, found.host))
    message = "hep.listen has no tcp socket to send to, and web.import_target is empty"
    raise ImportFault("no_import_target", message, 503)


def _password(entries: tuple[str, ...], capture_id: int) -> str:
    """As ``senders.passwords`` has it for this capture id, else for all."""
    known = dict(entry.partition(":")[::2] for entry in entries)
    return known.get(str(capture_id), known.get("*", ""))
