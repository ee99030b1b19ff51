# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of the API, each time about another leg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import orjson

from bench import stored
from bench.stored import Leg

NATIVE: Final = "native"
HOMER: Final = "HOMER"
_NOBODY: Final = "203.0.113.9"
"""An address that no message has."""
_PAGE: Final = 200
"""Rows that HOMER's pages ask for."""
_AROUND: Final = timedelta(minutes=5)
"""By which HOMER's pages widen the time of a call."""


class Request(NamedTuple):
    """One; POST when it has a body."""

    path: str
    body: bytes = b""


class Question(NamedTuple):
    """A kind of request."""

    name: str
    api: str
    request: Callable[[Leg], Request]
    rows: Callable[[Any], int]
    """How many the answer has."""
    span: Callable[[Leg], tuple[datetime, datetime]] | None
    """The range of time that it names; None when it names none."""


def questions(end: datetime) -> list[Question]:
    """All of them, for what is stored until ``end``."""
    return [*_native(end), *_homer(end)]


def _native(end: datetime) -> Iterator[Question]:
    day = (end - stored.DAY, end)
    hour = (end - stored.HOUR, end)
    for kind, name, span, parameters in (
        ("messages", "of a number, 1 h", hour, lambda leg: {"from_user": leg.caller}),
        ("messages", "of an address, 1 h", hour, lambda leg: {"ip": leg.address}),
        ("messages", "with status 183, 1 h", hour, lambda _: {"status": "183"}),
        ("messages", "with status 5xx (none), 1 h", hour, lambda _: {"status": "5xx"}),
        ("messages", "of a Call-ID, 24 h", day, lambda leg: {"call_id": leg.call_id}),
        ("messages", "of a number, 24 h", day, lambda leg: {"number": leg.caller}),
        ("messages", "of an address, 24 h", day, lambda leg: {"ip": leg.address}),
        ("messages", "of an address (none), 24 h", day, lambda _: {"ip": _NOBODY}),
        ("messages", "with status 5xx (none), 24 h", day, lambda _: {"status": "5xx"}),
        ("messages", "of a user agent, 24 h", day, lambda _: {"user_agent": stored.AGENT}),
        ("messages", "of a user agent (none), 24 h", day, lambda _: {"user_agent": "none"}),
        ("messages", "with a method (none), 24 h", day, lambda _: {"method": "REFER"}),
        ("calls", "of a number, 24 h", day, lambda leg: {"number": leg.caller}),
        (
            "calls",
            "of the end of a number, 24 h",
            day,
            lambda leg: {"callee": f"*{leg.callee[-7:]}"},
        ),
        ("calls", "of an address, 24 h", day, lambda leg: {"ip": leg.address}),
        ("calls", "with status 200, 24 h", day, lambda _: {"status": "200"}),
        ("calls", "with status 5xx (none), 24 h", day, lambda _: {"status": "5xx"}),
        ("calls", "of a user agent, 24 h", day, lambda _: {"user_agent": stored.AGENT}),
        ("calls", "of an address (none), 24 h", day, lambda _: {"ip": _NOBODY}),
        ("calls", "by duration, 24 h", day, lambda _: {"sort": "-duration_ms"}),
        ("calls", "of a number, by duration, 24 h", day, _longest_of),
        ("calls", "of a Call-ID, 24 h", day, lambda leg: {"call_id": leg.call_id}),
    ):
        yield Question(
            f"{kind} {name}", NATIVE, _search(kind, span, parameters), _length(kind), _always(span)
        )
    for name, query in (("a call", ""), ("a call with its legs", "?legs=all")):
        yield Question(name, NATIVE, _call(query), _length("messages"), None)


def _longest_of(leg: Leg) -> dict[str, str]:
    return {"number": leg.caller, "sort": "-duration_ms"}


def _homer(end: datetime) -> Iterator[Question]:
    day = (end - stored.DAY, end)
    hour = (end - stored.HOUR, end)
    path = "/api/v3/search/call/data"
    for name, span, field, value in (
        ("of a number, 1 h", hour, "data_header.from_user", lambda leg: leg.caller),
        ("of an address, 1 h", hour, "protocol_header.srcIp", lambda leg: leg.address),
        ("of a method, 1 h", hour, "data_header.method", lambda _: "INVITE"),
        ("of a Call-ID, 24 h", day, "sid", lambda leg: leg.call_id),
    ):
        yield Question(
            f"search {name}", HOMER, _data(path, span, field, value), _length("data"), _always(span)
        )
    yield Question("transaction", HOMER, _transaction, _messages, _around)


def _always(span: tuple[datetime, datetime]) -> Callable[[Leg], tuple[datetime, datetime]]:
    return lambda _: span


def _around(leg: Leg) -> tuple[datetime, datetime]:
    return leg.at - _AROUND, leg.at + 2 * _AROUND


def _length(name: str) -> Callable[[Any], int]:
    return lambda answer: len(answer[name])


def _messages(answer: Any) -> int:
    return len(answer["data"]["messages"])


def _search(
    kind: str, span: tuple[datetime, datetime], parameters: Callable[[Leg], dict[str, str]]
) -> Callable[[Leg], Request]:
    begin, end = span

    def request(leg: Leg) -> Request:
        wanted = {"from": begin.isoformat(), "to": end.isoformat(), **parameters(leg)}
        return Request(f"/api/v1/{kind}?{urlencode(wanted)}")

    return request


def _call(query: str) -> Callable[[Leg], Request]:
    return lambda leg: Request(f"/api/v1/calls/{quote(leg.call_id, safe='')}{query}")


def _data(
    path: str,
    span: tuple[datetime, datetime],
    field: str,
    value: Callable[[Leg], str],
) -> Callable[[Leg], Request]:
    def request(leg: Leg) -> Request:
        fields = [
            {"name": field, "value": value(leg), "type": "string", "hepid": 1},
            {"name": "limit", "value": str(_PAGE), "type": "string", "hepid": 1},
        ]
        return Request(path, _body(span, {"1_call": fields}))

    return request


def _transaction(leg: Leg) -> Request:
    wanted = {"1_call": {"id": 0, "callid": [leg.call_id]}}
    return Request("/api/v3/call/transaction", _body(_around(leg), wanted))


def _body(span: tuple[datetime, datetime], search: dict[str, Any]) -> bytes:
    begin, end = (int(moment.timestamp() * 1000) for moment in span)
    return orjson.dumps(
        {
            "config": {"protocol_id": {"name": "SIP", "value": 1}},
            "param": {
                "transaction": {},
                "limit": _PAGE,
                "orlogic": False,
                "search": search,
                "location": {"node": ["localnode"]},
                "timezone": {"value": 0, "name": "Local"},
            },
            "timestamp": {"from": begin, "to": end},
        }
    )
