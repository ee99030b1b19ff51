# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in the body of HOMER's requests: profiles, a time range, a node, a limit."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

import msgspec
from aiohttp import web

from collector.moment import EPOCH
from webapi.change import read_object
from webapi.errors import ApiError, bad_parameter
from webapi.homer.field import DATABASE_NODE, PROFILES, Profile
from webapi.parameters import EARLIEST, LATEST

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_IDS: Final = 100
"""Call-IDs or ids of messages in one request."""
MAX_TEXT: Final = 4000
"""Characters of a value."""
MAX_WHITELIST: Final = 100
"""Addresses that may be left out."""
_MAX_DIGITS: Final = 18


_Body = TypeVar("_Body")


class Range(msgspec.Struct):
    """Milliseconds since 1970, both ends included."""

    begin: float = msgspec.field(name="from")
    end: float = msgspec.field(name="to")

    def span(self) -> tuple[datetime, datetime]:
        """Begin and end, which is not part of it. Raises ApiError."""
        begin, end = _moment("from", self.begin), _moment("to", self.end)
        if begin > end:
            raise bad_parameter("timestamp.from", "must be before timestamp.to")
        return begin, end + timedelta(milliseconds=1)


class _Location(msgspec.Struct):
    node: Any = None


class _Param(msgspec.Struct):
    search: dict[str, Any]
    limit: int | str | None = None
    orlogic: bool | None = None
    location: _Location | None = None
    whitelist: Annotated[list[str], msgspec.Meta(max_length=MAX_WHITELIST)] | None = None


class _Envelope(msgspec.Struct):
    timestamp: Range
    param: _Param


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request."""

    begin: datetime
    end: datetime
    """Not part of it."""
    searches: Mapping[str, Any]
    """What is asked of each profile, by its key."""
    limit: int | None
    any_of: bool
    """Whether one fulfilled condition is enough."""
    is_here: bool
    """Whether the nodes that are asked are this database."""
    but: tuple[Network, ...]
    """Addresses whose packets are left out: HOMER's ``whitelist``."""

    @property
    def profiles(self) -> list[Profile]:
        """Those that are asked."""
        return [PROFILES[key] for key in self.searches]

    def listed(self, *names: str) -> list[Any]:
        """The values under any of these names in what is asked of any profile, each once."""
        found: list[Any] = []
        for search in self.searches.values():
            if not isinstance(search, dict):
                raise bad_parameter("param.search", "must have an object for each profile")
            for name in names:
                value = search.get(name)
                found += value if isinstance(value, list) else [] if value is None else [value]
        if len(found) > MAX_IDS:
            raise bad_parameter("param.search", f"has more than {MAX_IDS} ids")
        return list(dict.fromkeys(map(str, found)))

    def call_ids(self) -> list[str]:
        """Raises ApiError when none is named."""
        found = self.listed("callid", "sid")
        for call_id in found:
            check_text("callid", call_id)
        if not found:
            raise bad_parameter("param.search", "needs the field callid")
        return found

    def ids(self) -> list[int]:
        """Of messages; ``id`` wins over ``uuid``. Raises ApiError when none is named."""
        found = self.listed("id") or self.listed("uuid")
        if not found:
            raise bad_parameter("param.search", "needs the field id or uuid")
        return [number("id", value) for value in found]


async def read(request: web.Request) -> Asked:
    """The body of a request. Raises ApiError 400 that names what is wrong."""
    return parse(await read_object(request))


def parse(body: Mapping[str, Any]) -> Asked:
    """The same of a body that was read."""
    found = convert(body, _Envelope)
    begin, end = found.timestamp.span()
    param = found.param
    for key in param.search:
        if key not in PROFILES:
            known = ", ".join(PROFILES)
            message = f"invalid search profile key: {key!r:.40}; there are {known}"
            raise ApiError(400, "bad_parameter", message, "param.search")
    if not param.search:
        raise bad_parameter("param.search", f"needs one of {', '.join(PROFILES)}")
    return Asked(
        begin,
        end,
        param.search,
        None if param.limit in (None, "") else number("param.limit", str(param.limit)),
        bool(param.orlogic),
        _is_here(param.location),
        tuple(map(_network, param.whitelist or ())),
    )


def convert(body: Mapping[str, Any], kind: type[_Body]) -> _Body:
    """The body as this type. Raises ApiError 400."""
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise ApiError(400, "bad_request", f"request format is not correct: {error}") from None


def _is_here(location: _Location | None) -> bool:
    nodes = list(_texts(location.node if location else None))
    return not nodes or DATABASE_NODE in map(str.lower, nodes)


def _texts(value: object, depth: int = 3) -> Iterator[str]:
    """Text in lists: as a row says its node, and as a form does."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list) and depth:
        for one in value:
            yield from _texts(one, depth - 1)


def _moment(name: str, milliseconds: float) -> datetime:
    try:
        found = EPOCH + timedelta(milliseconds=int(milliseconds))
    except (OverflowError, ValueError):
        found = LATEST + timedelta(days=1)
    if not EARLIEST <= found <= LATEST:
        raise bad_parameter(f"timestamp.{name}", "must be milliseconds since 1970")
    return found


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise bad_parameter("param.whitelist", "must have addresses or networks") from None


def number(name: str, text: str) -> int:
    """A whole number, which may be negative. Raises ApiError."""
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS + 1):
        raise bad_parameter(name, "must be a number")
    return int(text)


def check_text(name: str, text: str) -> None:
    """Raise ApiError for what PostgreSQL has no text for, or nobody needs."""
    if "\0" in text:
        raise bad_parameter(name, "has control characters")
    if len(text) > MAX_TEXT:
        raise bad_parameter(name, f"is longer than {MAX_TEXT} characters")
