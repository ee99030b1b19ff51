# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/openapi.json``, and the same as a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import orjson
from aiohttp import web

from webapi.context import CONTEXT
from webapi.openapi.document import Route, describe
from webapi.pages import handlers as pages
from webapi.parameters import single


class Description:
    """Of one application; made when it is asked for."""

    def __init__(self, app: web.Application) -> None:
        self._app = app

    @cached_property
    def made(self) -> bytes:
        """As JSON."""
        return orjson.dumps(describe(routes(self._app), self._app[CONTEXT].settings))


_PAGES: Final = frozenset(handler for _, handler in pages.ROUTES)
DESCRIPTION: Final = web.AppKey("openapi", Description)


async def show_description(request: web.Request) -> web.Response:
    """This description, with the limits as they are set here."""
    single(request.query, ())
    made = request.app[DESCRIPTION].made
    return web.Response(body=made, content_type="application/json")


def page(app: web.Application) -> str:
    """The same as a file to read."""
    found = orjson.loads(app[DESCRIPTION].made)
    return orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n"


def routes(app: web.Application) -> Iterator[Route]:
    """Those that it has for programs, HEAD apart, which is as GET."""
    for route in app.router.routes():
        is_page = route.handler in _PAGES
        if route.resource and route.method != "HEAD" and not is_page:
            yield Route(route.method, route.resource.canonical, route.handler)
