# SPDX-License-Identifier: GPL-2.0-or-later
"""The application: routes, and what holds for every request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from collector.api_token import masked
from collector.log import LOGGER
from collector.settings import Settings
from collector.settings.origin import ALL_DEFAULT, Origins
from webapi import calls, decode, drops, hosts, in_force, lists, metrics, retention, stats, status
from webapi.access import administration, gate
from webapi.access import handlers as account
from webapi.access.gate import GATE, Gate
from webapi.access.middleware import check_access
from webapi.context import CONTEXT, Context
from webapi.decode import TSHARK
from webapi.errors import ApiError
from webapi.export import handlers as export
from webapi.export.stream import EXPORTS, Exports
from webapi.homer import answer as homer_answer
from webapi.homer import backends
from webapi.homer import routes as homer
from webapi.homer.backends import BACKENDS, Backends
from webapi.imports import handlers as imports
from webapi.imports.handlers import RUNNING
from webapi.in_force import ORIGINS
from webapi.live import handlers as live
from webapi.live.handlers import LIVE, Live
from webapi.names import alias_handlers as aliases
from webapi.names import search_handlers as searches
from webapi.names import share_handlers as sharing
from webapi.names.aliases import ALIASES, Aliases
from webapi.names.share_handlers import SHARED, Shared
from webapi.openapi import handlers as openapi
from webapi.openapi.handlers import DESCRIPTION, Description
from webapi.pages import failure
from webapi.pages import handlers as pages
from webapi.sign_in import backend
from webapi.sign_in.backend import BACKEND, backend_of
from webapi.sign_in.oauth2 import flow
from webapi.sign_in.oauth2 import handlers as oauth2
from webapi.sign_in.oauth2.flow import OAUTH2, Providers
from webapi.sign_in.ways import show_ways
from webapi.trace import handlers as trace
from webapi.trace.tracing import TRACING, Tracing, watch
from webapi.tshark import Tshark

ROUTES: Final = (
    ("/api/v1/messages", lists.list_messages),
    ("/api/v1/messages/export.pcap", export.messages_pcap),
    ("/api/v1/messages/export.pcapng", export.messages_pcapng),
    ("/api/v1/messages/export.txt", export.messages_text),
    ("/api/v1/messages/export.jsonl", export.messages_lines),
    ("/api/v1/messages/export.csv", export.messages_table),
    ("/api/v1/messages/{id}/decode", decode.show_message),
    ("/api/v1/reports", lists.list_reports),
    ("/api/v1/events", lists.list_events),
    ("/api/v1/calls", lists.list_calls),
    # Before the route of one call, whose Call-ID may be anything else.
    ("/api/v1/calls/export.jsonl", export.calls_lines),
    ("/api/v1/calls/export.csv", export.calls_table),
    ("/api/v1/calls/{call_id}", calls.show_call),
    ("/api/v1/calls/{call_id}/export.pcap", export.call_pcap),
    ("/api/v1/calls/{call_id}/export.pcapng", export.call_pcapng),
    ("/api/v1/calls/{call_id}/export.txt", export.call_text),
    ("/api/v1/calls/{call_id}/export.json", export.call_json),
    ("/api/v1/calls/{call_id}/export.xml", export.call_sipp),
    ("/api/v1/calls/{call_id}/export.svg", export.call_svg),
    ("/api/v1/live/calls", live.stream_calls),
    ("/api/v1/live/messages", live.stream_messages),
    ("/api/v1/registrations", lists.list_registrations),
    ("/api/v1/stats", stats.show_stats),
    ("/api/v1/status", status.show_status),
    ("/api/v1/retention", retention.show_retention),
    ("/api/v1/retention/drops", drops.list_drops),
    ("/api/v1/settings", in_force.show_settings),
    ("/api/v1/openapi.json", openapi.show_description),
    ("/api/v1/trace-rules", trace.list_rules),
    ("/api/v1/trace-rules/{id}", trace.show_rule),
    ("/api/v1/sign-in", show_ways),
    (oauth2.START, oauth2.start_at_provider),
    (oauth2.CALLBACK, oauth2.come_back_from_provider),
    ("/api/v1/me", account.show_me),
    ("/api/v1/tokens", administration.list_tokens),
    ("/api/v1/users", administration.list_users),
    ("/api/v1/users/{id}", administration.show_user),
    ("/api/v1/audit", administration.show_audit),
    ("/api/v1/aliases", aliases.list_aliases),
    ("/api/v1/aliases/export.json", aliases.export_json),
    ("/api/v1/aliases/export.csv", aliases.export_csv),
    ("/api/v1/aliases/{id}", aliases.show_alias),
    ("/api/v1/saved-searches", searches.list_searches),
    ("/api/v1/saved-searches/{id}", searches.show_search),
    ("/api/v1/share-links", sharing.list_links),
    ("/api/v1/shared/{token}", sharing.open_link),
    ("/api/v1/shared/{token}/export.pcap", sharing.export_link),
    ("/metrics", metrics.show_metrics),
)
"""What can be asked, with GET."""
CHANGES: Final = (
    ("POST", "/api/v1/trace-rules", trace.add_rule),
    ("DELETE", "/api/v1/trace-rules/{id}", trace.remove_rule),
    ("POST", "/api/v1/sign-in", account.sign_in),
    ("POST", "/api/v1/sign-out", account.sign_out),
    ("POST", "/api/v1/me/password", account.change_password),
    ("POST", "/api/v1/tokens", administration.add_token),
    ("DELETE", "/api/v1/tokens/{id}", administration.revoke_token),
    ("POST", "/api/v1/users", administration.add_user),
    ("PATCH", "/api/v1/users/{id}", administration.change_user),
    ("DELETE", "/api/v1/users/{id}", administration.remove_user),
    ("POST", "/api/v1/imports", imports.add_import),
    ("POST", "/api/v1/aliases", aliases.add_alias),
    ("POST", "/api/v1/aliases/import", aliases.import_aliases),
    ("PATCH", "/api/v1/aliases/{id}", aliases.change_alias),
    ("DELETE", "/api/v1/aliases/{id}", aliases.remove_alias),
    ("POST", "/api/v1/saved-searches", searches.add_search),
    ("PATCH", "/api/v1/saved-searches/{id}", searches.change_search),
    ("DELETE", "/api/v1/saved-searches/{id}", searches.remove_search),
    ("POST", "/api/v1/share-links", sharing.add_link),
    ("DELETE", "/api/v1/share-links/{id}", sharing.revoke_link),
)
"""What can be changed. ``access.roles`` says by whom, of these as of those."""

_CALL_ID: Final = "{call_id:[^/]+}"
"""By itself a part of a path matches no braces, which a Call-ID may have (RFC 3261 §25.1)."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(
    settings: Settings, origins: Origins = ALL_DEFAULT, *, watch_proxies: bool = True
) -> web.Application:
    """The application for these settings; opens its database pool when it is started.

    ``origins`` is where their values come from, to be shown.
    ``watch_proxies`` is whether it brings trace rules to the proxies: not for a single request.
    """
    app = web.Application(middlewares=[_answer, _check_host, check_access])
    app[CONTEXT] = Context(settings)
    app[ORIGINS] = origins
    app[GATE] = Gate(app[CONTEXT])
    app[ALIASES] = Aliases(app[CONTEXT])
    app[SHARED] = Shared(app[CONTEXT])
    app[BACKEND] = backend_of(settings)
    app[OAUTH2] = Providers(settings.oauth2)
    app[TRACING] = Tracing(app[CONTEXT])
    app[EXPORTS] = Exports(settings.web.exports)
    app[RUNNING] = set()
    app[BACKENDS] = Backends(settings.backends)
    app[LIVE] = Live(app[CONTEXT], app[ALIASES])
    app[DESCRIPTION] = Description(app)
    app[TSHARK] = Tshark(settings.web.tshark, settings.web.tshark_timeout)
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(live.end)
    app.cleanup_ctx.append(_database)
    app.cleanup_ctx.append(gate.keep)
    app.cleanup_ctx.append(backends.keep)
    app.cleanup_ctx.append(backend.keep)
    app.cleanup_ctx.append(flow.keep)
    if watch_proxies:
        app.cleanup_ctx.append(watch)
    routes, changes = (homer.ROUTES, homer.CHANGES) if settings.web.homer else ((), ())
    for path, handler in (*ROUTES, *routes, *pages.ROUTES):
        app.router.add_get(path.replace("{call_id}", _CALL_ID), handler)
    for method, path, handler in (*CHANGES, *changes):
        app.router.add_route(method, path, handler)
    return app


async def _database(app: web.Application) -> AsyncIterator[None]:
    # Opening does not wait: the service starts, and says what is wrong, without a database.
    async with app[CONTEXT].opened():
        yield


@web.middleware
async def _answer(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Every error in the one JSON shape, in HOMER's, or as a page for people."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except ApiError as error:
        response = _shaped(request, error)
    except web.HTTPException as error:
        code = (error.reason or "error").lower().replace(" ", "_")
        message = f"{request.method} {request.path} is not part of this API"
        response = _shaped(request, ApiError(error.status, code, message))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except Exception:  # noqa: BLE001 (the client must get the one shape, the log the trace)
        LOGGER.exception("%s %s", request.method, masked(request.path))
        message = "a fault in the service; its log has more"
        response = _shaped(request, ApiError(500, "internal", message))
    return response


def _shaped(request: web.Request, error: ApiError) -> web.Response:
    is_homer = request.app[CONTEXT].settings.web.homer
    if is_homer and request.path.startswith(homer_answer.PREFIX):
        return homer_answer.failure(request, error)
    return failure.answer(request, error)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """The same headers on every answer, before the first byte of a stream goes too."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # aiohttp has written its own name and version there before.
    response.headers["Server"] = "kemiscope"


@web.middleware
async def _check_host(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse names that are not ours: a web page elsewhere could let its name point at loopback."""
    settings = request.app[CONTEXT].settings.web
    if hosts.name_of(request.host) not in hosts.names(settings, request.transport):
        message = "the Host header names this service otherwise than web.listen and web.hosts"
        raise ApiError(403, "host_not_allowed", message)
    return await handler(request)
