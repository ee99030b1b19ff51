# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of what each route needs, and every route tried by everybody."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

import pytest
from aiohttp.web import Application
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.api_token import new_token
from tests.fix_access import HOST, Site
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from webapi.access.roles import NEEDS, SCOPES, Need, Role, Scope
from webapi.app import create_app
from webapi.homer.answer import MESSAGES, NOT_ADMIN, PREFIX

pytestmark = pytest.mark.one_database

pytestmark = pytest.mark.one_database

REFUSED: Final = (401, 403)
ROUTES: Final = sorted(NEEDS)
CLOSED: Final = [route for route in ROUTES if NEEDS[route] not in (Need.NOTHING, Need.SCRAPE)]
"""Those that nobody reaches without saying who he is."""
_IDS: Final = {"call_id": "nobody@nowhere", "id": "2147483647", "guid": str(UUID(int=1))}
"""Ids that nothing has; others are words."""


_WORDS: Final = {
    **{code: re.escape(message) + r"\Z" for code, message in MESSAGES.items()},
    "not_allowed": f"{NOT_ADMIN}|the role |this token ",
    "session_required": "needs a session;",
}
"""How HOMER's shape says what a code says elsewhere."""


def _path(route: tuple[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda part: _IDS.get(part[1], part[1]), route[1])


def _refusal(route: tuple[str, str], answer: Answer, *codes: str) -> str:
    """The code of the answer; HOMER's shape has none: that of ``codes`` which its words say."""
    if not route[1].startswith(PREFIX):
        return str(answer.json["error"]["code"])
    message = str(answer.json["message"])
    return next((code for code in codes if re.match(_WORDS[code], message)), message)


def _routes(app: Application) -> set[tuple[str, str]]:
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }


def test_every_route_is_in_the_table_and_nothing_else_is(database: Database) -> None:
    """Who adds a route must say what it needs."""
    assert _routes(create_app(load_settings(database))) == set(NEEDS)


def test_only_sign_in_and_share_links_need_nothing() -> None:
    """And the page for it. All else is for who is known; metrics have a rule of their own."""
    assert [route for route in ROUTES if NEEDS[route] is Need.NOTHING] == [
        ("GET", "/"),
        ("GET", "/api/v1/oauth2/{provider}"),
        ("GET", "/api/v1/oauth2/{provider}/callback"),
        ("GET", "/api/v1/shared/{token}"),
        ("GET", "/api/v1/shared/{token}/export.pcap"),
        ("GET", "/api/v1/sign-in"),
        ("GET", "/api/v3/auth/type/list"),
        ("GET", "/api/v3/oauth2/auth/{provider}"),
        ("GET", "/api/v3/oauth2/redirect/{provider}"),
        ("GET", "/assets/{version}/{name}"),
        ("GET", "/shared/{token}"),
        ("GET", "/sign-in"),
        ("POST", "/api/v1/sign-in"),
        ("POST", "/api/v3/auth"),
        ("POST", "/api/v3/oauth2/token"),
    ]


async def test_a_route_without_an_entry_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to administrators."""
    admin = await site.signed_in("admin")
    fewer = {route: need for route, need in NEEDS.items() if route[1] != "/api/v1/stats"}
    monkeypatch.setattr("webapi.access.middleware.NEEDS", fewer)
    answer = await admin.ask("GET", "/api/v1/stats")
    assert (answer.status, answer.json["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "sign_in_required"),
        ("", "bad_token"),
        ("Bearer ", "bad_token"),
        ("Bearer x", "bad_token"),
        pytest.param(f"Bearer {new_token()}", "bad_token", id="never given out"),
        ("Basic YWRtaW46YWRtaW4=", "bad_token"),
        ("Bearer \x80", "bad_token"),
    ],
)
async def test_without_sign_in_every_route_is_refused(
    site: Site, header: str | None, code: str
) -> None:
    """401 in the one shape, with the security headers and what it wants."""
    person = site.person()
    for route in CLOSED:
        answer = await person.ask(route[0], _path(route), Authorization=header)
        assert (answer.status, _refusal(route, answer, code)) == (401, code), route
        assert person.headers["WWW-Authenticate"] == "Bearer"
        assert person.headers["Cache-Control"] == "no-store"


async def test_a_session_that_never_was_is_refused(site: Site) -> None:
    """Whatever a cookie says."""
    for route in CLOSED:
        cookie = "kemiscope_session=" + "x" * 43
        answer = await site.person().ask(route[0], _path(route), Cookie=cookie)
        assert (answer.status, _refusal(route, answer, "session_over")) == (401, "session_over")


@pytest.mark.parametrize("role", Role)
async def test_every_route_with_each_role(site: Site, role: Role) -> None:
    """What the table gives is let through, whatever its handler says then; all else is 403."""
    person = await site.signed_in(role)
    for route in CLOSED:
        if route == ("POST", "/api/v1/sign-out"):
            continue  # it ends the session; test_sessions has it
        answer = await person.ask(route[0], _path(route))
        need = NEEDS[route]
        if isinstance(need, Need) or need in SCOPES[role]:
            assert answer.status not in REFUSED, (route, answer)
        else:
            assert (answer.status, _refusal(route, answer, "not_allowed")) == (403, "not_allowed")


@pytest.mark.parametrize("scope", Scope)
async def test_every_route_with_a_token_of_one_scope(site: Site, scope: Scope) -> None:
    """An administrator's token may only do what it was made for."""
    token = await site.token("admin", scope)
    for route in CLOSED:
        answer = await site.person().ask(route[0], _path(route), Authorization=f"Bearer {token}")
        need = NEEDS[route]
        allowed = {Need.SIGNED_IN: True, Need.IN_PERSON: scope is Scope.ADMIN}
        if allowed[need] if isinstance(need, Need) else need is scope:
            assert answer.status not in REFUSED, (route, answer)
        else:
            assert answer.status == 403, (route, answer)
            codes = ("not_allowed", "session_required")
            assert _refusal(route, answer, *codes) in codes, route


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_token SET created_at = '2020-01-01', expires_at = '2020-01-02'",
        "DELETE FROM api_token",
        "UPDATE web_user SET enabled = false",
        "DELETE FROM web_user",
        "UPDATE api_token SET token_sha256 = sha256('another')",
    ],
)
async def test_every_route_with_a_token_that_is_over(
    site: Site, connection: AsyncConnection[TupleRow], change: str
) -> None:
    """Expired, revoked, of a user who is disabled or gone, or of another site."""
    token = await site.token("admin", *Scope)
    await connection.execute(change.encode())
    for route in CLOSED:
        answer = await site.person().ask(route[0], _path(route), Authorization=f"Bearer {token}")
        assert (answer.status, _refusal(route, answer, "bad_token")) == (401, "bad_token"), route


async def test_a_token_loses_what_its_user_loses(
    site: Site, connection: AsyncConnection[TupleRow]
) -> None:
    """At the next request."""
    token = await site.token("support", Scope.READ, Scope.TRACE)

    async def trace() -> int:
        headers = {"Host": HOST, "Authorization": f"Bearer {token}"}
        return (await site.client.post("/api/v1/trace-rules", headers=headers)).status

    assert await trace() == 415
    await connection.execute("UPDATE web_user SET role = 'user' WHERE username = 'support'")
    assert await trace() == 403


async def test_unknown_paths_and_methods_need_no_sign_in(site: Site) -> None:
    """What is not there is no secret: the routes are in the documentation."""
    assert (await site.person().ask("GET", "/nothing")).status == 404
    assert (await site.person().ask("PUT", "/api/v1/users")).status == 405


async def test_head_is_as_get(site: Site) -> None:
    """It has the same headers, and tells as much by them."""
    answer = await site.client.head("/api/v1/status", headers={"Host": HOST})
    assert answer.status == 401
