# SPDX-License-Identifier: GPL-2.0-or-later
"""The routes of the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aiohttp import hdrs, web

from collector.doctor.database import CLOCK_WARNING
from webapi.access.principal import NOBODY, principal_of
from webapi.context import CONTEXT
from webapi.pages import admin, assets, failure
from webapi.pages.navigation import HOME
from webapi.pages.render import page
from webapi.pages.tab import TABS
from webapi.pages.target import PARAMETER, target_of

_CLOCK_WARNING_MS: Final = CLOCK_WARNING / timedelta(milliseconds=1)


async def go_home(_request: web.Request) -> web.Response:
    """The first page."""
    return web.Response(status=303, headers={hdrs.LOCATION: HOME})


async def show_sign_in(request: web.Request) -> web.Response:
    """Name and password. Who has a session already is led on by the page itself: a link from
    elsewhere comes without the cookie (SameSite=Strict), the page's own request has it."""
    return page("sign_in", NOBODY, target=target_of(request.query.get(PARAMETER, "")))


async def show_password(request: web.Request) -> web.Response:
    """One's own password, to be changed."""
    target = target_of(request.query.get(PARAMETER, ""))
    return page("password", principal_of(request), target=target)


async def show_search(request: web.Request) -> web.Response:
    """Calls, messages and registrations."""
    context = request.app[CONTEXT]
    sites = context.sites.names
    return page(
        "search",
        principal_of(request),
        tabs=[tab.to_json(sites) for tab in TABS],
        most=context.settings.web.max_rows,
        sites=sites,
    )


async def show_call(request: web.Request) -> web.Response:
    """One call, all of its legs."""
    return page("call", principal_of(request), call_id=request.match_info["call_id"], shared="")


async def show_shared(request: web.Request) -> web.Response:
    """The same by way of a share link, for whoever has it; whether it opens the API says."""
    return page("call", NOBODY, call_id="", shared=request.match_info["token"])


async def show_status(request: web.Request) -> web.Response:
    """What is captured, by whom, and what became of it."""
    return page("status", principal_of(request), clock_warning_ms=_CLOCK_WARNING_MS)


ROUTES: Final = (
    ("/", go_home),
    (failure.SIGN_IN, show_sign_in),
    (failure.PASSWORD, show_password),
    ("/search", show_search),
    ("/status", show_status),
    ("/calls/{call_id}", show_call),
    ("/shared/{token}", show_shared),
    *admin.ROUTES,
    (assets.ROUTE, assets.show_asset),
)
"""With GET; ``access.roles`` says for whom."""
