# SPDX-License-Identifier: GPL-2.0-or-later
"""Who checks the passwords of people that are no users of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

from aiohttp import web

from collector.errors import SettingsError
from collector.settings import Settings
from webapi.sign_in.http_auth import HTTP, Service
from webapi.sign_in.ldap import LDAP, Directory
from webapi.sign_in.person import Person


class Backend(Protocol):
    """Another system that checks passwords."""

    async def check(self, username: str, password: str) -> Person | None:
        """Who it is; None if name or password is wrong, or the person may not use this service.

        Neither is empty. Raises ApiError 503 when the system does not answer.
        """

    async def close(self) -> None:
        """Give back connections and threads."""


def backend_of(settings: Settings) -> Backend | None:
    """The one of ``web.sign_in``; None when only our own users sign in with a password.

    Raises SettingsError for a file that cannot be read.
    """
    try:
        if settings.web.sign_in == HTTP:
            return Service(settings.http_auth)
        if settings.web.sign_in == LDAP:
            return Directory(settings.ldap)
    except OSError as error:
        section = "ldap" if settings.web.sign_in == LDAP else "http_auth"
        message = f"{section}.tls_ca: {error}"
        raise SettingsError(message) from error
    return None


BACKEND: Final = web.AppKey[Backend | None]("backend")
"""Of one application."""


async def keep(app: web.Application) -> AsyncIterator[None]:
    """For ``cleanup_ctx``."""
    yield
    backend = app[BACKEND]
    if backend:
        await backend.close()
