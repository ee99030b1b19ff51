# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters of a search: one allow-list each from parameter to bound SQL condition."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from psycopg import sql

from collector.columns import SIP_MESSAGE
from collector.quality.report import ReportFault
from collector.sip import Fault, Kind
from webapi.errors import bad_parameter
from webapi.parameters import integer

Condition = tuple[sql.Composable, list[Any]]
"""SQL with placeholders, and the values for them."""
Filter = Callable[[str, str], Condition]
"""From a parameter's name and value; raises ApiError when the value breaks the rule."""

_STATUS: Final = re.compile(r"[1-6]([0-9]{2}|xx)\Z")
_METHOD: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}\Z")
_SSRC: Final = re.compile(r"[0-9]{1,10}\Z|0[xX][0-9A-Fa-f]{1,8}\Z")
_EXACT: Final = ("call_id", "correlation_id", "aleg_id", "from_tag", "to_tag", "via_branch")
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
    escaped = re.sub(r"([\\%_])", r"\\\1", value).replace("*", "%")
    return sql.SQL("{} LIKE %s").format(sql.Identifier(name)), [escaped]


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
        parts = [sql.SQL("{} <<= %s").format(sql.Identifier(column)) for column in columns]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(parts)), [network] * len(columns)

    return condition


def _port(*columns: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        port = integer(name, value, 0, 65_535)
        parts = [sql.SQL("{} = %s").format(sql.Identifier(column)) for column in columns]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(parts)), [port] * len(columns)

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
    "transport": _one_of("UDP", "TCP", "TLS", "WS", "WSS", "SCTP", name_of=str.upper),
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


def conditions(filters: Mapping[str, Filter], parameters: Mapping[str, str]) -> list[Condition]:
    """The conditions of all filter parameters; raises ApiError that names the bad one."""
    found = []
    for name, value in parameters.items():
        if name in filters:
            if not value:
                raise bad_parameter(name, "is empty")
            found.append(filters[name](name, value))
    return found
