# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rows of a flow must hold, from what its file says."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from collector.columns import Column
from collector.correlation.columns import (
    CALL,
    CALL_GENERATED,
    PERIOD_US,
    REGISTRATION,
    REGISTRATION_GENERATED,
    Group,
    Rule,
)
from tests.flow import Expected, Flow, Message

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALWAYS: Final = ("caller", "callee", "expires_at")
"""Generated columns that need not be named."""
_NO_LEG: Final = (b"INFO", b"NOTIFY")


def call_row(flow: Flow, expected: Expected) -> dict[str, Any]:
    """Columns of ``call`` that are known, with their values."""
    messages = [m for m in flow.of_leg(expected.leg) if not _is(m, _NO_LEG)]
    times = [message.us for message in messages]
    bounds = {"started_at": min(times), "last_at": max(times)}
    return {
        "call_id": flow.legs[expected.leg],
        **{name: _moment(us) for name, us in bounds.items()},
        **_row(flow, expected, CALL, CALL_GENERATED, {*bounds, "messages", "seen"}),
    }


def registration_row(flow: Flow, expected: Expected) -> dict[str, Any]:
    """The same of ``registration``."""
    messages = flow.of_leg(expected.leg)
    bounds = {"first_at": messages[0].us, "last_at": messages[-1].us}
    return {
        "call_id": flow.legs[expected.leg],
        "aor": expected.aor,
        **{name: _moment(us) for name, us in bounds.items()},
        **_row(flow, expected, REGISTRATION, REGISTRATION_GENERATED, set(bounds)),
        "last_period": bounds["last_at"] // PERIOD_US,
    }


def _row(
    flow: Flow,
    expected: Expected,
    groups: tuple[Group, ...],
    generated: tuple[Column, ...],
    known: set[str],
) -> dict[str, Any]:
    named = dict(expected.values)
    named.pop("repeats", None)
    row: dict[str, Any] = {}
    for group in groups:
        label = named.pop(group.name, None)
        if group.rule in (Rule.FIRST, Rule.LAST):
            at, id_ = _key_columns(group)
            message = flow.message(label) if label else None
            row[at] = _moment(message.us) if message else None
            row[id_] = message.id if message else None
        elif label is not None:
            row[group.name] = _value(flow, label, group.columns[0].type)
        elif group.name not in known:
            row[group.name] = None
    types = {column.name: column.type for group in groups for column in group.columns}
    for column in generated:
        types[column.name] = column.type
        if column.name not in _ALWAYS:
            row[column.name] = None
    row |= {name: _value(flow, text, types[name]) for name, text in named.items()}
    return row


def _key_columns(group: Group) -> tuple[str, str]:
    """Those with time and id of the message that a group is about."""
    at, id_ = (column.name for column in group.columns[group.keys - 2 : group.keys])
    return at, id_


def _value(flow: Flow, text: str, type_: str) -> Any:
    if text == "-":
        return None
    match type_:
        case "timestamp with time zone":
            return _moment(flow.message(text).us)
        case "smallint" | "integer" | "bigint":
            return int(text)
        case "double precision":
            return float(text)
        case "boolean":
            return text == "true"
        case "inet":
            return ipaddress.ip_address(text)
    return text


def _is(message: Message, methods: tuple[bytes, ...]) -> bool:
    return any(b" " + method + b"\r\n" in message.sip for method in methods)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
