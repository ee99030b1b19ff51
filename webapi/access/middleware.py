# SPDX-License-Identifier: GPL-2.0-or-later
"""What every request passes before its handler: where from, who, and whether that is enough."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from webapi.access import audit, gate
from webapi.access.audit import Action
from webapi.access.gate import GATE
from webapi.access.origin import SAFE, check_page
from webapi.access.principal import author_of, set_client, set_principal
from webapi.access.roles import NEEDS, WITH_OLD_PASSWORD, Need, Scope
from webapi.context import CONTEXT
from webapi.errors import ApiError

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what ``roles.NEEDS`` does not allow; an export is written to the audit log."""
    if request.match_info.http_exception:
        return await handler(request)  # there is nothing at this path, or not with this method
    app_gate = request.app[GATE]
    client = app_gate.origins.client(request)
    set_client(request, client)
    path, need = _need(request)
    if request.method not in SAFE:
        check_page(request)
    principal = await app_gate.identify(request, client, need)
    set_principal(request, principal)
    gate.check(principal, need)
    if principal.must_change_password and path not in WITH_OLD_PASSWORD:
        message = "change your password first: POST /api/v1/me/password"
        raise ApiError(403, "password_change_required", message)
    if need is Scope.EXPORT:
        author = author_of(request)
        await audit.record(request.app[CONTEXT], author, Action.EXPORTED, request.path_qs)
    return await handler(request)


def _need(request: web.Request) -> tuple[str, Scope | Need]:
    """The route's path as it was added, and what it needs. Raises ApiError 403 without an entry."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource else ""
    method = "GET" if request.method == "HEAD" else request.method
    need = NEEDS.get((method, path))
    if need is None:
        raise ApiError(403, "not_allowed", "nobody may use this route: it is in no list")
    return path, need
