# SPDX-License-Identifier: GPL-2.0-or-later
"""Providers of OpenID Connect: a real one in a process of its own, and one that can be told to lie.

The real one does not look at PKCE; the other one does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

from stack.ports import free_port
from tests.until_listening import listening

CLIENT_ID: Final = "kemiscope"
CLIENT_SECRET: Final = "given by the provider"
BASE_URL: Final = "http://127.0.0.1:9080"
PEOPLE: Final = {
    "anna": {"email": "anna@example.com", "email_verified": True, "groups": ["voip-admins"]},
    "ben": {"email": "ben@example.com", "email_verified": True, "groups": ["voip-users"]},
    "eve": {"email": "eve@example.org", "email_verified": True, "groups": ["voip-users"]},
}


def oauth2_settings(**changed: str) -> dict[str, str]:
    """Environment with one provider, without the prefix KEMISCOPE_."""
    values = {
        "PROVIDERS": "sso",
        "BASE_URL": BASE_URL,
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": CLIENT_SECRET,
        "ADMIN_GROUPS": "voip-admins",
        "USER_GROUPS": "voip-users",
        **changed,
    }
    return {f"OAUTH2_{name}": value for name, value in values.items() if value}


@pytest.fixture(scope="session")
def openid_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """oidc-provider-mock with a few people; its issuer."""
    port = free_port()
    log = tmp_path_factory.mktemp("provider") / "log"
    claims = [json.dumps({"sub": sub, **found}) for sub, found in PEOPLE.items()]
    arguments = [argument for text in claims for argument in ("--user-claims", text)]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *arguments]
    with listening(command, port, log):
        yield f"http://127.0.0.1:{port}"


class Liar:
    """A provider whose answers a test can change. What it is asked for, it checks."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = _KEY
        """What it signs with."""
        self.listed = [_jwk(_KEY)]
        """Its keys for everybody."""
        self.changed: dict[str, Any] = {}
        """Claims that are not as they should be; None leaves one out."""
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.profile: dict[str, Any] = {}
        """More, as the profile has it."""
        self.document: dict[str, Any] = {}
        """What is different in its discovery document."""
        self.asked: dict[str, str] = {}
        """By the browser that was sent to it last."""
        self.tokens_given = 0

    def authorize(self, location: str) -> str:
        """Somebody signs in where the browser was sent; the code and state for the way back."""
        parts = urlsplit(location)
        assert f"{parts.scheme}://{parts.netloc}" == self.issuer
        self.asked = {name: found for name, (found,) in parse_qs(parts.query).items()}
        assert self.asked["response_type"] == "code"
        assert self.asked["client_id"] == CLIENT_ID
        assert self.asked["code_challenge_method"] == "S256"
        return f"code=c0de&state={self.asked['state']}"

    def claims(self) -> dict[str, Any]:
        """Of the id_token."""
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": self.asked.get("nonce"),
            "email": "anna@example.com",
            "email_verified": True,
            "groups": ["voip-users"],
        }
        found = {**right, **self.changed}
        return {name: value for name, value in found.items() if value is not None}

    def app(self) -> web.Application:
        """Its server."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        app.router.add_get("/profile", self._profile)
        return app

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, "RS256", {"kid": "one"})

    async def _discovery(self, _: web.Request) -> web.Response:
        urls = {"authorization": "/authorize", "token": "/token", "userinfo": "/profile"}
        document = {f"{name}_endpoint": self.issuer + path for name, path in urls.items()}
        document |= {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return web.json_response(document | self.document)

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": self.listed})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        verifier = str(form["code_verifier"]).encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        assert challenge.decode() == self.asked["code_challenge"]
        assert form["redirect_uri"] == self.asked["redirect_uri"]
        assert form["grant_type"] == "authorization_code"
        if "Authorization" in request.headers:
            assert "client_secret" not in form
            pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
            assert pair == b"kemiscope:given+by+the+provider"
        else:
            assert form["client_secret"] == CLIENT_SECRET
        if form["code"] != "c0de":
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.tokens_given += 1
        tokens = {"access_token": "acce55", "token_type": "Bearer"}
        return web.json_response(tokens | {"id_token": self.sign(self.claims())})

    async def _profile(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer acce55"
        return web.json_response({"sub": self.claims().get("sub"), **self.profile})


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    found = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**found, "kid": "one", "use": "sig", "alg": "RS256"}


_KEY: Final = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
OTHER_KEY: Final = rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    """It tells the truth until it is told otherwise."""
    found = Liar()
    async with TestServer(found.app()) as server:
        found.issuer = str(server.make_url("")).rstrip("/")
        yield found
