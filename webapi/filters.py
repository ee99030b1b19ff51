# SPDX-License-Identifier: GPL-2.0-or-later
"""The filters of a search: one allow-list each from parameter to bound SQL condition."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from psycopg import sql

from collector.columns import SIP_MESSAGE
from collector.quality.report import ReportFault
from collector.sip import Fault, Kind
from webapi import registration, schema
from webapi.errors import bad_parameter
from webapi.names.alias import RANK
from webapi.parameters import duration, flag, integer
from webapi.schema import Schema

Condition = tuple[sql.Composable, list[Any]]
"""SQL with placeholders, and the values for them."""
_Make = Callable[[str, str], Condition]


class Filter(NamedTuple):
    """Makes a condition of a parameter."""

    make: _Make
    """From its name and value; raises ApiError when the value breaks the rule."""
    schema: Schema
    """What the value looks like."""


_STATUS: Final = re.compile(r"[1-6]([0-9]{2}|xx)\Z")
_METHOD: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}\Z")
_SSRC: Final = re.compile(r"[0-9]{1,10}\Z|0[xX][0-9A-Fa-f]{1,8}\Z")
_MAX_TYPE: Final = 255
_MAX_PORT: Final = 65_535
_NETWORK: Final[Schema] = {
    **schema.TEXT,
    "description": "An address or a network.",
    "examples": ["192.0.2.1", "10.0.0.0/8"],
}
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

    return Filter(condition, schema.PATTERN)


def _any(form: sql.SQL, names: Sequence[str]) -> sql.Composed:
    """One condition for several columns, any of which may fulfil it."""
    parts = [form.format(sql.Identifier(name)) for name in names]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(parts))


def _any_pattern(*names: str) -> Filter:
    def condition(_name: str, value: str) -> Condition:
        form = sql.SQL("{} LIKE %s" if "*" in value else "{} = %s")
        return _any(form, names), [_like(value) if "*" in value else value] * len(names)

    return Filter(condition, schema.PATTERN)


def _one_of(*allowed: str, name_of: Callable[[str], str] = str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        values = [name_of(item) for item in value.split(",")]
        if not set(values) <= set(allowed):
            raise bad_parameter(name, f"must be among {', '.join(allowed)}")
        return sql.SQL("{} = ANY(%s)").format(sql.Identifier(name)), [values]

    return Filter(condition, schema.some_of(schema.one_of(allowed)))


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
    types = [integer(name, item, 0, _MAX_TYPE) for item in value.split(",")]
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
        if network.num_addresses > 1:
            return _any(sql.SQL("{} <<= %s"), columns), [network] * len(columns)
        # Equality has an index that containment has not.
        return _any(sql.SQL("{} = %s"), columns), [network.network_address] * len(columns)

    return Filter(condition, _NETWORK)


def _port(*columns: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        port = integer(name, value, 0, _MAX_PORT)
        return _any(sql.SQL("{} = %s"), columns), [port] * len(columns)

    return Filter(condition, schema.integer(0, _MAX_PORT))


def _text(column: str) -> Filter:
    """Bytes anywhere in the payload, upper and lower case told apart."""

    def condition(_name: str, value: str) -> Condition:
        found = sql.SQL("position(%s::bytea in {}) > 0").format(sql.Identifier(column))
        return found, [value.encode()]

    return Filter(condition, schema.TEXT)


def _header(name: str, value: str) -> Condition:
    """``X-Tenant:7``: a custom header has this value."""
    header, colon, text = value.partition(":")
    if not colon or not header.strip():
        raise bad_parameter(name, "must be like X-Tenant:7")
    return sql.SQL("headers ->> %s = %s"), [header.strip(), text.strip()]


def _fault(*faults: str) -> Filter:
    one_of = _one_of(*faults)

    def condition(name: str, value: str) -> Condition:
        return (sql.SQL("fault IS NOT NULL"), []) if value == "any" else one_of.make(name, value)

    return Filter(condition, {"oneOf": [{"const": "any"}, one_of.schema]})


def _at_least(column: str) -> Filter:
    """``min_duration=30s`` of a column in ms."""

    def condition(name: str, value: str) -> Condition:
        return sql.SQL("{} >= %s").format(sql.Identifier(column)), [duration(name, value) * 1000]

    return Filter(condition, schema.DURATION)


def _at_most(column: str) -> Filter:
    def condition(name: str, value: str) -> Condition:
        return sql.SQL("{} <= %s").format(sql.Identifier(column)), [duration(name, value) * 1000]

    return Filter(condition, schema.DURATION)


def _flag(name: str, value: str) -> Condition:
    form = sql.SQL("{}" if flag(name, value) else "NOT coalesce({}, false)")
    return form.format(sql.Identifier(name)), []


def _running(name: str, value: str) -> Condition:
    """As the partial index says it."""
    form = "{}ended_at IS NULL AND timed_out_at IS NULL{}"
    around = ("", "") if flag(name, value) else ("NOT (", ")")
    return sql.SQL(form.format(*around)), []


def _matching(pattern: re.Pattern[str]) -> Schema:
    """Text of this form: JSON Schema searches where we match."""
    return {"type": "string", "pattern": f"^({pattern.pattern.replace(chr(92) + 'Z', '')})$"}


def _anywhere(_name: str, value: str) -> Condition:
    """Text anywhere in ``CALL_TEXTS``, upper and lower case not told apart."""
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(n)) for n in CALL_TEXTS)
    # Parameters have no control characters: what is found lies within one column.
    return sql.SQL("concat_ws(E'\n', {}) ILIKE %s").format(texts), [f"%{escape_like(value)}%"]


_EXACT_TEXT: Final = Filter(_exact, schema.TEXT)
_PATTERN_TEXT: Final = Filter(_pattern, schema.PATTERN)
_METHODS: Final = Filter(_method, schema.some_of(_matching(_METHOD)))
_STATUSES: Final = Filter(
    _status,
    {
        "oneOf": [{"const": "none"}, schema.some_of(_matching(_STATUS))],
        "description": "Codes and classes; `none` where there is no status.",
    },
)
_TYPES: Final = Filter(_type, schema.some_of(schema.integer(0, _MAX_TYPE)))
_SSRCS: Final = Filter(_ssrc, {**_matching(_SSRC), "description": "Decimal, or `0x…`."})
_HEADERS: Final = Filter(
    _header,
    {
        "type": "string",
        "pattern": "^[^: ][^:]*:",
        "description": "A custom header and its value.",
        "examples": ["X-Tenant:7"],
    },
)
_FLAGS: Final = Filter(_flag, schema.FLAG)
_TRANSPORTS: Final = _one_of("UDP", "TCP", "TLS", "WS", "WSS", "SCTP", name_of=str.upper)


def _alias(*ends: str) -> Filter:
    """Rows of which an address has this name: that of the alias that wins for it."""

    def condition(_name: str, value: str) -> Condition:
        parts = [
            _NAMED.format(*(sql.Identifier(f"{end}_{part}") for part in ("ip", "port")), rank=RANK)
            for end in ends
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(parts)), [value] * 2 * len(ends)

    return Filter(condition, schema.TEXT)


_NAMED: Final = sql.SQL(
    # The first condition, which is made once, spares most rows the second one.
    "({0} <<= ANY (ARRAY(SELECT network::inet FROM alias WHERE enabled AND name = %s)) AND %s ="
    " (SELECT alias.name FROM alias WHERE enabled AND {0} <<= network AND alias.port IN (0, {1})"
    " AND capture_node IN ('', node) ORDER BY {rank} LIMIT 1))"
)
_COMMON: Final[Mapping[str, Filter]] = {
    "call_id": _EXACT_TEXT,
    "node": _EXACT_TEXT,
    "src_ip": _address("src_ip"),
    "dst_ip": _address("dst_ip"),
    "ip": _address("src_ip", "dst_ip"),
    "src_port": _port("src_port"),
    "dst_port": _port("dst_port"),
    "port": _port("src_port", "dst_port"),
}
_ALIASES: Final[Mapping[str, Filter]] = {
    "alias": _alias("src", "dst"),
    "src_alias": _alias("src"),
    "dst_alias": _alias("dst"),
}

MESSAGE: Final[Mapping[str, Filter]] = {
    **_COMMON,
    **dict.fromkeys(_EXACT, _EXACT_TEXT),
    **dict.fromkeys(_PATTERN, _PATTERN_TEXT),
    "number": _any_pattern("from_user", "to_user", "ruri_user"),
    "kind": _one_of(*(kind.label for kind in Kind)),
    "method": _METHODS,
    "status": _STATUSES,
    "transport": _TRANSPORTS,
    "fault": _fault(*Fault),
    "header": _HEADERS,
    **_ALIASES,
    "text": _text("raw"),
}
"""Parameter → condition. Names of columns come from here only, values are always bound."""

REPORT: Final[Mapping[str, Filter]] = {
    **_COMMON,
    "type": _TYPES,
    "ssrc": _SSRCS,
    "source_ssrc": _SSRCS,
    "direction": _one_of("in", "out", "local", "remote"),
    "fault": _fault(ReportFault.VALUE, Fault.TEXT, Fault.FIELD_LENGTH),
}

EVENT: Final[Mapping[str, Filter]] = {
    **_COMMON,
    "type": _TYPES,
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
    "status": _STATUSES,
    **{f"min_{name}": _at_least(f"{name}_ms") for name in _RANGES},
    **{f"max_{name}": _at_most(f"{name}_ms") for name in _RANGES},
    "domain": _any_pattern("from_domain", "to_domain", "ruri_domain"),
    "user_agent": _any_pattern("user_agent", "answer_agent"),
    "auth_user": _PATTERN_TEXT,
    "transport": _TRANSPORTS,
    "header": _HEADERS,
    **_ALIASES,
    "text": Filter(_anywhere, schema.TEXT),
    "ended_by": _one_of("caller", "callee"),
    "on_hold": _FLAGS,
    "running": Filter(_running, schema.FLAG),
}

REGISTRATION: Final[Mapping[str, Filter]] = {
    **_COMMON,
    **dict.fromkeys(("aor", "contact", "contact_user", "auth_user", "user_agent"), _PATTERN_TEXT),
    "state": _one_of(*registration.STATES),
    "status": _STATUSES,
    "transport": _TRANSPORTS,
}


def conditions(filters: Mapping[str, Filter], parameters: Mapping[str, str]) -> list[Condition]:
    """The conditions of all filter parameters; raises ApiError that names the bad one."""
    found = []
    for name, value in parameters.items():
        if name in filters:
            if not value:
                raise bad_parameter(name, "is empty")
            found.append(filters[name].make(name, value))
    return found
