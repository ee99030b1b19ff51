# SPDX-License-Identifier: GPL-2.0-or-later
"""HOMER's shapes of an answer: what went well, and what did not.

Its clients know a failure by ``message``, and sign out on 401. They take any 404 for an API that is
not there, so one for a thing that is not there is 400, as in HOMER.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from webapi.access.principal import principal_of
from webapi.access.roles import NEEDS, Scope
from webapi.errors import ApiError

PREFIX: Final = "/api/v3/"
MESSAGES: Final[Mapping[str, str]] = {
    "sign_in_required": "missing or malformed jwt",
    "bad_token": "invalid or expired jwt",
    "session_over": "invalid or expired jwt",
}
"""HOMER's words for our codes. Its user interface knows them."""
NOT_ADMIN: Final = "This API requires admin access."
IN_USE: Final = " The AuthToken in use!"
BAD_BODY: Final = "request format is not correct"
_BAD_BODY: Final = frozenset({"bad_json", "not_json"})
_AS_400: Final = frozenset({404, 409, 415, 422})


def json(data: Any, status: int = 200) -> web.Response:
    """``data`` as JSON."""
    return web.Response(
        status=status,
        body=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS),
        content_type="application/json",
    )


def listed(found: Sequence[Any], status: int = 200) -> web.Response:
    """Rows, and how many."""
    return json({"count": len(found), "data": found}, status)


def done(message: str, data: Any, status: int = 201) -> web.Response:
    """A change that was made; ``data`` is mostly the guid of what was changed."""
    return json({"data": data, "message": message}, status)


def failure(request: web.Request, error: ApiError) -> web.Response:
    """The error in HOMER's shape, whoever raised it: a handler or a middleware before."""
    response = error.response()
    if request.match_info.http_exception:  # no such route, or not with this method
        shown: dict[str, Any] = {"message": HTTPStatus(error.status).phrase}
    elif error.code in MESSAGES:
        shown = {"message": MESSAGES[error.code]}
    elif error.code == "not_allowed" and _need(request) is Scope.ADMIN:
        addition = "" if principal_of(request).in_person else IN_USE
        shown = {"message": NOT_ADMIN + addition}
    else:
        if error.status in _AS_400:
            response.set_status(400)
        message = BAD_BODY if error.code in _BAD_BODY else str(error)
        shown = {"data": {}, "message": message}
    response.body = orjson.dumps(shown)
    return response


def _need(request: web.Request) -> object:
    resource = request.match_info.route.resource
    method = "GET" if request.method == "HEAD" else request.method
    return NEEDS.get((method, resource.canonical if resource else ""))
