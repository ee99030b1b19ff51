# SPDX-License-Identifier: GPL-2.0-or-later
"""Users, tokens and the audit log through the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.api_token import digest
from tests.fix_access import HOST, PASSWORD, OpenSite, Person, Site
from webapi.access.audit import Action

pytestmark = pytest.mark.one_database

Connection = AsyncConnection[TupleRow]
NEW = {"username": "Anna.B", "role": "support", "email": "anna@example.com", "full_name": "Anna B"}


def _code(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json["error"]["code"]


async def _ids(admin: Person) -> dict[str, int]:
    listed = (await admin.ask("GET", "/api/v1/users")).json["users"]
    return {user["username"]: user["id"] for user in listed}


async def test_a_user_from_beginning_to_end(site: Site) -> None:
    """Made, shown, listed, changed, removed; no answer has the hash."""
    admin = await site.signed_in("admin")
    made = await admin.ask("POST", "/api/v1/users", NEW)
    assert made.status == 201
    password = made.json.pop("password")
    assert {name: made.json[name] for name in NEW} == NEW
    assert (made.json["enabled"], made.json["source"]) == (True, "internal")
    path = f"/api/v1/users/{made.json['id']}"
    assert (await admin.ask("GET", path)).json == made.json
    assert (await site.person().sign_in("anna.b", password)).json["must_change_password"] is True
    changed = await admin.ask("PATCH", path, {"role": "user", "full_name": ""})
    assert (changed.json["role"], changed.json["full_name"]) == ("user", "")
    assert changed.json["email"] == NEW["email"]
    assert (await admin.ask("DELETE", path)).status == 200
    assert _code(await admin.ask("GET", path)) == (404, "not_found")
    assert _code(await site.person().sign_in("anna.b", password)) == (401, "wrong_password")


async def test_names_differ_by_more_than_case(site: Site) -> None:
    """409."""
    admin = await site.signed_in("admin")
    answer = await admin.ask("POST", "/api/v1/users", NEW | {"username": "SUPPORT"})
    assert _code(answer) == (409, "user_exists")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "local:root"}, "username"),
        ({"username": "x" * 65}, "username"),
        ({"username": "x\n"}, "username"),
        ({"username": None}, "username"),
        ({"role": "root"}, "role"),
        ({"role": None}, "role"),
        ({"email": "x" * 201}, "email"),
        ({"full_name": "a\x1b[31m"}, "full_name"),
        ({"password": "short"}, "password"),
        ({"password": "Anna.B-Anna.B"}, None),
        ({"must_change_password": "no"}, "must_change_password"),
        ({"source": "ldap"}, "source"),
        ({"id": 1}, "id"),
    ],
)
async def test_a_user_that_cannot_be(site: Site, change: dict[str, Any], field: str | None) -> None:
    """422 with the field that is wrong; long enough is right, even if it is not clever."""
    admin = await site.signed_in("admin")
    answer = await admin.ask("POST", "/api/v1/users", NEW | change)
    if field is None:
        assert answer.status == 201
    else:
        assert (answer.status, answer.json["error"]["field"]) == (422, field)


async def test_a_disabled_user_is_out_at_once(site: Site) -> None:
    """Sessions and tokens; enabled again, the tokens work and the sessions do not."""
    admin, anna = await site.signed_in("admin"), await site.signed_in("support")
    token = await site.token("support", "read")
    path = f"/api/v1/users/{(await _ids(admin))['support']}"
    assert (await admin.ask("PATCH", path, {"enabled": False})).status == 200
    assert _code(await anna.ask("GET", "/api/v1/me")) == (401, "session_over")
    bearer = {"Authorization": f"Bearer {token}"}
    assert _code(await site.person().ask("GET", "/api/v1/me", **bearer)) == (401, "bad_token")
    assert (await admin.ask("PATCH", path, {"enabled": True})).status == 200
    assert _code(await anna.ask("GET", "/api/v1/me")) == (401, "session_over")
    assert (await site.person().ask("GET", "/api/v1/me", **bearer)).status == 200


async def test_a_password_set_by_somebody_else(site: Site) -> None:
    """Ends all sessions, and must be changed."""
    admin, anna = await site.signed_in("admin"), await site.signed_in("support")
    path = f"/api/v1/users/{(await _ids(admin))['support']}"
    assert (await admin.ask("PATCH", path, {"password": "for the first day"})).status == 200
    assert _code(await anna.ask("GET", "/api/v1/me")) == (401, "session_over")
    again = await site.person().sign_in("support", "for the first day")
    assert again.json["must_change_password"] is True


async def test_a_changed_role_holds_at_once(site: Site) -> None:
    """For sessions that are open."""
    admin, anna = await site.signed_in("admin"), await site.signed_in("support")
    path = f"/api/v1/users/{(await _ids(admin))['support']}"
    await admin.ask("PATCH", path, {"role": "user"})
    assert (await anna.ask("GET", "/api/v1/me")).json["scopes"] == ["export", "read"]
    assert _code(await anna.ask("POST", "/api/v1/trace-rules")) == (403, "not_allowed")


async def test_the_last_administrator_stays(site: Site) -> None:
    """Who locks everybody out is told."""
    admin = await site.signed_in("admin")
    path = f"/api/v1/users/{(await _ids(admin))['admin']}"
    for method, body in (
        ("PATCH", {"enabled": False}),
        ("PATCH", {"role": "user"}),
        ("DELETE", None),
    ):
        assert _code(await admin.ask(method, path, body)) == (409, "last_admin")
    assert (await admin.ask("GET", "/api/v1/users")).status == 200


async def test_a_user_of_another_system_has_no_password_here(
    site: Site, connection: Connection
) -> None:
    """409."""
    admin = await site.signed_in("admin")
    await connection.execute(
        "INSERT INTO web_user (username, role, source) VALUES ('ldap', 'user', 'ldap')"
    )
    path = f"/api/v1/users/{(await _ids(admin))['ldap']}"
    answer = await admin.ask("PATCH", path, {"password": "a new pass phrase"})
    assert _code(answer) == (409, "not_internal")


@pytest.mark.parametrize("body", [{}, {"username": "x"}, {"must_change_password": True}])
async def test_a_change_that_is_none(site: Site, body: dict[str, Any]) -> None:
    """422."""
    admin = await site.signed_in("admin")
    answer = await admin.ask("PATCH", f"/api/v1/users/{(await _ids(admin))['user']}", body)
    assert answer.status == 422


async def test_pages_of_users(site: Site) -> None:
    """In the order of their ids."""
    admin = await site.signed_in("admin")
    first = (await admin.ask("GET", "/api/v1/users?limit=2")).json
    assert [user["username"] for user in first["users"]] == ["admin", "support"]
    rest = (await admin.ask("GET", f"/api/v1/users?limit=2&after={first['next']}")).json
    assert ([user["username"] for user in rest["users"]], rest["next"]) == (["user"], None)


async def test_a_token_is_shown_once_and_stored_as_its_hash(
    site: Site, connection: Connection
) -> None:
    """Listed without; revoked, it is refused."""
    anna = await site.signed_in("support")
    body = {
        "name": "grafana",
        "scopes": ["read", "read"],
        "networks": ["127.0.0.0/8"],
        "duration": "30d",
    }
    made = (await anna.ask("POST", "/api/v1/tokens", body)).json
    token = made.pop("token")
    found = await connection.execute("SELECT token_sha256, api_token::text FROM api_token")
    ((stored, text),) = await found.fetchall()
    assert stored == digest(token)
    assert token not in text
    listed = await anna.ask("GET", "/api/v1/tokens")
    assert listed.json == {"tokens": [made], "next": None}
    assert (made["scopes"], made["networks"], made["username"]) == (
        ["read"],
        ["127.0.0.0/8"],
        "support",
    )
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await site.person().ask("GET", "/api/v1/calls", **bearer)).status == 200
    assert (await anna.ask("GET", "/api/v1/tokens")).json["tokens"][0]["last_used_at"]
    assert (await anna.ask("DELETE", f"/api/v1/tokens/{made['id']}")).status == 200
    assert _code(await site.person().ask("GET", "/api/v1/calls", **bearer)) == (401, "bad_token")


async def test_a_token_works_from_its_networks_only(site: Site) -> None:
    """403 from elsewhere; IPv4 is in no network of IPv6."""
    for networks, status in (
        (["192.0.2.0/24"], 403),
        (["::/0"], 403),
        (["192.0.2.7", "127.0.0.1"], 200),
        ([], 200),
    ):
        token = await site.token("user", "read", networks=networks)
        answer = await site.person().ask("GET", "/api/v1/calls", Authorization=f"Bearer {token}")
        assert answer.status == status
        if status == 403:
            assert answer.json["error"]["code"] == "network_not_allowed"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["write"]}, "scopes"),
        ({"scopes": ["trace"]}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"scopes": "read"}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"networks": ["here"]}, "networks"),
        ({"networks": ["192.0.2.1/24"]}, "networks"),
        ({"networks": ["192.0.2.1"] * 21}, "networks"),
        ({"duration": 0}, "duration"),
        ({"duration": "366d"}, "duration"),
        ({"duration": "nan"}, "duration"),
        ({"duration": True}, "duration"),
        ({"user_id": 1}, "user_id"),
    ],
)
async def test_a_token_that_cannot_be(site: Site, change: dict[str, Any], field: str) -> None:
    """422; nobody gives away what he does not have."""
    anna = await site.signed_in("user")
    answer = await anna.ask("POST", "/api/v1/tokens", {"name": "x", "scopes": ["read"]} | change)
    assert (answer.status, answer.json["error"]["field"]) == (422, field)


async def test_the_tokens_of_others(site: Site) -> None:
    """Are nobody's business but the administrator's."""
    await site.token("support", "read")
    anna, admin = await site.signed_in("user"), await site.signed_in("admin")
    assert (await anna.ask("GET", "/api/v1/tokens")).json["tokens"] == []
    assert _code(await anna.ask("GET", "/api/v1/tokens?all=true")) == (403, "not_allowed")
    (token,) = (await admin.ask("GET", "/api/v1/tokens?all=true")).json["tokens"]
    assert _code(await anna.ask("DELETE", f"/api/v1/tokens/{token['id']}")) == (404, "not_found")
    assert (await admin.ask("DELETE", f"/api/v1/tokens/{token['id']}")).status == 200


async def test_the_audit_log_tells_who_did_what(site: Site) -> None:
    """Sign-in and its failures, users, tokens, exports, sign-out; no secret is in it."""
    await site.person().sign_in("admin", "the wrong one")
    admin = await site.signed_in("admin")
    made = (await admin.ask("POST", "/api/v1/users", NEW)).json
    path = f"/api/v1/users/{made['id']}"
    await admin.ask("PATCH", path, {"password": "for the first day", "role": "user"})
    body = {"name": "grafana", "scopes": ["read"]}
    token = (await admin.ask("POST", "/api/v1/tokens", body)).json
    await admin.ask("DELETE", f"/api/v1/tokens/{token['id']}")
    await admin.ask("GET", "/api/v1/calls/a@b/export.txt?legs=all")
    await admin.ask("DELETE", path)
    log = (await admin.ask("GET", "/api/v1/audit")).json["audit"]
    assert [(row["action"], row["subject"]) for row in reversed(log)] == [
        (Action.SIGN_IN_FAILED, ""),
        (Action.SIGNED_IN, ""),
        (Action.USER_ADDED, "Anna.B"),
        (Action.USER_CHANGED, "Anna.B"),
        (Action.TOKEN_ADDED, "grafana"),
        (Action.TOKEN_REVOKED, "grafana"),
        (Action.EXPORTED, "/api/v1/calls/a@b/export.txt?legs=all"),
        (Action.USER_REMOVED, "Anna.B"),
    ]
    assert {(row["username"], row["address"]) for row in log} == {("admin", "127.0.0.1")}
    assert log[4]["detail"] == {"role": "user", "password": "***"}
    text = json.dumps(log)
    for secret in (
        PASSWORD,
        made["password"],
        "the wrong one",
        "for the first day",
        token["token"],
    ):
        assert secret not in text


async def test_what_is_searched_in_the_audit_log(site: Site) -> None:
    """By user, action and time; a page at a time."""
    admin = await site.signed_in("admin")
    for _ in range(3):
        await site.signed_in("user")
    await site.person().sign_in("user", "wrong")

    async def ask(query: str) -> Any:
        return (await admin.ask("GET", f"/api/v1/audit?{query}")).json

    assert len((await ask("username=user"))["audit"]) == 4
    assert len((await ask("username=user&action=sign_in_failed"))["audit"]) == 1
    assert len((await ask("from=-1m&to=now"))["audit"]) == 5
    assert (await ask("to=-1m"))["audit"] == []
    page = await ask("username=user&limit=3")
    rest = await ask(f"username=user&limit=3&before={page['next']}")
    assert (len(page["audit"]), len(rest["audit"]), rest["next"]) == (3, 1, None)
    for query in ("action=x", "before=0", "from=x", "limit=0", "x=1"):
        assert "error" in await ask(query)


async def test_a_name_that_would_do_harm_in_the_log(site: Site) -> None:
    """What was tried is kept as text without control characters."""
    await site.person().sign_in("\x1b[31mroot\r\n\u202e", "x")
    admin = await site.signed_in("admin")
    log = (await admin.ask("GET", "/api/v1/audit?action=sign_in_failed")).json["audit"]
    assert [row["username"] for row in log] == [" [31mroot   "]


@pytest.mark.own_database
async def test_an_export_that_cannot_be_written_down_is_not_made(
    site: Site, connection: Connection
) -> None:
    """503: nothing leaves without a trace."""
    anna = await site.signed_in("user")
    await connection.execute("REVOKE INSERT ON audit_log FROM kemiscope_reader")
    answer = await anna.ask("GET", "/api/v1/calls/a@b/export.pcap")
    assert _code(answer) == (503, "database_not_writable")


async def test_metrics_are_for_this_host_or_a_token(open_site: OpenSite) -> None:
    """Without a setting Prometheus on this host needs nothing; with it nobody does without."""
    free, closed = await open_site(), await open_site(WEB_METRICS_TOKEN="the-token-of-prometheus")
    api = await free.token("user", "read")
    trace = await free.token("support", "trace")

    async def scrape(site: Site, token: str = "") -> int:
        headers = {"Host": HOST} | ({"Authorization": f"Bearer {token}"} if token else {})
        return (await site.client.get("/metrics", headers=headers)).status

    assert await scrape(free) == 200
    assert await scrape(free, "wrong") == 401
    assert await scrape(closed) == 401
    assert await scrape(closed, "the-token-of-prometheuX") == 401
    assert await scrape(closed, "the-token-of-prometheus") == 200
    assert await scrape(closed, api) == 200
    assert await scrape(closed, trace) == 403
    off = await open_site(WEB_METRICS_TOKEN="the-token-of-prometheus", WEB_SIGN_IN="off")
    assert await scrape(off) == 401
