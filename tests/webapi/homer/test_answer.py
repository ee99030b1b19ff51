# SPDX-License-Identifier: GPL-2.0-or-later
"""HOMER's form of failures, whoever refuses: a handler, a middleware, the router, or nobody."""

from __future__ import annotations

import pytest

from tests.fix_access import HOST
from tests.webapi.homer.conftest import Homer, OpenHomer, Ui
from webapi.access.roles import NEEDS, Need
from webapi.homer.answer import PREFIX

MISSING = {"message": "missing or malformed jwt"}
EXPIRED = {"message": "invalid or expired jwt"}


async def test_without_a_token(homer: Homer) -> None:
    """401, on which the user interface goes to its sign-in page."""
    ui = homer.ui()
    assert await ui.get("users/profile") == (401, MISSING)
    assert ui.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi"])
async def test_with_a_token_that_is_none(homer: Homer, header: str) -> None:
    """401 in the words for which the user interface shows nothing."""
    assert await homer.ui().get("users/profile", Authorization=header) == (401, EXPIRED)


async def test_a_route_for_administrators(user: Ui) -> None:
    """403 in HOMER's words."""
    refused = {"message": "This API requires admin access."}
    assert await user.get("token/auth") == (403, refused)


async def test_there_is_no_such_route(user: Ui) -> None:
    """404 and 405, whether one has signed in or not."""
    assert await user.get("nothing") == (404, {"message": "Not Found"})
    assert await user.put("auth", {}) == (405, {"message": "Method Not Allowed"})
    assert user.headers["Allow"] == "POST"


async def test_another_name_of_the_host(user: Ui) -> None:
    """Refused before everything else, in the generic form."""
    answer = await user.get("users/profile", Host="elsewhere.example.com")
    assert (answer.status, answer.json["data"]) == (403, {})


async def test_a_page_elsewhere(user: Ui) -> None:
    """Changes nothing; no header lets it read."""
    answer = await user.post("dashboard/store/x", {}, Origin="https://elsewhere.example.com")
    assert (answer.status, answer.json["data"]) == (403, {})
    await user.get("users/profile", Origin="https://elsewhere.example.com")
    assert "Access-Control-Allow-Origin" not in user.headers


async def test_a_fault_of_ours(user: Ui, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 without what went wrong: that is in the log."""

    def broken(*_: object) -> None:
        message = "a secret"
        raise RuntimeError(message)

    monkeypatch.setattr("webapi.homer.answer.listed", broken)
    answer = await user.get("users/groups")
    message = "a fault in the service; its log has more"
    assert answer == (500, {"data": {}, "message": message})


async def test_without_a_database(open_homer: OpenHomer) -> None:
    """503; nobody can be known."""
    homer = await open_homer(DATABASE_READER_DSN="host=127.0.0.1 port=1 user=x dbname=x")
    answer = await homer.ui().sign_in("admin")
    assert (answer.status, answer.json["data"]) == (503, {})


async def test_without_homers_api(open_homer: OpenHomer) -> None:
    """``web.homer`` off: nothing is there, and a failure has our own form."""
    homer = await open_homer(WEB_HOMER="false")
    answer = await homer.ui().get("auth/type/list")
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
    app = homer.client.app
    assert app is not None
    paths = {route.resource.canonical for route in app.router.routes() if route.resource}
    assert not [path for path in paths if path.startswith(PREFIX)]


async def test_failures_elsewhere_have_our_form(homer: Homer) -> None:
    """Below /api/v1 nothing has changed."""
    answer = await homer.client.get("/api/v1/calls", headers={"Host": HOST})
    assert (await answer.json())["error"]["code"] == "sign_in_required"


async def test_what_homers_service_does_not_have_is_harmless(user: Ui) -> None:
    """Calls of the user interface that nobody answers in HOMER."""
    for path in ("version/api/info", "version/ui/info"):
        answer = await user.get(path)
        assert (answer.status, set(answer.json["data"])) == (200, {"version"})
    assert await user.get("script") == (200, {"count": 0, "data": []})
    assert (await user.post("clickhouse/query/raw", {})).status == 404


def test_the_least_that_the_user_interface_needs_is_there() -> None:
    """Without these its pages do not open."""
    needed = {
        *("POST auth", "GET auth/type/list", "GET users/profile", "GET user/settings"),
        *("GET user/settings/{category}", "GET advanced", "GET mapping/protocol", "GET alias"),
        *("GET dashboard/info", "GET dashboard/store/{id}", "POST dashboard/store/{id}"),
        *("PUT dashboard/store/{id}", "DELETE dashboard/store/{id}", "GET database/node/list"),
        *("POST search/call/data", "POST search/call/message", "POST call/transaction"),
        *("POST search/call/decode/message", "POST call/report/log", "POST call/report/qos"),
        *("GET hepsub/protocol", "GET agent/subscribe", "POST export/call/messages/pcap"),
        *("POST export/call/messages/text", "GET smart/search/tag/{hepid}/{profile}"),
        *("GET modules/status", "GET proxy/grafana/status"),
    }
    assert {tuple(one.replace(" ", f" {PREFIX}").split()) for one in needed} <= set(NEEDS)


def test_what_writes_needs_more_than_reading() -> None:
    """Of all that is changed below /api/v3; what HOMER asks with POST is a question."""
    questions = (
        *("auth", "oauth2/", "search/", "call/", "prometheus/", "statistic/"),
        *("hepsub/search", "agent/search"),
    )
    for (method, path), need in NEEDS.items():
        is_question = path.removeprefix(PREFIX).startswith(questions)
        if path.startswith(PREFIX) and method != "GET" and not is_question:
            assert need not in ("read", Need.NOTHING, Need.SIGNED_IN), (method, path)
