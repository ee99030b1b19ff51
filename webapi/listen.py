# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets of the service: HTTP at ``web.listen``, HTTPS at ``web.tls_listen``."""

from __future__ import annotations

import asyncio
import signal
import ssl
from typing import Any

from aiohttp import web

from collector import service_manager
from collector.listener.tls import ServerContext
from collector.log import LOGGER
from collector.settings import Settings
from collector.settings.endpoint import parse_host_port
from collector.settings.web import SIGN_IN_OFF, certificate_of
from webapi.access_log import AccessLog

STOP_S = 10.0
"""Requests that still run at the end have so long."""


async def serve(app: web.Application, settings: Settings, stop: asyncio.Event) -> None:
    """Until ``stop``. Raises SettingsError for a certificate that cannot be used, and OSError."""
    runner = web.AppRunner(app, access_log_class=AccessLog, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        tls = tls_context(settings)
        if settings.web.sign_in == SIGN_IN_OFF:
            LOGGER.warning("web.sign_in is off: whoever reaches %s can read", settings.web.listen)
        host, port = parse_host_port(settings.web.listen)
        await web.TCPSite(runner, host, port).start()
        if tls:
            host, port = parse_host_port(settings.web.tls_listen)
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        alive = asyncio.create_task(service_manager.keep_alive())
        await stop.wait()
        alive.cancel()
        service_manager.tell(service_manager.STOPPING)
    finally:
        await runner.cleanup()


async def serve_until_signal(app: web.Application, settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(app, settings, stop)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What ``web.tls_listen`` shows; each connection gets the files as they are then."""
    if not settings.web.tls_listen:
        return None
    section = "web" if settings.web.certificate else "tls"
    current = ServerContext(certificate_of(settings.web, settings.tls), section)
    first = current.get()

    def choose(connection: Any, _name: Any, _context: Any) -> None:
        connection.context = current.get()

    first.sni_callback = choose
    return first
