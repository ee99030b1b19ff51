# SPDX-License-Identifier: GPL-2.0-or-later
"""One provider: where its people sign in, its tokens, and what it says of somebody."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt

from collector.settings.oauth2 import Provider
from collector.settings.sign_in import is_secure_url
from webapi.sign_in.fetch import Fetcher, FetchError
from webapi.sign_in.oauth2 import id_token
from webapi.sign_in.oauth2.attempt import Attempt
from webapi.sign_in.oauth2.id_token import TokenError

DISCOVERY: Final = "/.well-known/openid-configuration"
"""OpenID Connect Discovery 1.0 §4."""
DISCOVERED_S: Final = 3600.0
"""What was found there is asked for again after so long."""
KEYS_S: Final = 30.0
"""A key that is not known is asked for at most so often: anybody can send its id."""


class Endpoints(NamedTuple):
    """Its addresses."""

    authorization: str
    token: str
    profile: str
    keys: str


class Client:
    """Asks one provider."""

    def __init__(self, settings: Provider, algorithms: Sequence[str], fetcher: Fetcher) -> None:
        self.settings = settings
        self._algorithms = algorithms
        self._fetcher = fetcher
        self._endpoints: Endpoints | None = None
        self._found_at = 0.0
        self._keys: list[jwt.PyJWK] = []
        self._keys_at = 0.0

    async def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes. Raises FetchError."""
        endpoint = (await self._where()).authorization
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.settings.scopes,
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        if self.settings.issuer:
            asked["nonce"] = attempt.nonce
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def claims(self, attempt: Attempt, code: str, redirect_uri: str) -> dict[str, Any]:
        """What it says of who brings ``code``. Raises FetchError and TokenError."""
        endpoints = await self._where()
        tokens = await self._tokens(endpoints.token, attempt, code, redirect_uri)
        if not self.settings.issuer:
            return await self._profile(endpoints.profile, tokens)
        token = tokens.get("id_token")
        if not isinstance(token, str):
            message = "no id_token in the answer"
            raise TokenError(message)
        wanted = id_token.key_id(token, self._algorithms)
        found = id_token.claims(
            token,
            await self._key(endpoints.keys, wanted),
            self._algorithms,
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=attempt.nonce,
        )
        needed = (self.settings.username_claim, self.settings.groups_claim, "email")
        if endpoints.profile and any(claim not in found for claim in needed):
            more = await self._profile(endpoints.profile, tokens)
            if more.get("sub") != found["sub"]:  # OpenID Connect Core 1.0 §5.3.2
                message = "the profile is somebody else's"
                raise TokenError(message)
            found = {**more, **found}
        return found

    async def _tokens(
        self, url: str, attempt: Attempt, code: str, redirect_uri: str
    ) -> dict[str, Any]:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {}
        if settings.client_secret and settings.client_authentication == "header":
            # RFC 6749 §2.3.1: both are encoded as in a form first.
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = settings.client_id
            if settings.client_secret:
                form["client_secret"] = settings.client_secret
        return await self._fetcher.post_form(url, form, headers)

    async def _profile(self, url: str, tokens: dict[str, Any]) -> dict[str, Any]:
        token = tokens.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            message = "no access_token in the answer"
            raise TokenError(message)
        return await self._fetcher.get(url, {"Authorization": f"Bearer {token}"})

    async def _where(self) -> Endpoints:
        settings = self.settings
        if not settings.issuer:
            urls = (settings.authorization_url, settings.token_url, settings.profile_url)
            return Endpoints(*urls, "")
        now = time.monotonic()
        if self._endpoints is None or now - self._found_at > DISCOVERED_S:
            self._endpoints = await self._discover(settings.issuer)
            self._found_at = now
        return self._endpoints

    async def _discover(self, issuer: str) -> Endpoints:
        found = await self._fetcher.get(issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != issuer:  # OpenID Connect Discovery 1.0 §4.3
            message = f"it calls itself {found.get('issuer')!s:.200}, not {issuer}"
            raise FetchError(message)
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
        urls = [found.get(name) or "" for name in names]
        for name, url in zip(names, urls, strict=True):
            is_optional = name == "userinfo_endpoint" and url == ""
            if not is_optional and not (isinstance(url, str) and is_secure_url(url)):
                message = f"its {name} is none that can be used"
                raise FetchError(message)
        return Endpoints(*urls)

    async def _key(self, url: str, wanted: str | None) -> jwt.PyJWK:
        key = id_token.key_of(self._keys, wanted)
        now = time.monotonic()
        if key is None and (not self._keys or now - self._keys_at > KEYS_S):
            self._keys_at = now
            try:
                self._keys = jwt.PyJWKSet.from_dict(await self._fetcher.get(url)).keys
            except jwt.PyJWTError as error:
                raise TokenError(str(error)) from None
            key = id_token.key_of(self._keys, wanted)
        if key is None:
            message = "signed with a key that the provider does not list"
            raise TokenError(message)
        return key
