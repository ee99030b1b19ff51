# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/proxy/grafana``: which dashboards Grafana has, for the picker of a widget.

Its pages themselves go from Grafana to the browser, or through a reverse proxy: HTML of another
service has no place below our own address.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer
from webapi.homer.backends import BACKENDS, GRAFANA, Query, RefusedError

_REFUSED: Final = "1048"
_PATH: Final = "grafana"


async def show_url(request: web.Request) -> web.Response:
    """Where browsers find it."""
    url = request.app[CONTEXT].settings.backends.grafana
    if not url:
        raise ApiError(400, "no_backend", "Grafana service is not configured")
    return answer.json({"data": url}, 201)


async def show_path(_request: web.Request) -> web.Response:
    """Below which path a reverse proxy may have it."""
    return answer.json({"data": _PATH}, 201)


async def show_status(request: web.Request) -> web.Response:
    """Whether there is one."""
    enable = request.app[BACKENDS].is_there(GRAFANA)
    return answer.json({"data": {"enable": enable}}, 201)


async def show_organisation(request: web.Request) -> web.Response:
    """Of the token."""
    return await _get(request, "org")


async def list_folders(request: web.Request) -> web.Response:
    """What is in no folder."""
    return await _get(request, "search", query=[("folderIds", "0")])


async def search_folder(request: web.Request) -> web.Response:
    """What is in a folder."""
    return await _get(request, "search", query=[("folderIds", request.match_info["uid"])])


async def show_dashboard(request: web.Request) -> web.Response:
    """One of its dashboards."""
    return await _get(request, "dashboards", "uid", request.match_info["uid"])


async def _get(request: web.Request, *path: str, query: Query = ()) -> web.Response:
    try:
        found: Any = await request.app[BACKENDS].get(GRAFANA, ("api", *path), query)
    except RefusedError as error:
        message = f"grafana returned httpcode: {error.answered}"
        shown = {"errorcode": _REFUSED, "message": message, "data": str(error)}
        return answer.json(shown, 201)
    return answer.json(found, 201)
