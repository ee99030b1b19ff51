# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that change something: who may, and what their body may be."""

from __future__ import annotations

import hmac
from typing import Any, Final

import orjson
from aiohttp import web

from webapi.context import CONTEXT
from webapi.errors import ApiError

MAX_BODY: Final = 16 << 10
"""Bytes."""
_JSON: Final = "application/json"


def allow(request: web.Request) -> None:
    """Raise ApiError 401 or 403 unless the request carries ``web.change_token``.

    A browser sends Origin with every request that changes something; one that is not ours comes
    from a page elsewhere (RFC 6454 §7).
    """
    origin = request.headers.get("Origin")
    # The host has been checked by then, so what it names is ours.
    if origin is not None and origin not in (f"http://{request.host}", f"https://{request.host}"):
        raise ApiError(403, "origin_not_allowed", "the Origin header names another page's address")
    token = request.app[CONTEXT].settings.web.change_token
    if not token:
        message = "nothing can be changed: web.change_token is empty; set one and restart"
        raise ApiError(403, "changes_are_off", message)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Compared as bytes: text with other characters than ASCII would raise.
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        given.strip().encode(errors="replace"), token.encode()
    ):
        message = "needs the header Authorization: Bearer with the value of web.change_token"
        raise ApiError(401, "token_required", message)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body, a JSON object. Raises ApiError 400, 413 or 415."""
    if request.content_type != _JSON:
        raise ApiError(415, "not_json", f"needs the header Content-Type: {_JSON}")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise ApiError(413, "too_large", f"the body has more than {MAX_BODY} bytes")
    try:
        found = orjson.loads(bytes(body))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, "bad_json", f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError(400, "bad_json", "the body is not a JSON object")
    return found
