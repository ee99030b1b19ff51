# SPDX-License-Identifier: GPL-2.0-or-later
"""``GET /api/v1/live/calls`` and ``/live/messages``: Server-Sent Events (WHATWG HTML §9.2)."""

from __future__ import annotations

import time
from asyncio import timeout
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from webapi.context import Context
from webapi.errors import ApiError
from webapi.live.event import KEEP_ALIVE, block, retry
from webapi.live.group import Filters
from webapi.live.listener import Listener
from webapi.live.poller import KEEP_ALIVE_S, Poller
from webapi.live.position import EventId
from webapi.names.aliases import Aliases
from webapi.parameters import single
from webapi.subject import CALLS, MESSAGES, Subject

STALL_S: Final = 10.0
"""A client that takes nothing for so long is cut off."""
LIFETIME_S: Final = 300.0
"""A stream ends after so long: its client comes again, and whether it may is asked anew."""
_LOOK_S: Final = 1.0
"""How often a handler that has nothing to write looks whether the client is still there."""
_RETRY_S: Final = 2.0
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Type": "text/event-stream; charset=utf-8",
    # nginx would collect events until its buffer is full.
    "X-Accel-Buffering": "no",
}


class Live:
    """The live streams of one application."""

    def __init__(self, context: Context, aliases: Aliases) -> None:
        self._most = context.settings.web.live_clients
        self._pollers = {
            subject: Poller(context, subject, aliases) for subject in (CALLS, MESSAGES)
        }
        self.ended = False

    @property
    def listeners(self) -> list[Listener]:
        """The clients of now."""
        return [one for poller in self._pollers.values() for one in poller.listeners]

    @asynccontextmanager
    async def listen(self, listener: Listener) -> AsyncIterator[None]:
        """Raises ApiError 503 when there are too many clients."""
        if len(self.listeners) >= self._most:
            message = f"there are {self._most} live streams, as many as web.live_clients allows"
            raise ApiError(503, "too_many_live_clients", message)
        poller = self._pollers[listener.filters.subject]
        poller.join(listener)
        try:
            yield
        finally:
            await poller.leave(listener)


LIVE: Final = web.AppKey("live", Live)


async def end(app: web.Application) -> None:
    """Let the streams end: the application stops and waits for its handlers."""
    app[LIVE].ended = True


async def stream_calls(request: web.Request) -> web.StreamResponse:
    """Each new leg, and each that has changed, as ``event: call``."""
    return await _stream(request, CALLS)


async def stream_messages(request: web.Request) -> web.StreamResponse:
    """Each new message as ``event: message``."""
    return await _stream(request, MESSAGES)


async def _stream(request: web.Request, subject: Subject) -> web.StreamResponse:
    listener = _listener(request, subject)
    response = web.StreamResponse(headers=_HEADERS)
    if request.method == "HEAD":
        return web.Response(headers=_HEADERS)
    response.force_close()
    async with request.app[LIVE].listen(listener):
        try:
            await response.prepare(request)
            await _write(response, retry(_RETRY_S))
            await _follow(request, response, listener)
        except (ConnectionError, TimeoutError):
            # It has gone, or does not take what is written; what waits for it is of no use.
            if request.transport is not None:
                request.transport.abort()
    return response


def _listener(request: web.Request, subject: Subject) -> Listener:
    """The client as its request describes it. Raises ApiError 400."""
    parameters = single(request.query, subject.live_parameters)
    filters = Filters.parse(subject, parameters)
    asked = request.headers.get("Last-Event-ID", "")
    since = EventId.decode(asked, (int, *subject.order.values())) if asked else None
    gap = "Last-Event-ID is none that this stream gave" if asked and since is None else ""
    return Listener(filters, since, gap)


async def _follow(request: web.Request, response: web.StreamResponse, listener: Listener) -> None:
    """Write what the listener is offered, until one side ends it."""
    live = request.app[LIVE]
    until = time.monotonic() + LIFETIME_S
    written = time.monotonic()
    while request.transport is not None:
        if listener.dropped:
            message = "this client is too slow: more waited for it than is kept"
            await _write(response, block("dropped", {"message": message}))
            return
        over = live.ended or time.monotonic() >= until
        made = await listener.take(0 if over else _LOOK_S)
        if over and not made:
            return
        if not made and time.monotonic() - written >= KEEP_ALIVE_S:
            made = KEEP_ALIVE
        if made:
            await _write(response, made)
            written = time.monotonic()


async def _write(response: web.StreamResponse, made: bytes) -> None:
    """Raises TimeoutError when the client takes nothing, ConnectionError when it has gone."""
    async with timeout(STALL_S):
        await response.write(made)
