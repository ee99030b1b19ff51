# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in with a password that a real slapd checks, by way of the API: users, lock-out, audit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from stack.ports import free_port
from tests.fix_access import PASSWORD, OpenSite, Site
from tests.fix_ldap import LDAP_PASSWORD, Slapd

Connection = AsyncConnection[TupleRow]
WRONG = (401, "wrong_password")


def _code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


@pytest.fixture
async def site(open_site: OpenSite, slapd: Slapd) -> Site:
    """One with web.sign_in = ldap."""
    return await open_site(**slapd.settings())


async def test_sign_in_through_ldap_to_the_api(site: Site, connection: Connection) -> None:
    """A session with the role of the groups, a user without a password here, a line in the log."""
    anna = site.person()
    answer = await anna.sign_in("anna", LDAP_PASSWORD)
    assert (answer.status, answer.json["role"]) == (200, "admin")
    assert (await anna.ask("GET", "/api/v1/users")).status == 200
    assert (await site.person().sign_in("ANNA", LDAP_PASSWORD)).json["username"] == "anna"
    found = await connection.execute(
        "SELECT username, source, password_hash, email, full_name FROM web_user"
        " WHERE source <> 'internal'"
    )
    assert await found.fetchall() == [("anna", "ldap", None, "anna@example.com", "Anna A")]
    log = await connection.execute("SELECT username, action, detail FROM audit_log ORDER BY id")
    assert await log.fetchall() == [
        ("anna", "user_added", {"role": "admin", "source": "ldap"}),
        ("anna", "signed_in", {"source": "ldap"}),
        ("anna", "signed_in", {"source": "ldap"}),
    ]


async def test_one_answer_whatever_is_wrong(site: Site, connection: Connection) -> None:
    """A wrong password, an unknown name, somebody in no group, nobody's name, no password."""
    answers = [
        await site.person().sign_in(name, password)
        for name, password in (
            ("anna", "wrong"),
            ("nobody", LDAP_PASSWORD),
            ("eve", LDAP_PASSWORD),
            ("ann*", LDAP_PASSWORD),
            ("ben", ""),
            ("admin", "wrong"),
        )
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.json) for answer in answers}) == 1
    found = await connection.execute("SELECT count(*) FROM audit_log WHERE action LIKE '%failed'")
    assert await found.fetchone() == (6,)


async def test_internal_users_sign_in_as_before(site: Site) -> None:
    """Their password is ours: when the directory is away somebody can still look after things."""
    assert (await site.person().sign_in("admin", PASSWORD)).json["role"] == "admin"


async def test_a_name_of_ours_is_not_taken_over(
    open_site: OpenSite, slapd: Slapd, connection: Connection
) -> None:
    """The directory has an anna, and so have we: hers is our password, and it stays so. Nor does
    a name get there that another attribute tells."""
    await connection.execute(
        "INSERT INTO web_user (username, role, password_hash) VALUES ('Anna', 'user', 'x')"
    )
    site = await open_site(**slapd.settings())
    assert _code(await site.person().sign_in("anna", LDAP_PASSWORD)) == WRONG
    changed = {"USER_FILTER": "(mail=%s)", "USERNAME_ATTRIBUTE": "uid"}
    site = await open_site(**slapd.settings(**changed))
    refused = await site.person().sign_in("anna@example.com", LDAP_PASSWORD)
    assert _code(refused) == (403, "user_exists")
    found = await connection.execute("SELECT role, source FROM web_user WHERE username = 'Anna'")
    assert await found.fetchall() == [("user", "internal")]
    log = await connection.execute("SELECT action, subject FROM audit_log ORDER BY id DESC LIMIT 1")
    assert await log.fetchall() == [("sign_in_failed", "user_exists")]


async def test_a_user_of_another_source_is_another(
    open_site: OpenSite, slapd: Slapd, connection: Connection
) -> None:
    """Who came by another way under this name is not whom the directory means."""
    await connection.execute(
        "INSERT INTO web_user (username, role, source, issuer, subject)"
        " VALUES ('anna', 'user', 'oauth2', 'https://sso.example.com', '1')"
    )
    site = await open_site(**slapd.settings())
    refused = await site.person().sign_in("anna", LDAP_PASSWORD)
    assert _code(refused) == (403, "user_exists")


async def test_disabled_here(site: Site, connection: Connection) -> None:
    """Although the directory agrees."""
    anna = await _signed_in(site, "anna")
    await connection.execute("UPDATE web_user SET enabled = false WHERE username = 'anna'")
    assert (await anna.ask("GET", "/api/v1/me")).status == 401
    assert _code(await site.person().sign_in("anna", LDAP_PASSWORD)) == WRONG


async def test_a_role_given_here_stays_when_no_group_says_otherwise(
    open_site: OpenSite, slapd: Slapd, connection: Connection
) -> None:
    """With groups it is theirs at each sign-in."""
    without = slapd.settings(ADMIN_GROUPS="", USER_GROUPS="", DEFAULT_ROLE="user")
    site = await open_site(**without)
    await _signed_in(site, "ben")
    await connection.execute("UPDATE web_user SET role = 'support' WHERE username = 'ben'")
    assert (await site.person().sign_in("ben", LDAP_PASSWORD)).json["role"] == "support"
    site = await open_site(**slapd.settings())
    assert (await site.person().sign_in("ben", LDAP_PASSWORD)).json["role"] == "user"
    log = await connection.execute(
        "SELECT username, subject, detail FROM audit_log WHERE action = 'user_changed'"
    )
    assert await log.fetchall() == [("ben", "ben", {"role": "user", "source": "ldap"})]


async def test_many_first_sign_ins_at_once_make_one_user(
    site: Site, connection: Connection
) -> None:
    """Whoever comes second finds the row of the first."""
    answers = await asyncio.gather(*(site.person().sign_in("ben", LDAP_PASSWORD) for _ in range(4)))
    assert [answer.status for answer in answers] == [200] * 4
    found = await connection.execute("SELECT count(*) FROM web_user WHERE username = 'ben'")
    assert await found.fetchone() == (1,)


async def test_lock_out_spares_the_directory(site: Site) -> None:
    """After five failures nobody is asked any more, so nobody is locked out there by us."""
    for _ in range(5):
        assert _code(await site.person().sign_in("anna", "wrong")) == WRONG
    answer = await site.person().sign_in("anna", LDAP_PASSWORD)
    assert _code(answer) == (429, "too_many_attempts")


async def test_a_directory_that_is_away_counts_no_attempt(
    open_site: OpenSite, slapd: Slapd
) -> None:
    """503 each time, however often; internal users do not notice."""
    away = slapd.settings(SERVERS=f"ldap://127.0.0.1:{free_port()}")
    site = await open_site(**away)
    for _ in range(6):
        answer = await site.person().sign_in("anna", LDAP_PASSWORD)
        assert _code(answer) == (503, "sign_in_unavailable")
    assert (await site.person().sign_in("admin", PASSWORD)).status == 200


async def test_no_password_of_theirs_is_changed_here(site: Site) -> None:
    """409, whatever they type."""
    anna = await _signed_in(site, "anna")
    body = {"password": LDAP_PASSWORD, "new_password": "another pass phrase"}
    answer = await anna.ask("POST", "/api/v1/me/password", body)
    assert _code(answer) == (409, "not_internal")


async def test_tokens_of_a_user_of_the_directory(site: Site) -> None:
    """They belong to the row, as anybody's."""
    anna = await _signed_in(site, "anna")
    body = {"name": "a test", "scopes": ["read"]}
    assert (await anna.ask("POST", "/api/v1/tokens", body)).status == 201


async def _signed_in(site: Site, name: str) -> Any:
    person = site.person()
    assert (await person.sign_in(name, LDAP_PASSWORD)).status == 200
    return person
