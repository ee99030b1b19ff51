# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that change something: what their body may be."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from webapi.errors import ApiError

MAX_BODY: Final = 16 << 10
"""Bytes."""
BODY_S: Final = 10
"""Longest wait for the whole body: nobody holds a request open by sending it a byte at a time."""
JSON: Final = "application/json"


async def read_body(request: web.Request, most: int = MAX_BODY) -> bytes:
    """The body, ``most`` bytes at most. Raises ApiError 408 or 413."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > most:
                    raise ApiError(413, "too_large", f"the body has more than {most} bytes")
    except TimeoutError:
        message = f"the body was not there within {BODY_S} s"
        raise ApiError(408, "too_slow", message) from None
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """Raises ApiError 400."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "bad_json", f"the body is not JSON: {error}") from None


async def read_object(request: web.Request, most: int = MAX_BODY) -> dict[str, Any]:
    """The body, a JSON object, ``most`` bytes at most. Raises ApiError 400, 408, 413 or 415."""
    if request.content_type != JSON:
        raise ApiError(415, "not_json", f"needs the header Content-Type: {JSON}")
    found = parse_json(await read_body(request, most))
    if not isinstance(found, dict):
        raise ApiError(400, "bad_json", "the body is not a JSON object")
    return found
