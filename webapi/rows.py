# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of messages, reports and events as JSON objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAYLOADS: Final = ("raw", "payload")
_SHOWN_APART: Final = frozenset({"ts", "sender_ts", "id", "sort_key", *_PAYLOADS})


def to_json(row: dict[str, Any]) -> dict[str, Any]:
    """One row. What it does not have is left out.

    ``ts`` has µs; ``id`` is a string because a browser's numbers cannot hold it, and
    ``received_at`` is the same as time. ``raw`` and ``payload`` are text where they are UTF-8, else
    there is ``raw_base64`` or ``payload_base64``.
    """
    shown: dict[str, Any] = {
        "id": str(row["id"]),
        "ts": format_moment(row["ts"]),
        "received_at": format_moment(_EPOCH + timedelta(microseconds=row["id"] // 1000)),
    }
    if row["sender_ts"]:
        shown["sender_ts"] = format_moment(row["sender_ts"])
    for name, value in row.items():
        if value is not None and name not in _SHOWN_APART:
            shown[name] = str(value) if name.endswith("_ip") else value
    for name in _PAYLOADS:
        payload = row.get(name)
        if payload is not None:
            try:
                shown[name] = payload.decode()
            except UnicodeDecodeError:
                shown[f"{name}_base64"] = base64.b64encode(payload).decode()
    return shown


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Any row with its moments as text."""
    return {
        name: format_moment(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def format_moment(value: datetime) -> str:
    """ISO 8601 in UTC, always with six digits of µs."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
