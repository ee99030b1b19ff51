# SPDX-License-Identifier: GPL-2.0-or-later
"""Cookies as this service sets them: for this very host, and not for scripts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from aiohttp import web

from webapi.access.principal import Client


class Cookie(NamedTuple):
    """One that is set, read and cleared in the same way."""

    base: str
    same_site: Literal["Strict", "Lax"]
    """Strict: not with requests from other sites. Lax: with links from there."""
    lifetime_s: int | None = None
    """None: it ends with the browser."""

    def name(self, *, secure: bool) -> str:
        """Over TLS one that browsers let nobody set but this very host (RFC 6265bis §4.1.3)."""
        return f"__Host-{self.base}" if secure else self.base

    def read(self, request: web.Request, client: Client) -> str:
        """What the browser sends; empty if nothing."""
        return request.cookies.get(self.name(secure=client.secure), "")

    def set(self, response: web.StreamResponse, value: str, client: Client) -> None:
        """Give it to the browser; over TLS only if the request came so."""
        response.set_cookie(
            self.name(secure=client.secure),
            value,
            max_age=self.lifetime_s,
            path="/",
            httponly=True,
            samesite=self.same_site,
            secure=client.secure,
        )

    def clear(self, response: web.StreamResponse, client: Client) -> None:
        """Let the browser forget it."""
        response.del_cookie(
            self.name(secure=client.secure),
            path="/",
            httponly=True,
            samesite=self.same_site,
            secure=client.secure,
        )
