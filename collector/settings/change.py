# SPDX-License-Identifier: GPL-2.0-or-later
"""A change of settings while everything runs: what of it can be put into force at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from collector.settings.model import Setting, Settings, describe

SELECTING: Final = (
    *("senders.passwords", "sip", "clock", "correlation.headers", "correlation.force"),
    *("filter", "hook"),
)
"""What decides about packets, in sections and settings: ingest puts it into force at once, outputs
when they start."""
RELOADED: Final = (
    *SELECTING,
    *("correlation.unanswered_timeout", "correlation.answered_timeout", "retention"),
)
"""All that ingest puts into force at once."""
ONLY_OF_WEB_API: Final = (
    *("web", "sites", "ldap", "http_auth", "oauth2", "trace"),
    "database.reader_dsn",
)
OF_WEB_API: Final = (*ONLY_OF_WEB_API, "database.connect_timeout")
"""What the web API reads when it starts."""


class Change(NamedTuple):
    """What becomes of settings that were read anew. Names are ``section.name``."""

    in_force: Settings
    node: tuple[str, ...]
    """Waits for a restart of the capture node."""
    web: tuple[str, ...]
    """Waits for a restart of the web API."""
    outputs: tuple[str, ...]
    """In force, but not yet for outputs that look at it: they follow with the capture node."""


def change(started: Settings, now: Settings, read: Settings) -> Change:
    """``started`` is what the processes began with, ``now`` what is in force, ``read`` is new."""
    values: dict[str, dict[str, Any]] = {}
    for setting in _different(now, read):
        if _is_among(setting, RELOADED):
            values.setdefault(setting.section, {})[setting.name] = _value(read, setting)
    sections = {
        name: msgspec.structs.replace(getattr(now, name), **found) for name, found in values.items()
    }
    pending = _different(started, read)
    return Change(
        msgspec.structs.replace(now, **sections),
        tuple(s.key for s in pending if not _is_among(s, (*RELOADED, *ONLY_OF_WEB_API))),
        tuple(s.key for s in pending if _is_among(s, OF_WEB_API)),
        tuple(s.key for s in pending if _is_among(s, SELECTING)),
    )


def _different(one: Settings, other: Settings) -> list[Setting]:
    return [setting for setting in describe() if _value(one, setting) != _value(other, setting)]


def _value(settings: Settings, setting: Setting) -> Any:
    return getattr(getattr(settings, setting.section), setting.name)


def _is_among(setting: Setting, names: Sequence[str]) -> bool:
    return setting.section in names or setting.key in names
