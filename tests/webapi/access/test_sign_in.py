# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in, sign-out, one's own account; lock-out, and that no answer tells who exists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.fix_access import CHEAP_FORM, PASSWORD, OpenSite, Person, Site
from webapi.access.gate import GATE
from webapi.access.passwords import Passwords

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
WRONG = (401, "wrong_password")


def _code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def test_sign_in_and_out(site: Site) -> None:
    """A session that works until it is ended, by the cookie alone."""
    anna = site.person()
    answer = await anna.sign_in("Admin")
    assert answer.status == 200
    assert (answer.json["username"], answer.json["role"]) == ("admin", "admin")
    assert answer.json["scopes"] == ["admin", "export", "read", "trace"]
    me = await anna.ask("GET", "/api/v1/me")
    assert me.json == answer.json
    assert (await anna.ask("POST", "/api/v1/sign-out")).status == 200
    (cleared,) = anna.set_cookies
    assert 'kemiscope_session=""' in cleared
    assert "Max-Age=0" in cleared
    assert _code(await anna.ask("GET", "/api/v1/me")) == (401, "session_over")


async def test_the_cookie(site: Site) -> None:
    """Not for scripts, not for other sites, not kept; without TLS under its plain name."""
    anna = site.person()
    await anna.sign_in("user")
    (cookie,) = anna.set_cookies
    parts = {part.strip().partition("=")[0] for part in cookie.split(";")}
    assert parts == {"kemiscope_session", "HttpOnly", "Path", "SameSite"}
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie


async def test_the_same_answer_whatever_is_wrong(site: Site, connection: Connection) -> None:
    """No such user, a wrong password, a disabled user with the right one, one of another system."""
    await connection.execute("UPDATE web_user SET enabled = false WHERE username = 'support'")
    await connection.execute(
        "INSERT INTO web_user (username, role, source) VALUES ('ldap', 'user', 'ldap')"
    )
    answers = [
        await site.person().sign_in(name, password)
        for name, password in (
            ("nobody", PASSWORD),
            ("user", "wrong"),
            ("user", ""),
            ("support", PASSWORD),
            ("ldap", ""),
            ("user\0", PASSWORD),
            ("x" * 5000, PASSWORD),
            ("' OR true --", PASSWORD),
        )
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.json) for answer in answers}) == 1


async def test_nothing_is_cut_to_fit(site: Site) -> None:
    """A name or password that begins like a right one is a wrong one."""
    longest, password = "x" * 64, "correct horse" + "y" * 243
    body = {"username": longest, "role": "user", "password": password}
    admin = await site.signed_in("admin")
    assert (await admin.ask("POST", "/api/v1/users", body)).status == 201
    assert _code(await site.person().sign_in(longest + "x", password)) == WRONG
    assert _code(await site.person().sign_in(longest, password + "y")) == WRONG
    assert (await site.person().sign_in(longest, password)).status == 200


async def test_a_name_that_nobody_has_takes_the_same_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash with the same parameters is compared in any case: timing does not tell who exists."""
    compared = []
    verify = Passwords._verify

    def watch(self: Passwords, stored: str, password: str) -> bool:
        compared.append(stored.rpartition("$")[0].rpartition("$")[0])
        return verify(self, stored, password)

    monkeypatch.setattr(Passwords, "_verify", watch)
    for name in ("user", "nobody"):
        assert _code(await site.person().sign_in(name, "wrong")) == WRONG
    assert compared == [CHEAP_FORM] * 2


@pytest.mark.parametrize("name", ["user", "nobody"])
async def test_lock_out(site: Site, name: str) -> None:
    """After five failures nobody signs in with this name, and is told how long; names that nobody
    has are locked as well. Others are not."""
    for _ in range(5):
        assert _code(await site.person().sign_in(name, "wrong")) == WRONG
    person = site.person()
    for spelled in (name, name.upper()):
        assert _code(await person.sign_in(spelled)) == (429, "too_many_attempts")
    assert 290 < int(person.headers["Retry-After"]) <= 300
    assert (await site.person().sign_in("admin")).status == 200


async def test_many_attempts_at_once_are_no_way_around(site: Site) -> None:
    """They are counted when they begin."""
    answers = await asyncio.gather(
        *(site.person().sign_in("user", f"wrong {n}") for n in range(12))
    )
    assert sorted(answer.status for answer in answers) == [401] * 5 + [429] * 7


async def test_an_address_that_tries_many_names(open_site: OpenSite) -> None:
    """Twenty failures, then even a right password is not looked at."""
    site = await open_site(WEB_SIGN_IN_FAILURES="2")
    for n in range(8):
        assert _code(await site.person().sign_in(f"nobody{n}", "x")) == WRONG
    assert _code(await site.person().sign_in("user")) == (429, "too_many_attempts")


async def test_success_forgets_failures(site: Site) -> None:
    """Who mistypes now and then is never locked."""
    for _ in range(3):
        for _ in range(4):
            await site.person().sign_in("user", "wrong")
        assert (await site.person().sign_in("user")).status == 200


@pytest.mark.own_database
async def test_an_attempt_that_nobody_could_judge_is_not_counted(
    site: Site, connection: Connection
) -> None:
    """The table is away: 503, and later the password is right as before."""
    await connection.execute("ALTER TABLE web_user RENAME TO away")
    for _ in range(8):
        assert _code(await site.person().sign_in("user")) == (503, "database_schema")
    await connection.execute("ALTER TABLE away RENAME TO web_user")
    assert (await site.person().sign_in("user")).status == 200


async def test_hashes_wait_for_each_other_and_not_without_end(site: Site) -> None:
    """Two at once, sixteen wait, one more is turned away: memory and processors are bounded."""
    gate = site.client.app[GATE] if site.client.app else None
    assert gate
    gate.passwords._threads.room = 0
    assert _code(await site.person().sign_in("user")) == (503, "busy")
    gate.passwords._threads.room = 1
    assert (await site.person().sign_in("user")).status == 200


async def test_a_body_that_never_ends(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds a request open that he need not sign in for."""
    monkeypatch.setattr("webapi.change.BODY_S", 0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"username": '
        await asyncio.sleep(60)

    headers = {"Host": "127.0.0.1:9080", "Content-Type": "application/json"}
    answer = await site.client.post("/api/v1/sign-in", data=slowly(), headers=headers)
    assert (answer.status, (await answer.json())["error"]["code"]) == (408, "too_slow")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "username"),
        ({"username": "user"}, "password"),
        ({"username": 5, "password": "x"}, "username"),
        ({"username": "x", "password": ["x"]}, "password"),
        ({"username": "x", "password": "x", "admin": True}, "admin"),
    ],
)
async def test_a_body_that_is_not_one(site: Site, body: Any, field: str) -> None:
    """422 with the field."""
    answer = await site.person().ask("POST", "/api/v1/sign-in", body)
    assert (answer.status, answer.json["error"]["field"]) == (422, field)


async def test_an_old_hash_is_made_anew(site: Site, connection: Connection) -> None:
    """At sign-in, when the parameters have changed since."""
    from argon2 import PasswordHasher  # noqa: PLC0415 (only here)

    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await connection.execute(
        "UPDATE web_user SET password_hash = %s WHERE username = 'user'", (weak,)
    )
    assert (await site.person().sign_in("user")).status == 200
    found = await connection.execute("SELECT password_hash FROM web_user WHERE username = 'user'")
    ((stored,),) = await found.fetchall()
    assert stored.startswith(f"{CHEAP_FORM}$")
    assert (await site.person().sign_in("user")).status == 200


async def _change(person: Person, old: str, new: str) -> Any:
    return await person.ask("POST", "/api/v1/me/password", {"password": old, "new_password": new})


async def test_changing_ones_password_ends_other_sessions(site: Site) -> None:
    """Who had the old one is out; who changed it stays."""
    here, there = await site.signed_in("user"), await site.signed_in("user")
    assert _code(await _change(here, "wrong", "a new pass phrase")) == WRONG
    assert (await _change(here, PASSWORD, "a new pass phrase")).status == 200
    assert (await here.ask("GET", "/api/v1/me")).status == 200
    assert _code(await there.ask("GET", "/api/v1/me")) == (401, "session_over")
    assert _code(await site.person().sign_in("user")) == WRONG
    assert (await site.person().sign_in("user", "a new pass phrase")).status == 200


async def test_a_stolen_session_cannot_guess_the_password(site: Site) -> None:
    """Attempts to change it count as attempts to sign in."""
    thief = await site.signed_in("user")
    for _ in range(5):
        assert _code(await _change(thief, "a guess", "a new pass phrase")) == WRONG
    assert _code(await _change(thief, PASSWORD, "a new pass phrase")) == (429, "too_many_attempts")


@pytest.mark.parametrize(
    "new", ["short", "x" * 257, "aaaaaaaaaaaaaaaa", "user-user", "with a\ttab in it", "", PASSWORD]
)
async def test_passwords_that_are_refused(site: Site, new: str) -> None:
    """Too short, too long, of one letter, not to be typed, the old one."""
    answer = await _change(await site.signed_in("user"), PASSWORD, new)
    assert (answer.status, answer.json["error"]["field"]) == (422, "new_password")


async def test_the_way_a_keyboard_composes_does_not_matter(site: Site) -> None:
    """ö as one character or as two (NFKC)."""
    assert (
        await _change(await site.signed_in("user"), PASSWORD, "schön ist es hier")
    ).status == 200
    assert (await site.person().sign_in("user", "scho\u0308n ist es hier")).status == 200


async def test_a_password_that_must_be_changed(site: Site, connection: Connection) -> None:
    """Nothing else is possible before; afterwards all is."""
    await connection.execute("UPDATE web_user SET must_change_password = true")
    anna = site.person()
    assert (await anna.sign_in("admin")).json["must_change_password"] is True
    for path in ("/api/v1/calls", "/api/v1/users", "/api/v1/tokens", "/api/v1/audit"):
        assert _code(await anna.ask("GET", path)) == (403, "password_change_required")
    assert (await anna.ask("GET", "/api/v1/me")).status == 200
    assert (await _change(anna, PASSWORD, "a new pass phrase")).status == 200
    assert (await anna.ask("GET", "/api/v1/calls")).status == 200
