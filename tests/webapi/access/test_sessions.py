# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions: how they begin and end, and what a page elsewhere cannot do with them."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.api_token import digest
from tests.fix_access import OpenSite, Site

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
OVER = (401, "session_over")


def _code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def test_only_the_hash_of_a_session_is_stored(site: Site, connection: Connection) -> None:
    """Who reads the database cannot use it."""
    anna = await site.signed_in("admin")
    token = anna.cookie.partition("=")[2]
    found = await connection.execute("SELECT token_sha256, web_session::text FROM web_session")
    ((stored, text),) = await found.fetchall()
    assert stored == digest(token)
    assert token not in text


async def test_a_session_that_a_page_has_planted_is_not_taken(site: Site) -> None:
    """Session fixation: sign-in makes a new one, and ends the one that was there."""
    victim = site.person()
    victim.cookie = "kemiscope_session=" + "f" * 43
    await victim.sign_in("user")
    assert "f" * 43 not in victim.cookie
    attacker = site.person()
    assert (
        _code(await attacker.ask("GET", "/api/v1/me", Cookie="kemiscope_session=" + "f" * 43))
        == OVER
    )
    before = victim.cookie
    await victim.sign_in("user")
    assert victim.cookie != before
    assert _code(await attacker.ask("GET", "/api/v1/me", Cookie=before)) == OVER


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE web_session SET idle_expires_at = now()",
        "UPDATE web_session SET expires_at = now()",
        "DELETE FROM web_session",
        "UPDATE web_user SET enabled = false",
        "DELETE FROM web_user",
    ],
)
async def test_a_session_ends_at_once(site: Site, connection: Connection, change: str) -> None:
    """Not used for long, too old, ended elsewhere, or of a user who may not any more."""
    anna = await site.signed_in("admin")
    await connection.execute(change.encode())
    assert _code(await anna.ask("GET", "/api/v1/me")) == OVER


async def test_use_keeps_a_session_but_not_for_ever(site: Site, connection: Connection) -> None:
    """The idle time begins anew with a request; the lifetime does not."""
    anna = await site.signed_in("user")
    await connection.execute(
        "UPDATE web_session SET last_used_at = now() - interval '2 min',"
        " idle_expires_at = now() + interval '1 min', expires_at = now() + interval '2 min'"
    )
    assert (await anna.ask("GET", "/api/v1/me")).status == 200
    found = await connection.execute(
        "SELECT idle_expires_at > now() + interval '3 h', expires_at < now() + interval '3 min',"
        " last_used_at > now() - interval '1 min' FROM web_session"
    )
    assert await found.fetchall() == [(True, True, True)]


async def test_a_user_has_so_many_sessions(open_site: OpenSite, connection: Connection) -> None:
    """One more ends the one that was used longest ago."""
    site = await open_site(WEB_SESSIONS_PER_USER="2")
    first, second = await site.signed_in("user"), await site.signed_in("user")
    await connection.execute(
        "UPDATE web_session SET last_used_at = now() + interval '1 s' WHERE id ="
        " (SELECT min(id) FROM web_session)"
    )
    third = await site.signed_in("user")
    states = [(await one.ask("GET", "/api/v1/me")).status for one in (first, second, third)]
    assert states == [200, 401, 200]


@pytest.mark.parametrize("given", [None, "", "x", "0" * 64, "\x80"])
async def test_a_change_needs_the_csrf_token(site: Site, given: str | None) -> None:
    """The cookie alone, which a browser sends by itself, changes nothing."""
    anna = await site.signed_in("admin")
    body = {"username": "new", "role": "user"}
    answer = await anna.ask("POST", "/api/v1/users", body, X_CSRF_Token=given)
    assert _code(answer) == (403, "csrf_token_required")
    assert (await anna.ask("POST", "/api/v1/users", body)).status == 201


async def test_the_csrf_token_of_another_session(site: Site) -> None:
    """Each has its own."""
    anna, mallory = await site.signed_in("admin"), await site.signed_in("user")
    answer = await anna.ask("POST", "/api/v1/sign-out", X_CSRF_Token=mallory.csrf)
    assert _code(answer) == (403, "csrf_token_required")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9081", "", "https://127.0.0.1"]
)
async def test_pages_elsewhere_change_nothing(site: Site, origin: str) -> None:
    """Even with everything else right, and not even sign-in (login CSRF)."""
    anna = await site.signed_in("admin")
    answer = await anna.ask("POST", "/api/v1/sign-out", Origin=origin)
    assert _code(answer) == (403, "origin_not_allowed")
    answer = await site.person().sign_in("user", Origin=origin)
    assert _code(answer) == (403, "origin_not_allowed")
    assert (
        await anna.ask("POST", "/api/v1/sign-out", Origin="http://127.0.0.1:9080")
    ).status == 200


async def test_a_form_cannot_sign_in(site: Site) -> None:
    """Other sites may send forms without asking; JSON they may not."""
    answer = await site.client.post(
        "/api/v1/sign-in",
        data={"username": "user", "password": "x"},
        headers={"Host": "127.0.0.1:9080"},
    )
    assert answer.status == 415


async def test_with_sign_in_off_one_may_read_and_nothing_else(open_site: OpenSite) -> None:
    """On loopback, for trials; changes need a token, and a bad one is not forgiven."""
    site = await open_site(WEB_SIGN_IN="off")
    person = site.person()
    assert (await person.ask("GET", "/api/v1/calls")).status == 200
    status = await person.ask("GET", "/api/v1/status")
    assert status.json["sign_in"] == "off"
    for method, path in (
        ("POST", "/api/v1/trace-rules"),
        ("GET", "/api/v1/users"),
        ("GET", "/api/v1/me"),
    ):
        assert _code(await person.ask(method, path)) == (401, "sign_in_required")
    answer = await person.ask("GET", "/api/v1/calls", Authorization="Bearer x")
    assert _code(answer) == (401, "bad_token")
