# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters of a search: one allow-list each from parameter to bound SQL condition."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from psycopg import sql

from collector.columns import SIP_MESSAGE
from collector.quality.report import ReportFault
from collector.sip import Fault, Kind
from webapi import registration
from webapi.errors import bad_parameter
from webapi.parameters import duration, flag, integer

Condition = tuple[sql.Composable, list[Any]]
"""SQL with placeholders, and the values for them."""
Filter = Callable[[str, str], Condition]
"""From a parameter's name and value; raises ApiError when the value breaks the rule."""

_STATUS: Final = re.compile(r"[1-6]([0-9]{2}|xx)\Z")
_METHOD: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}\Z")
_SSRC: Final = re.compile(r"[0-9]{1,10}\Z|0[xX][0-9A-Fa-f]{1,8}\Z")
_EXACT: Final = ("call_id", "correlation_id", "aleg_id", "from_tag", "to_tag", "via_branch")
CALL_STATES: Final = (
    *("trying", "ringing", "answered", "completed", "cancelled", "busy", "redirected", "failed"),
    *("timed_out", "unknown"),
)
_PATTERN: Final = tuple(
    column.name
    for column in SIP_MESSAGE
    if column.name.endswith(("_user", "_domain", "_realm", "_agent"))
)


def _exact(name: str, value: str) -> Condition:
    return sql.SQL("{} = %s").format(sql.Identifier(name)), [value]


def _pattern(name: str, value: str) -> Condition:
    """Equality, or LIKE when the value has a ``*``."""
    if "*" not in value:
        return _exact(name, value)
    return sql.SQL("{} LIKE %s").format(sql.Identifier(name)), [_like(value)]


def _like(value: str) -> str:
    """A pattern with ``*`` as one of LIKE."""
    return escape_like(value).replace("*", "%")


def escape_like(value: str) -> str:
    """Text that stands for itself in a pattern of LIKE."""
    return re.sub(r"([\\%_])", r"\\\1", value)


def is_narrow(value: str) -> bool:
    """Whether an index helps with a pattern for a number: its beginning or its end is known."""
    return not (value.startswith("*") and value.endswith("*"))


def _number(*names: str) -> Filter:
    """A pattern for a number; one that fixes the end only is looked for from the end."""

    def condition(_name: str, value: str) -> Condition:
        if value.startswith("*") and not value.endswith("*"):
            # LIKE's escapes must stand before what they escape.
            form, bound = sql.SQL("reverse({}) LIKE %s"), _like(value[::-1])
        elif "*" in value:
            form, bound = sql.SQL("{} LIKE %s"), _like(value)
        else:
            form, bound = sql.SQL("{} = %s"), value
        return _any(form, names), [bound] * len(names)

    return condition


def _any(form: sql.SQL, names: Sequence[str]) -> sql.Composed:
    """One condition for several columns, any of which may fulfil it."""
    parts = [form.format(sql.Identifier(name)) for name in names]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts))


def _any_pattern(*names: str) -> Filter:
    def condition(_name: str, value: str) -> Condition:
        form = sql.SQL("{} LIKE %s" if "*" in value else "{} = %s")
        return _any(form, names), [_like(value) if "*" in value else value] * len(names)

    return condition


def _one_of(*allowed: str, name_of: Callable[[str], str] = str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        values = [name_of(item) for item in value.split(",")]
        if not set(values) <= set(allowed):
            raise bad_parameter(name, f"must be among {', '.join(allowed)}")
        return sql.SQL("{} = ANY(%s)").format(sql.Identifier(name)), [values]

    return condition


def _method(name: str, value: str) -> Condition:
    methods = value.split(",")
    if not all(_METHOD.match(method) for method in methods):
        raise bad_parameter(name, "must be methods like INVITE,BYE")
    return sql.SQL("method = ANY(%s)"), [methods]


def _status(name: str, value: str) -> Condition:
    """Codes and classes: ``486,5xx``; ``none`` for requests."""
    if value == "none":
        return sql.SQL("status IS NULL"), []
    parts: list[sql.Composable] = []
    values: list[Any] = []
    for code in value.split(","):
        if not _STATUS.match(code):
            raise bad_parameter(name, "must be codes like 200, classes like 4xx, or none")
        low = int(code.replace("xx", "00"))
        parts.append(sql.SQL("status BETWEEN %s AND %s"))
        values += [low, low + 99 if code.endswith("xx") else low]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts)), values


def _type(name: str, value: str) -> Condition:
    """HEP protocol types: ``34,35``."""
    types = [integer(name, item, 0, 255) for item in value.split(",")]
    return sql.SQL("type = ANY(%s)"), [types]


def _ssrc(name: str, value: str) -> Condition:
    """Decimal, or ``0x…``."""
    if not _SSRC.match(value):
        raise bad_parameter(name, "must be a number like 305419896 or 0x12345678")
    return sql.SQL("{} = %s::bigint").format(sql.Identifier(name)), [
        int(value, 0 if "x" in value.lower() else 10)
    ]


def _address(*columns: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            raise bad_parameter(name, "must be an address or a network like 10.0.0.0/8") from None
        return _any(sql.SQL("{} <<= %s"), columns), [network] * len(columns)

    return condition


def _port(*columns: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        port = integer(name, value, 0, 65_535)
        return _any(sql.SQL("{} = %s"), columns), [port] * len(columns)

    return condition


def _text(column: str) -> Filter:
    """Bytes anywhere in the payload, upper and lower case told apart."""

    def condition(_name: str, value: str) -> Condition:
        found = sql.SQL("position(%s::bytea in {}) > 0").format(sql.Identifier(column))
        return found, [value.encode()]

    return condition


def _header(name: str, value: str) -> Condition:
    """``X-Tenant:7``: a custom header has this value."""
    header, colon, text = value.partition(":")
    if not colon or not header.strip():
        raise bad_parameter(name, "must be like X-Tenant:7")
    return sql.SQL("headers ->> %s = %s"), [header.strip(), text.strip()]


def _fault(*faults: str) -> Filter:
    one_of = _one_of(*faults)

    def condition(name: str, value: str) -> Condition:
        return (sql.SQL("fault IS NOT NULL"), []) if value == "any" else one_of(name, value)

    return condition


def _at_least(column: str) -> Filter:
    """``min_duration=30s`` of a column in ms."""

    def condition(name: str, value: str) -> Condition:
        return sql.SQL("{} >= %s").format(sql.Identifier(column)), [duration(name, value) * 1000]

    return condition


def _at_most(column: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        return sql.SQL("{} <= %s").format(sql.Identifier(column)), [duration(name, value) * 1000]

    return condition


def _flag(name: str, value: str) -> Condition:
    form = sql.SQL("{}" if flag(name, value) else "NOT coalesce({}, false)")
    return form.format(sql.Identifier(name)), []


def _running(name: str, value: str) -> Condition:
    """As the partial index says it."""
    form = "{}ended_at IS NULL AND timed_out_at IS NULL{}"
    around = ("", "") if flag(name, value) else ("NOT (", ")")
    return sql.SQL(form.format(*around)), []


def _anywhere(_name: str, value: str) -> Condition:
    """Text anywhere in ``CALL_TEXTS``, upper and lower case not told apart."""
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(n)) for n in CALL_TEXTS)
    # Parameters have no control characters: what is found lies within one column.
    return sql.SQL("concat_ws(E'\n', {}) ILIKE %s").format(texts), [f"%{escape_like(value)}%"]


_transport: Final = _one_of("UDP", "TCP", "TLS", "WS", "WSS", "SCTP", name_of=str.upper)

_COMMON: Final[Mapping[str, Filter]] = {
    "call_id": _exact,
    "node": _exact,
    "src_ip": _address("src_ip"),
    "dst_ip": _address("dst_ip"),
    "ip": _address("src_ip", "dst_ip"),
    "src_port": _port("src_port"),
    "dst_port": _port("dst_port"),
    "port": _port("src_port", "dst_port"),
}

MESSAGE: Final[Mapping[str, Filter]] = {
    **_COMMON,
    **dict.fromkeys(_EXACT, _exact),
    **dict.fromkeys(_PATTERN, _pattern),
    "kind": _one_of(*(kind.label for kind in Kind)),
    "method": _method,
    "status": _status,
    "transport": _transport,
    "fault": _fault(*Fault),
    "header": _header,
    "text": _text("raw"),
}
"""Parameter → condition. Names of columns come from here only, values are always bound."""

REPORT: Final[Mapping[str, Filter]] = {
    **_COMMON,
    "type": _type,
    "ssrc": _ssrc,
    "source_ssrc": _ssrc,
    "direction": _one_of("in", "out", "local", "remote"),
    "fault": _fault(ReportFault.VALUE, Fault.TEXT, Fault.FIELD_LENGTH),
}

EVENT: Final[Mapping[str, Filter]] = {
    **_COMMON,
    "type": _type,
    "fault": _fault(ReportFault.PAYLOAD, Fault.TEXT, Fault.FIELD_LENGTH),
    "text": _text("payload"),
}

CALL_TEXTS: Final = (
    *("call_id", "from_user", "from_domain", "to_user", "to_domain", "ruri_user", "ruri_domain"),
    *("pai_user", "pai_domain", "user_agent", "answer_agent", "failure_reason", "failure_cause"),
    *("failure_warning", "cancel_cause", "bye_cause", "refer_to", "auth_user", "headers"),
)
"""The columns of ``call`` that free text is looked for in."""
_RANGES: Final = ("duration", "pdd", "setup")

CALL: Final[Mapping[str, Filter]] = {
    **_COMMON,
    "caller": _number("caller"),
    "callee": _number("callee"),
    "number": _number("caller", "callee"),
    "ip": _address("src_ip", "dst_ip", "answer_ip", "caller_media_ip", "callee_media_ip"),
    "media_ip": _address("caller_media_ip", "callee_media_ip"),
    "port": _port("src_port", "dst_port", "caller_media_port", "callee_media_port"),
    "state": _one_of(*CALL_STATES),
    "status": _status,
    **{f"min_{name}": _at_least(f"{name}_ms") for name in _RANGES},
    **{f"max_{name}": _at_most(f"{name}_ms") for name in _RANGES},
    "domain": _any_pattern("from_domain", "to_domain", "ruri_domain"),
    "user_agent": _any_pattern("user_agent", "answer_agent"),
    "auth_user": _pattern,
    "transport": _transport,
    "header": _header,
    "text": _anywhere,
    "ended_by": _one_of("caller", "callee"),
    "on_hold": _flag,
    "running": _running,
}

REGISTRATION: Final[Mapping[str, Filter]] = {
    **_COMMON,
    **dict.fromkeys(("aor", "contact", "contact_user", "auth_user", "user_agent"), _pattern),
    "state": _one_of(*registration.STATES),
    "status": _status,
    "transport": _transport,
}


def conditions(filters: Mapping[str, Filter], parameters: Mapping[str, str]) -> list[Condition]:
    """The conditions of all filter parameters; raises ApiError that names the bad one."""
    found = []
    for name, value in parameters.items():
        if name in filters:
            if not value:
                raise bad_parameter(name, "is empty")
            found.append(filters[name](name, value))
    return found
