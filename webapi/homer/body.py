# SPDX-License-Identifier: GPL-2.0-or-later
"""What HOMER's clients send: an object, of which they may send more than anybody asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from psycopg.types.json import Jsonb

from webapi import change
from webapi.access import fields
from webapi.access.gate import check_csrf
from webapi.access.principal import principal_of
from webapi.errors import ApiError

MAX_DOCUMENT: Final = 256 << 10
"""Bytes of a body: a dashboard with a hundred widgets takes half of it."""
MAX_TEXT: Final = 100
"""Characters of a category, the name of a dashboard and so on."""
MAX_NUMBER: Final = (1 << 31) - 1
_NUL: Final = b"\\u0000"


async def read(request: web.Request, required: Collection[str] = ()) -> dict[str, Any]:
    """The body; of ``required`` nothing is missing, empty or zero.

    Raises ApiError 400, 408, 413, 415 and 422.
    """
    found = await change.read_object(request, MAX_DOCUMENT)
    for name in required:
        if found.get(name) in (None, "", 0, {}, []):
            raise fields.wrong(name, "is missing")
    return found


def number(given: Mapping[str, Any], name: str, default: int, high: int = MAX_NUMBER) -> int:
    """A number from 0, which forms may send as text. Raises ApiError 422."""
    value = given.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[: len(str(high)) + 1])
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
        raise fields.wrong(name, f"must be a number from 0 to {high}")
    return value


def word(given: Mapping[str, Any], name: str) -> str:
    """Short printable text that is not empty. Raises ApiError 422."""
    return fields.text(given, name, MAX_TEXT, empty=False)


def jsonb(name: str, data: Any) -> Jsonb:
    """A document for PostgreSQL. Raises ApiError 422 for a NUL, which it cannot keep."""
    if _NUL in orjson.dumps(data):
        raise fields.wrong(name, "has a NUL character")
    return Jsonb(data, dumps=orjson.dumps)


def guid(request: web.Request) -> UUID:
    """Of the path. Raises ApiError 404 for what is none."""
    try:
        return UUID(request.match_info["guid"])
    except ValueError:
        raise unknown() from None


def check_no_link(request: web.Request) -> None:
    """Raise ApiError 403 when a browser may have come by a link.

    Some of HOMER's GETs change things. With a cookie they need the CSRF token as changes do.
    """
    if not ("Authorization" in request.headers or "Auth-Token" in request.headers):
        check_csrf(request, principal_of(request).secret)


def unknown() -> ApiError:
    """404 for a guid that nothing has, or nothing of this user's."""
    return ApiError(404, "not_found", "data was not found")
