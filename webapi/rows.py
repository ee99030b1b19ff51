# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows as JSON objects. What a row does not have is left out."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final

from collector.correlation.repeats import repeats
from collector.moment import from_id, to_text

_ADDRESSES: Final = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)
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
        "ts": to_text(row["ts"]),
        "received_at": to_text(from_id(row["id"])),
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
            found[name] = to_text(value)
        elif name.endswith(("_ip", "_id")):
            found[name] = str(value)
        else:
            found[name] = value
    return found


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Any row with its moments as text."""
    return {
        name: to_text(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def document(value: Any) -> Any:
    """Objects and arrays with their moments, addresses and networks as text."""
    if isinstance(value, Mapping):
        return {name: document(part) for name, part in value.items()}
    if isinstance(value, list):
        return [document(part) for part in value]
    if isinstance(value, datetime):
        return to_text(value)
    return str(value) if isinstance(value, _ADDRESSES) else value
