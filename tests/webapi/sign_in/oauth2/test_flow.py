# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in at a provider: a real one, and one that lies in every way that is known."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from aiohttp import ClientSession, DummyCookieJar
from cryptography.hazmat.primitives import serialization
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from yarl import URL

from stack.ports import free_port
from tests.fix_access import HOST, OpenSite, Person, Site
from tests.fix_api import Answer
from tests.fix_provider import BASE_URL, OTHER_KEY, Liar, oauth2_settings
from webapi.sign_in.oauth2.attempt import LIFETIME_S

Connection = AsyncConnection[TupleRow]
START = "/api/v1/oauth2/sso"
CALLBACK = f"{START}/callback"


class Came(NamedTuple):
    """What the browser got."""

    status: int
    code: str
    """Of an error."""
    location: str
    body: str
    cookies: list[str]
    """As ``name=value``, those that were set."""


async def _go(site: Site, path: str, cookie: str = "") -> Came:
    headers = {"Host": HOST} | ({"Cookie": cookie} if cookie else {})
    answer = await site.client.get(path, headers=headers, allow_redirects=False)
    body = await answer.text()
    is_error = answer.status >= 400
    found = [text.partition(";")[0] for text in answer.headers.getall("Set-Cookie", [])]
    return Came(
        answer.status,
        json.loads(body)["error"]["code"] if is_error else "",
        answer.headers.get("Location", ""),
        body,
        found,
    )


async def _round(site: Site, liar: Liar, start: str = START) -> Came:
    """There and back, with the browser's cookie."""
    away = await _go(site, start)
    assert away.status == 302, away
    return await _go(site, f"{CALLBACK}?{liar.authorize(away.location)}", *away.cookies)


def _session(came: Came) -> str:
    assert came.status == 200, came
    (cookie,) = [text for text in came.cookies if text.startswith("kemiscope_session=")]
    return cookie


async def _me(site: Site, came: Came) -> Answer:
    person = Person(site.client)
    person.cookie = _session(came)
    return await person.ask("GET", "/api/v1/me")


@pytest.fixture
async def sso(open_site: OpenSite, liar: Liar) -> Site:
    """A site whose provider is the liar."""
    return await open_site(**oauth2_settings(ISSUER=liar.issuer))


@pytest.fixture
async def outside() -> AsyncIterator[ClientSession]:
    """A browser at the provider's pages."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


async def test_sign_in_with_openid_connect(
    open_site: OpenSite, openid_provider: str, outside: ClientSession, connection: Connection
) -> None:
    """At a real provider: there, sign in, back, and one is somebody here without a password."""
    site = await open_site(**oauth2_settings(ISSUER=openid_provider))
    for sub, role in (("anna", "admin"), ("ben", "user")):
        away = await _go(site, f"{START}?next=/calls")
        async with outside.post(away.location, data={"sub": sub}, allow_redirects=False) as there:
            back = there.headers["Location"]
        assert back.startswith(f"{BASE_URL}{CALLBACK}?")
        came = await _go(site, back.removeprefix(BASE_URL), *away.cookies)
        me = (await _me(site, came)).json
        assert (me["username"], me["role"]) == (f"{sub}@example.com", role)
        assert 'content="0;url=/calls"' in came.body
        # The same way again: state is over, and the real provider's code as well.
        again = await _go(site, back.removeprefix(BASE_URL), *away.cookies)
        assert (again.status, again.code) == (400, "sign_in_over")
    found = await connection.execute(
        "SELECT source, issuer, subject, password_hash FROM web_user WHERE issuer <> ''"
        " ORDER BY subject"
    )
    assert await found.fetchall() == [
        ("oauth2", openid_provider, "anna", None),
        ("oauth2", openid_provider, "ben", None),
    ]
    audit = await connection.execute("SELECT username, action, detail FROM audit_log ORDER BY id")
    assert await audit.fetchall() == [
        (f"{name}@example.com", action, detail)
        for name, role in (("anna", "admin"), ("ben", "user"))
        for action, detail in (
            ("user_added", {"role": role, "source": "oauth2"}),
            ("signed_in", {"source": "oauth2"}),
        )
    ]


async def test_what_the_provider_is_asked(sso: Site, liar: Liar) -> None:
    """PKCE with S256, state, nonce, different each time; the redirect URI of the settings."""
    seen = set()
    for _ in range(2):
        assert (await _round(sso, liar)).status == 200
        assert liar.asked["redirect_uri"] == f"{BASE_URL}{CALLBACK}"
        assert liar.asked["scope"] == "openid email profile"
        seen |= {liar.asked[name] for name in ("state", "nonce", "code_challenge")}
    assert len(seen) == 6


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://elsewhere.example.com"},
    "another audience": {"aud": "somebody else"},
    "no audience": {"aud": None},
    "expired": {"exp": 1_000_000_000},
    "no expiry": {"exp": None},
    "not yet": {"nbf": 4_000_000_000},
    "another nonce": {"nonce": "of another attempt"},
    "no nonce": {"nonce": None},
    "nonce of another type": {"nonce": 5},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "made for another client": {"aud": ["kemiscope", "other"], "azp": "other"},
    "several audiences, for whom": {"aud": ["kemiscope", "other"]},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_an_id_token_that_is_not_for_us(sso: Site, liar: Liar, lie: dict[str, Any]) -> None:
    """Signed by the provider, and not believed; there is no session and no user."""
    liar.changed = lie
    came = await _round(sso, liar)
    assert (came.status, came.code) == (403, "bad_id_token")
    assert not any("session" in cookie for cookie in came.cookies)
    liar.changed = {}
    assert (await _round(sso, liar)).status == 200


def _encoded(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")


def _unsigned(alg: str, claims: dict[str, Any]) -> str:
    return b".".join((_encoded({"alg": alg, "kid": "one"}), _encoded(claims), b"")).decode()


def _with_public_key(liar: Liar, claims: dict[str, Any]) -> str:
    """HS256 with what everybody knows as the secret."""
    public = liar.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = b".".join((_encoded({"alg": "HS256", "kid": "one"}), _encoded(claims)))
    signature = hmac.new(public, text, hashlib.sha256).digest()
    return b".".join((text, base64.urlsafe_b64encode(signature).rstrip(b"="))).decode()


@pytest.mark.parametrize(
    "kind", ["none", "None", "hs256", "other key", "unknown key", "changed", "x"]
)
async def test_an_id_token_that_the_provider_has_not_signed(
    sso: Site, liar: Liar, kind: str
) -> None:
    """alg none, the public key as a secret, another key, claims changed afterwards, no token."""

    def forged(claims: dict[str, Any]) -> str:
        claims["groups"] = ["voip-admins"]
        if kind in ("none", "None"):
            return _unsigned(kind, claims)
        if kind == "hs256":
            return _with_public_key(liar, claims)
        if kind == "x":
            return "x"
        if kind == "changed":
            header, _, signature = Liar._sign(liar, {"sub": "ben"}).split(".")
            return f"{header}.{_encoded(claims).decode()}.{signature}"
        return jwt.encode(claims, OTHER_KEY, "RS256", {"kid": kind.partition(" ")[0]})

    if kind == "other key":
        liar.listed[0] = {**liar.listed[0], "kid": "other"}
    liar.sign = forged
    came = await _round(sso, liar)
    assert (came.status, came.code) == (403, "bad_id_token")


async def test_a_key_that_is_new(sso: Site, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers change their keys: an unknown one is asked for, and not each time."""
    assert (await _round(sso, liar)).status == 200
    liar.key = OTHER_KEY
    numbers = OTHER_KEY.public_key()
    liar.listed.append(
        {**jwt.algorithms.RSAAlgorithm.to_jwk(numbers, as_dict=True), "kid": "two", "use": "sig"}
    )
    liar.sign = lambda claims: jwt.encode(claims, OTHER_KEY, "RS256", {"kid": "two"})
    assert (await _round(sso, liar)).code == "bad_id_token"
    monkeypatch.setattr("webapi.sign_in.oauth2.provider.KEYS_S", 0.0)
    assert (await _round(sso, liar)).status == 200


async def test_state_is_of_this_browser(sso: Site, liar: Liar) -> None:
    """Somebody else's way back, sent as a link, signs nobody in; nor does one without cookie."""
    mine, other = await _go(sso, START), await _go(sso, START)
    back = liar.authorize(other.location)
    for path, cookie, expected in (
        (f"{CALLBACK}?{back}", mine.cookies[0], "bad_state"),
        (f"{CALLBACK}?{back}", "", "sign_in_over"),
        (f"{CALLBACK}?code=c0de", mine.cookies[0], "bad_state"),
        (f"{CALLBACK}?code=c0de&state=\u00e9", mine.cookies[0], "bad_state"),
        (f"{CALLBACK}?{back}&{back}", other.cookies[0], "bad_parameter"),
        (f"{CALLBACK}?{back}&iss=https://other.example.com", other.cookies[0], "bad_issuer"),
    ):
        came = await _go(sso, path, cookie)
        assert (came.status, came.code) == (400, expected)
    assert liar.tokens_given == 0


async def test_an_attempt_is_of_one_provider(open_site: OpenSite, liar: Liar) -> None:
    """What one provider sends back is not taken as another's (mix-up, RFC 9207)."""
    settings = oauth2_settings(PROVIDERS="sso,other", ISSUER=liar.issuer)
    site = await open_site(**settings)
    away = await _go(site, START)
    back = liar.authorize(away.location)
    came = await _go(site, f"/api/v1/oauth2/other/callback?{back}", *away.cookies)
    assert came.code == "bad_state"
    assert (await _go(site, f"{CALLBACK}?{back}", *away.cookies)).status == 200
    assert (await _go(site, "/api/v1/oauth2/third")).code == "not_found"


async def test_an_attempt_ends(sso: Site, liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes, and when it was used: a code is not shown a second time."""
    away = await _go(sso, START)
    back = f"{CALLBACK}?{liar.authorize(away.location)}"
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr("webapi.sign_in.oauth2.attempt.time.time", lambda: now + LIFETIME_S + 5)
        assert (await _go(sso, back, *away.cookies)).code == "sign_in_over"
    came = await _go(sso, back, *away.cookies)
    assert 'kemiscope_oauth2=""' in came.cookies
    assert came.status == 200
    assert (await _go(sso, back, *away.cookies)).code == "sign_in_over"
    assert liar.tokens_given == 1


ELSEWHERE = [
    "//evil.example.com",
    "https://evil.example.com",
    "/\\evil.example.com",
    "\\\\evil.example.com",
    "javascript:alert(1)",
    "/a\\..\\b",
    "",
    "/é",
]


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_nobody_is_sent_elsewhere_after_sign_in(sso: Site, liar: Liar, path: str) -> None:
    """``next`` is a path of this service, or none."""
    came = await _round(sso, liar, str(URL(START).with_query(next=path)))
    assert 'content="0;url=/"' in came.body


async def test_a_path_of_ours_is_no_markup(sso: Site, liar: Liar) -> None:
    """Where to go on is text in the page."""
    path = '/calls?q="><script>&x=1'
    came = await _round(sso, liar, str(URL(START).with_query(next=path)))
    assert "<script>" not in came.body
    assert 'content="0;url=/calls?q=&quot;&gt;&lt;script&gt;&amp;x=1"' in came.body


async def test_the_cookie_of_an_attempt(open_site: OpenSite, liar: Liar) -> None:
    """Not for scripts; over TLS under the name that no neighbour can set."""
    settings = oauth2_settings(ISSUER=liar.issuer)
    site = await open_site(WEB_REVERSE_PROXIES="127.0.0.1", **settings)
    headers = {"Host": HOST, "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    answer = await site.client.get(START, headers=headers, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-kemiscope_oauth2=")
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert part in cookie


async def test_the_provider_refuses(sso: Site, liar: Liar) -> None:
    """A clear answer, with its word for it and nothing that would harm."""
    away = await _go(sso, START)
    liar.authorize(away.location)
    path = f"{CALLBACK}?error=access_denied%0d%0a<b>&state={liar.asked['state']}"
    came = await _go(sso, path, *away.cookies)
    assert (came.status, came.code) == (403, "provider_refused")
    assert "access_denied" in came.body
    assert "\\r" not in came.body
    away = await _go(sso, START)
    liar.authorize(away.location)
    path = f"{CALLBACK}?code=wrong&state={liar.asked['state']}"
    assert (await _go(sso, path, *away.cookies)).code == "sign_in_unavailable"


async def test_a_provider_that_is_away_or_another(open_site: OpenSite, liar: Liar) -> None:
    """503, and nobody is sent anywhere."""
    away = oauth2_settings(ISSUER=f"http://127.0.0.1:{free_port()}")
    site = await open_site(**away)
    assert (await _go(site, START)).code == "sign_in_unavailable"
    for document in (
        {"issuer": "https://elsewhere.example.com"},
        {"token_endpoint": "http://elsewhere.example.com/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ):
        liar.document = document
        site = await open_site(**oauth2_settings(ISSUER=liar.issuer))
        assert (await _go(site, START)).code == "sign_in_unavailable"


async def test_a_provider_without_openid(open_site: OpenSite, liar: Liar) -> None:
    """Three addresses, the secret in the form, and what the profile says."""
    site = await open_site(
        **oauth2_settings(
            AUTHORIZATION_URL=f"{liar.issuer}/authorize?tenant=7",
            TOKEN_URL=f"{liar.issuer}/token",
            PROFILE_URL=f"{liar.issuer}/profile",
            CLIENT_AUTHENTICATION="form",
            SCOPES="read:user",
            SUBJECT_CLAIM="id",
            USERNAME_CLAIM="login",
            DEFAULT_ROLE="support",
        )
    )
    liar.profile = {"id": 583231, "login": "octo", "name": "Octo Cat"}
    me = (await _me(site, await _round(site, liar))).json
    assert (me["username"], me["role"]) == ("octo", "support")
    assert "nonce" not in liar.asked
    assert parse_qs(urlsplit(liar.issuer + "?tenant=7").query) == {"tenant": ["7"]}
    assert liar.asked["tenant"] == "7"
    liar.profile = {"login": "octo"}
    assert (await _round(site, liar)).code == "no_subject"


async def test_claims_that_only_the_profile_has(sso: Site, liar: Liar) -> None:
    """They are asked for, and must be of the same person."""
    liar.changed = {"groups": None}
    liar.profile = {"groups": ["voip-admins"]}
    assert (await _me(sso, await _round(sso, liar))).json["role"] == "admin"
    liar.profile = {"groups": ["voip-admins"], "sub": "somebody else"}
    assert (await _round(sso, liar)).code == "bad_id_token"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"email": "anna@evil.example.org"}, "domain_not_allowed"),
        ({"email": "anna@example.com.evil.org"}, "domain_not_allowed"),
        ({"email_verified": False}, "domain_not_allowed"),
        ({"email_verified": None}, "domain_not_allowed"),
        ({"email": None}, "domain_not_allowed"),
        ({"groups": ["others"]}, "no_role"),
        ({"groups": None}, "no_role"),
        ({"email": "a b@example.com"}, "bad_username"),
    ],
)
async def test_who_may_not(
    open_site: OpenSite, liar: Liar, connection: Connection, changed: dict[str, Any], code: str
) -> None:
    """Another domain, an address that is not proven, no group with a role: in the audit log."""
    settings = oauth2_settings(ISSUER=liar.issuer, DOMAINS="example.com")
    site = await open_site(**settings)
    liar.changed = changed
    came = await _round(site, liar)
    assert (came.status, came.code) == (403, code)
    found = await connection.execute("SELECT action, subject FROM audit_log")
    assert await found.fetchall() == [("sign_in_failed", f"sso: {code}")]


async def test_an_internal_user_is_not_taken_over(
    open_site: OpenSite, liar: Liar, connection: Connection
) -> None:
    """Neither is one of another provider: a name is no proof. The row stays as it was."""
    settings = oauth2_settings(ISSUER=liar.issuer, USERNAME_CLAIM="nick")
    site = await open_site(**settings)
    liar.changed = {"nick": "Admin", "groups": ["voip-admins"]}
    assert (await _round(site, liar)).code == "user_exists"
    liar.changed = {"nick": "anna", "sub": "1"}
    assert (await _round(site, liar)).status == 200
    liar.changed = {"nick": "anna", "sub": "2"}
    assert (await _round(site, liar)).code == "user_exists"
    found = await connection.execute("SELECT source FROM web_user WHERE username = 'admin'")
    assert await found.fetchall() == [("internal",)]


async def test_who_is_disabled_here_stays_out(
    sso: Site, liar: Liar, connection: Connection
) -> None:
    """And the session that was there ends."""
    came = await _round(sso, liar)
    await connection.execute("UPDATE web_user SET enabled = false WHERE source = 'oauth2'")
    assert (await _me(sso, came)).status == 401
    assert (await _round(sso, liar)).code == "disabled"


async def test_the_role_follows_the_groups(sso: Site, liar: Liar) -> None:
    """At each sign-in; the name does not follow, since it is what the audit log has."""
    liar.changed = {"groups": ["voip-admins"]}
    assert (await _me(sso, await _round(sso, liar))).json["role"] == "admin"
    liar.changed = {"email": "anna.b@example.com"}
    me = (await _me(sso, await _round(sso, liar))).json
    assert (me["username"], me["role"]) == ("anna@example.com", "user")


async def test_a_session_that_was_planted_ends(sso: Site, liar: Liar) -> None:
    """As with a password: the browser gets a new one."""
    first = _session(await _round(sso, liar))
    away = await _go(sso, START)
    back = liar.authorize(away.location)
    came = await _go(sso, f"{CALLBACK}?{back}", f"{away.cookies[0]}; {first}")
    assert _session(came) != first
    person = Person(sso.client)
    person.cookie = first
    assert (await person.ask("GET", "/api/v1/me")).status == 401
