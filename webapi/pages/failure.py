# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors as people see them: a page, or the way to sign in. Programs get JSON."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from webapi.access.origin import SAFE
from webapi.errors import ApiError
from webapi.pages.render import page
from webapi.pages.target import PARAMETER

SIGN_IN: Final = "/sign-in"
PASSWORD: Final = "/password"  # noqa: S105 (a path)
_FOR_PROGRAMS: Final = ("/api/", "/metrics", "/assets/")
_TITLES: Final = {
    400: "This address is not right",
    403: "You may not see this",
    404: "There is nothing here",
    503: "Not now",
}
_ADVICE: Final = {
    "database_unavailable": "Captured messages wait in the journal. `make doctor` on the host says "
    "what is wrong.",
    "database_schema": "`python -m collector init-db` on the host brings the tables up to date.",
    "host_not_allowed": "An administrator can add this name to web.hosts in kemiscope.toml.",
    "tls_required": "Use https, or ask an administrator.",
    "not_allowed": "An administrator can give your user another role.",
}


def answer(request: web.Request, error: ApiError) -> web.Response:
    """The answer to a request that failed."""
    if not _is_for_people(request):
        return error.response()
    if error.status == 401:
        return _redirect(SIGN_IN, request)
    if error.code == "password_change_required":
        return _redirect(PASSWORD, request)
    return page(
        "error",
        status=error.status,
        title=_TITLES.get(error.status, "Something went wrong"),
        message=str(error),
        code=error.code,
        advice=_ADVICE.get(error.code, ""),
    )


def _is_for_people(request: web.Request) -> bool:
    """Whether a browser asks for a page: what it loads for one says otherwise in Accept."""
    return (
        request.method in SAFE
        and not request.path.startswith(_FOR_PROGRAMS)
        and "text/html" in request.headers.get(hdrs.ACCEPT, "")
    )


def _redirect(path: str, request: web.Request) -> web.Response:
    location = f"{path}?{urlencode({PARAMETER: request.path_qs})}"
    return web.Response(status=303, headers={hdrs.LOCATION: location})
