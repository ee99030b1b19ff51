# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows as JSON objects. What a row does not have is left out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from collector.correlation.repeats import repeats

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAYLOADS: Final = ("raw", "payload")
_SHOWN_APART: Final = frozenset({"ts", "id", *_PAYLOADS})
_NOT_SHOWN: Final = frozenset({"sort_key"})
INTERNAL: Final = frozenset(
    {
        *("ts", "seen", "first_rank", "first_at", "attempt_order", "attempt_branch"),
        *("challenge_cseq", "cancel_branch", "caller_media_rank", "callee_media_rank"),
    }
)
"""Columns of ``call`` that only merging needs."""


def to_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A message, a report or an event.

    ``received_at`` is ``id`` as time. ``raw`` and ``payload`` are text where they are UTF-8, else
    there is ``raw_base64`` or ``payload_base64``.
    """
    found = {
        "id": str(row["id"]),
        "ts": format_moment(row["ts"]),
        "received_at": format_moment(_EPOCH + timedelta(microseconds=row["id"] // 1000)),
        **shown(row, _SHOWN_APART),
    }
    for name in _PAYLOADS:
        payload = row.get(name)
        if payload is not None:
            try:
                found[name] = payload.decode()
            except UnicodeDecodeError:
                found[f"{name}_base64"] = base64.b64encode(payload).decode()
    return found


def call(row: Mapping[str, Any]) -> dict[str, Any]:
    """A leg, with what ``seen`` says: retransmissions and duplicates."""
    retransmissions, copies = repeats(row["seen"] or b"")
    return {
        **shown(row, INTERNAL),
        "retransmissions": retransmissions,
        "duplicates": copies,
    }


def shown(row: Mapping[str, Any], but: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The columns of any row, in its order.

    Moments have µs; ids of messages are text because a browser's numbers cannot hold them.
    """
    found: dict[str, Any] = {}
    for name, value in row.items():
        if value is None or name in but or name in _NOT_SHOWN:
            continue
        if isinstance(value, datetime):
            found[name] = format_moment(value)
        elif name.endswith(("_ip", "_id")):
            found[name] = str(value)
        else:
            found[name] = value
    return found


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Any row with its moments as text."""
    return {
        name: format_moment(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def document(value: Any) -> Any:
    """Objects and arrays with their moments and addresses as text."""
    if isinstance(value, Mapping):
        return {name: document(part) for name, part in value.items()}
    if isinstance(value, list):
        return [document(part) for part in value]
    if isinstance(value, datetime):
        return format_moment(value)
    return str(value) if isinstance(value, IPv4Address | IPv6Address) else value


def format_moment(value: datetime) -> str:
    """ISO 8601 in UTC, always with six digits of µs."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
