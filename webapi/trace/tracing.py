# SPDX-License-Identifier: GPL-2.0-or-later
"""All proxies of the application, and the rules that they should have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from collector.errors import SettingsError
from collector.settings.trace import parse_proxies
from webapi.context import CONTEXT, Context
from webapi.trace.book import Book
from webapi.trace.client import Client
from webapi.trace.proxy import Watched


class Tracing:
    """What the handlers need: the proxies and the book. Without a setting there are no proxies."""

    def __init__(self, context: Context) -> None:
        self._settings = context.settings.trace
        self.book = Book(context)
        self.proxies: tuple[Watched, ...] = ()

    async def run(self) -> AsyncIterator[None]:
        """Watch the proxies between start and end of the application."""
        connector = TCPConnector(ssl=_trust(self._settings.tls_ca), limit_per_host=1)
        async with ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        ) as session:
            settings = self._settings
            self.proxies = tuple(
                Watched(
                    proxy,
                    Client(session, proxy.url, settings.token, settings.request_timeout),
                    self.book,
                    settings.poll_interval,
                )
                for proxy in parse_proxies(settings.proxies)
            )
            loops = [self.book.run(), *(proxy.run() for proxy in self.proxies)]
            tasks = [asyncio.create_task(loop) for loop in loops]
            yield
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def push(self) -> None:
        """Let every proxy be compared now; returns when that is done, or takes too long."""
        asked = [proxy.ask() for proxy in self.proxies]
        if asked:
            # A slow proxy gets the rule all the same, but the answer does not wait for it.
            await asyncio.wait(asked, timeout=2 * self._settings.request_timeout)


def _trust(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path or None)
    except OSError as error:
        message = f"trace.tls_ca: {path}: {error.strerror or error}"
        raise SettingsError(message) from error


TRACING: Final = web.AppKey("tracing", Tracing)


async def watch(app: web.Application) -> AsyncIterator[None]:
    """For ``cleanup_ctx``, behind the database."""
    tracing = app[TRACING]
    if app[CONTEXT].settings.trace.proxies:
        async for _ in tracing.run():
            yield
    else:
        yield
