# SPDX-License-Identifier: GPL-2.0-or-later
"""One attempt to sign in at a provider, bound to the browser that began it by a cookie.

All that the flow needs to be random (state, nonce, PKCE verifier) is made of the cookie's secret,
so nothing is kept here for those who never come back, and another web API may see the end of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from typing import Final, NamedTuple

from aiohttp import web

from webapi.access.cookie import Cookie
from webapi.access.principal import Client
from webapi.local_path import is_local

LIFETIME_S: Final = 600
"""So long somebody may take at the provider."""
COOKIE: Final = Cookie("kemiscope_oauth2", "Lax", LIFETIME_S)
"""It must come along when the provider's page leads back here."""
_BYTES: Final = 32
_MAX_COOKIE: Final = 2048
_MAX_NEXT: Final = 1000


class Attempt(NamedTuple):
    """Of one browser, at one provider."""

    provider: str
    cookie: str
    next: str
    """Path of this service where the browser goes in the end."""
    begun_s: int

    @property
    def state(self) -> str:
        """Comes back from the provider (RFC 6749 §10.12)."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """Comes back inside the id_token (OpenID Connect Core 1.0 §3.1.2.1)."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """Shows the provider that who brings the code is who asked (RFC 7636 §4.1)."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """What the provider is told of it before, by S256 (RFC 7636 §4.2)."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    def _made(self, what: str) -> str:
        text = f"{what} {self.provider}".encode()
        return _base64(hmac.new(self.cookie.encode(), text, hashlib.sha256).digest())


def begin(provider: str, next_path: str) -> Attempt:
    """A new one; ``next_path`` may come from anybody: other hosts' addresses become ``/``."""
    chosen = _ours(next_path)
    now_s = int(time.time())
    secret = secrets.token_urlsafe(_BYTES)
    return Attempt(provider, f"{now_s}.{secret}.{_base64(chosen.encode())}", chosen, now_s)


def found(request: web.Request, client: Client, provider: str) -> Attempt | None:
    """That of this browser; None if there is none, or not any more."""
    cookie = COOKIE.read(request, client)
    begun, _, rest = cookie.partition(".")
    secret, _, next_text = rest.partition(".")
    well_formed = len(cookie) <= _MAX_COOKIE and cookie.isascii() and len(secret) >= _BYTES
    if not (well_formed and begun.isdigit() and len(begun) <= 12):
        return None
    if not 0 <= time.time() - int(begun) <= LIFETIME_S:
        return None
    try:
        next_path = base64.urlsafe_b64decode(next_text + "=" * (-len(next_text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    # Once more: a cookie is what the browser says.
    return Attempt(
        provider, cookie, next_path if is_local(next_path, _MAX_NEXT) else "/", int(begun)
    )


def _ours(path: str) -> str:
    return path if is_local(path, _MAX_NEXT) else "/"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
