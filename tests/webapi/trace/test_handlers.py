# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/trace-rules``: who may, what may be asked for, and what the answers say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.api_token import local_name, local_token
from tests.fake_control import TOKEN, FakeControl
from tests.fix_api import Answer, load_settings
from tests.fix_database import Database
from webapi.app import create_app
from webapi.change import MAX_BODY
from webapi.trace.asked import FIELDS

pytestmark = pytest.mark.one_database

ASKED = {"kind": "from_user", "value": "4711", "requested_by": "anna", "reason": "ticket 815"}
Client = TestClient[Request, Application]


@pytest.fixture
async def client(database: Database, control: FakeControl) -> AsyncIterator[Client]:
    """The API with that proxy, and small limits."""
    app = create_app(
        load_settings(
            database,
            TRACE_PROXIES=f"edge={control.url}",
            TRACE_TOKEN=TOKEN,
            TRACE_POLL_INTERVAL="0.2",
            TRACE_MAX_RULES="3",
            TRACE_MAX_CALLS="150",
        )
    )
    async with TestClient(TestServer(app)) as opened:
        yield opened


class Ask(Protocol):
    """Makes one request."""

    async def __call__(
        self, method: str, path: str = "", body: Any = None, **headers: str | None
    ) -> Answer:
        """``headers`` replace those of a right request; None leaves one out."""


@pytest.fixture
def authorization(database: Database) -> Iterator[str]:
    """Of somebody who may trace."""
    with local_token(load_settings(database)) as headers:
        yield headers["Authorization"]


@pytest.fixture
def ask(client: Client, authorization: str) -> Ask:
    """A request with everything that it needs."""

    async def request(
        method: str, path: str = "", body: Any = None, **headers: str | None
    ) -> Answer:
        sent: dict[str, str | None] = {
            "Host": "127.0.0.1:9080",
            "Authorization": authorization,
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else None
        answer = await client.request(
            method,
            f"/api/v1/trace-rules{path}",
            data=data,
            headers={name: value for name, value in sent.items() if value is not None},
        )
        return Answer(answer.status, await answer.json())

    return request


def _error(answer: Answer) -> tuple[int, str, str | None]:
    error = answer.json["error"]
    return answer.status, error["code"], error["field"]


async def test_a_rule_from_beginning_to_end(ask: Ask, control: FakeControl) -> None:
    """Made, in force, listed, shown, ended; the history says by whom and why."""
    made = await ask("POST", "", ASKED)
    assert made.status == 201
    number = made.json["id"]
    assert made.json["in_force_on"] == ["edge"]
    assert control.tables["trace_rule"] == {
        "from_user:4711": f"{number};include;65536;100;INVITE",
        "kinds": 1,
    }
    listed = await ask("GET", Authorization=None)
    (rule,) = listed.json["trace_rules"]
    assert {name: rule[name] for name in ASKED} == ASKED
    assert (rule["action"], rule["percent"], rule["calls"]) == ("include", 100.0, 100)
    assert (rule["methods"], rule["ended"], rule["traced"]) == (["INVITE"], None, {})
    assert listed.json["complete"] is True
    (state,) = listed.json["proxies"]
    assert (state["state"], state["in_force"], state["drift"]) == ("ready", [number], 0)
    assert listed.json["database"]["reachable"] is True
    removed = await ask("DELETE", f"/{number}?requested_by=ben")
    assert (removed.status, removed.json["ended"]) == (200, "removed")
    assert removed.json["ended_by"] == "ben"
    assert control.tables["trace_rule"] == {}
    assert (await ask("GET")).json["trace_rules"] == []
    (old,) = (await ask("GET", "?state=ended")).json["trace_rules"]
    assert (old["id"], old["requested_by"], old["ended_by"]) == (number, "anna", "ben")
    shown = await ask("GET", f"/{number}")
    assert shown.json["reason"] == "ticket 815"


async def test_no_token_in_any_answer(ask: Ask, authorization: str) -> None:
    """Neither the proxies' nor that of who may change."""
    text = json.dumps([(await ask("POST", "", ASKED)).json, (await ask("GET")).json])
    assert TOKEN not in text
    assert authorization not in text


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "sign_in_required"),
        *((text, "bad_token") for text in ("", "Bearer", "Bearer ", "Bearer x", "Basic {}")),
        ("Bearer {}x", "bad_token"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "", ASKED), ("DELETE", "/1?requested_by=ben", None)]
)
async def test_without_a_token_nothing_is_changed(
    ask: Ask,
    control: FakeControl,
    authorization: str,
    *,
    method: str,
    path: str,
    body: Any,
    given: str | None,
    code: str,
) -> None:
    """401, though nobody has to sign in to read."""
    token = authorization.removeprefix("Bearer ")
    answer = await ask(method, path, body, Authorization=given and given.format(token))
    assert _error(answer) == (401, code, None)
    assert control.tables["trace_rule"] == {}


async def test_a_401_names_the_scheme(client: Client) -> None:
    """RFC 9110 §15.5.2."""
    headers = {"Host": "127.0.0.1:9080"}
    answer = await client.post("/api/v1/trace-rules", headers=headers)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9081", ""])
@pytest.mark.parametrize(
    ("method", "path", "body"), [("POST", "", ASKED), ("DELETE", "/1?requested_by=ben", None)]
)
async def test_pages_elsewhere_are_refused(
    ask: Ask, method: str, path: str, body: Any, origin: str
) -> None:
    """Even with the token."""
    answer = await ask(method, path, body, Origin=origin)
    assert _error(answer) == (403, "origin_not_allowed", None)


async def test_our_own_page_is_not(ask: Ask) -> None:
    """The browser sends Origin for it as well."""
    assert (await ask("POST", "", ASKED, Origin="http://127.0.0.1:9080")).status == 201


async def test_a_foreign_host_name_is_refused(ask: Ask) -> None:
    """As for every request."""
    answer = await ask("POST", "", ASKED, Host="evil.example")
    assert _error(answer) == (403, "host_not_allowed", None)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_only_json_is_taken(ask: Ask, content_type: str | None) -> None:
    """A form of a page elsewhere cannot send it."""
    answer = await ask("POST", "", json.dumps(ASKED).encode(), Content_Type=content_type)
    assert _error(answer) == (415, "not_json", None)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 10_000, b'{"a":1}x'])
async def test_a_body_that_is_no_object(ask: Ask, body: bytes) -> None:
    """400 for each."""
    assert _error(await ask("POST", "", body)) == (400, "bad_json", None)


async def test_a_body_that_is_too_large(ask: Ask) -> None:
    """413 long before it fills anything."""
    answer = await ask("POST", "", ASKED | {"reason": "x" * MAX_BODY})
    assert _error(answer) == (413, "too_large", None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "colour"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["all"]}, "kind"),
        ({"value": "47 11"}, "value"),
        ({"value": 4711}, "value"),
        ({"action": "perhaps"}, "action"),
        ({"percent": 0}, "percent"),
        ({"percent": "10"}, "percent"),
        ({"percent": True}, "percent"),
        ({"calls": 0}, "calls"),
        ({"calls": 151}, "calls"),
        ({"calls": 1.5}, "calls"),
        ({"action": "exclude", "calls": 5}, "calls"),
        ({"methods": "INVITE"}, "methods"),
        ({"methods": [1]}, "methods"),
        ({"methods": ["BYE"]}, "methods"),
        ({"duration": "soon"}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": "8d"}, "duration"),
        ({"duration": None}, "duration"),
        ({"requested_by": ""}, "requested_by"),
        ({"requested_by": "a\nb"}, "requested_by"),
        ({"requested_by": "x" * 65}, "requested_by"),
        ({"reason": "\x1b[2J"}, "reason"),
        ({"reason": None}, "reason"),
        ({"proxy": "edge1"}, "proxy"),
    ],
)
async def test_a_rule_that_cannot_be(
    ask: Ask, control: FakeControl, change: dict[str, Any], field: str
) -> None:
    """422 with the field and its rule."""
    answer = await ask("POST", "", ASKED | change)
    assert _error(answer) == (422, "bad_rule", field)
    assert answer.json["error"]["message"].startswith(f"{field}: ")
    assert control.tables["trace_rule"] == {}


@pytest.mark.parametrize("field", ["kind", "value", "reason"])
async def test_fields_that_must_be_there(ask: Ask, field: str) -> None:
    """Nobody traces without saying who and why."""
    asked = {name: value for name, value in ASKED.items() if name != field}
    answer = await ask("POST", "", asked)
    assert _error(answer) == (422, "bad_rule", field)
    assert answer.json["error"]["message"] == f"{field}: is missing"


async def test_all_fields(ask: Ask, control: FakeControl) -> None:
    """As they were asked for."""
    asked = ASKED | {
        "kind": "source",
        "value": "192.0.2.0/24",
        "action": "include",
        "percent": 12.5,
        "calls": 7,
        "methods": ["INVITE", "OPTIONS"],
        "duration": "10m",
    }
    assert asked.keys() == set(FIELDS)
    made = (await ask("POST", "", asked)).json
    assert {name: made[name] for name in asked if name != "duration"} == {
        name: value for name, value in asked.items() if name != "duration"
    }
    assert control.tables["trace_rule"]["network:1"] == (
        f"{made['id']};include;8192;7;INVITE,OPTIONS;192.0.2.0/24"
    )


async def test_a_kind_and_value_has_one_rule(ask: Ask) -> None:
    """Whatever the action: a proxy has one item for it. After its end there may be another."""
    first = (await ask("POST", "", ASKED)).json["id"]
    for other in (ASKED, ASKED | {"action": "exclude"}):
        answer = await ask("POST", "", other)
        assert _error(answer) == (409, "rule_exists", "value")
        assert f"rule {first} (include)" in answer.json["error"]["message"]
    await ask("DELETE", f"/{first}?requested_by=ben")
    assert (await ask("POST", "", ASKED)).status == 201


async def test_how_many_rules(ask: Ask) -> None:
    """409 that names the setting; one that has ended makes room."""
    made = [
        (await ask("POST", "", ASKED | {"value": str(n), "calls": 1})).json["id"] for n in range(3)
    ]
    answer = await ask("POST", "", ASKED)
    assert _error(answer) == (409, "too_many_rules", None)
    assert "trace.max_rules" in answer.json["error"]["message"]
    await ask("DELETE", f"/{made[0]}?requested_by=ben")
    assert (await ask("POST", "", ASKED)).status == 201


async def test_how_many_calls(ask: Ask) -> None:
    """Of all rules together; an exclude needs none."""
    assert (await ask("POST", "", ASKED)).status == 201
    answer = await ask("POST", "", ASKED | {"value": "4712", "calls": 51})
    assert _error(answer) == (409, "too_many_calls", "calls")
    assert "100 of 150" in answer.json["error"]["message"]
    assert (await ask("POST", "", ASKED | {"value": "4712", "calls": 50})).status == 201
    assert (await ask("POST", "", ASKED | {"value": "4713", "action": "exclude"})).status == 201


async def test_a_rule_that_is_not_there(ask: Ask) -> None:
    """404; a number that can be none is 400."""
    for method in ("GET", "DELETE"):
        query = "?requested_by=ben" if method == "DELETE" else ""
        assert _error(await ask(method, f"/5{query}")) == (404, "not_found", None)
        for number in ("0", "x", "-1", "2147483647", "99999999999"):
            assert _error(await ask(method, f"/{number}{query}")) == (400, "bad_parameter", "id")


async def test_a_rule_ends_once(ask: Ask) -> None:
    """The first who did it is the one in the history."""
    number = (await ask("POST", "", ASKED)).json["id"]
    await ask("DELETE", f"/{number}?requested_by=ben")
    answer = await ask("DELETE", f"/{number}?requested_by=carla")
    assert _error(answer) == (409, "rule_ended", None)
    assert answer.json["error"]["message"].endswith("Z: removed by ben")
    assert "has ended at " in answer.json["error"]["message"]


@pytest.mark.parametrize("query", ["?requested_by=", "?requested_by=%20"])
async def test_who_ends_a_rule_is_asked(ask: Ask, query: str) -> None:
    """As who makes one."""
    number = (await ask("POST", "", ASKED)).json["id"]
    answer = await ask("DELETE", f"/{number}{query}")
    assert _error(answer) == (422, "bad_rule", "requested_by")


async def test_time_is_up(ask: Ask, connection: AsyncConnection[TupleRow]) -> None:
    """A rule that nobody has marked is ended all the same, and makes room for another."""
    number = (await ask("POST", "", ASKED)).json["id"]
    await connection.execute(
        "UPDATE trace_rule SET created_at = now() - interval '2 h',"
        " expires_at = now() - interval '1 h'"
    )
    assert (await ask("GET")).json["trace_rules"] == []
    answer = await ask("DELETE", f"/{number}?requested_by=ben")
    assert _error(answer) == (409, "rule_ended", None)
    assert answer.json["error"]["message"].endswith("Z: expired")
    assert (await ask("POST", "", ASKED)).status == 201


async def test_pages_of_the_history(ask: Ask) -> None:
    """The newest first; ``before`` goes on."""
    made = [
        (await ask("POST", "", ASKED | {"value": str(n), "calls": 1})).json["id"] for n in range(3)
    ]
    await ask("DELETE", f"/{made[1]}?requested_by=ben")

    async def ids(query: str) -> list[int]:
        return [rule["id"] for rule in (await ask("GET", query)).json["trace_rules"]]

    assert await ids("?state=all") == made[::-1]
    assert await ids("?state=all&limit=2") == [made[2], made[1]]
    assert await ids(f"?state=all&before={made[1]}") == [made[0]]
    assert await ids("") == [made[2], made[0]]
    assert await ids("?state=ended") == [made[1]]


@pytest.mark.parametrize(
    ("query", "field"),
    [("?state=old", "state"), ("?limit=0", "limit"), ("?before=0", "before"), ("?x=1", "x")],
)
async def test_parameters_that_are_refused(ask: Ask, query: str, field: str) -> None:
    """As everywhere."""
    assert _error(await ask("GET", query)) == (400, "bad_parameter", field)


async def test_without_proxies_there_are_no_rules(database: Database, authorization: str) -> None:
    """409 that names the setting."""
    app = create_app(load_settings(database))
    async with TestClient(TestServer(app)) as client:
        headers = {"Host": "127.0.0.1:9080", "Authorization": authorization}
        answer = await client.post("/api/v1/trace-rules", headers=headers, json=ASKED)
        assert answer.status == 409
        assert (await answer.json())["error"]["code"] == "no_proxies"


@pytest.mark.own_database
async def test_without_the_right_to_write(ask: Ask, connection: AsyncConnection[TupleRow]) -> None:
    """An installation whose schema is older: says which command to run."""
    await connection.execute("REVOKE INSERT ON trace_rule FROM kemiscope_reader")
    answer = await ask("POST", "", ASKED)
    assert _error(answer) == (503, "database_not_writable", None)
    assert "init-db" in answer.json["error"]["message"]


@pytest.mark.own_database
async def test_without_the_table(ask: Ask, connection: AsyncConnection[TupleRow]) -> None:
    """This program is newer than the schema; it recovers by itself when that has changed."""
    await connection.execute("ALTER TABLE trace_rule RENAME TO other")
    answer = await ask("POST", "", ASKED)
    assert _error(answer) == (503, "database_schema", None)
    assert "init-db" in answer.json["error"]["message"]
    await asyncio.sleep(0.5)
    await connection.execute("ALTER TABLE other RENAME TO trace_rule")
    assert (await ask("POST", "", ASKED)).json["in_force_on"] == ["edge"]


async def test_the_metrics(client: Client, ask: Ask) -> None:
    """The state of every proxy for Prometheus."""
    await ask("POST", "", ASKED)
    answer = await client.get("/metrics", headers={"Host": "127.0.0.1:9080"})
    text = await answer.text()
    assert 'kemiscope_trace_proxy_ready{proxy="edge"} 1.0' in text
    assert 'kemiscope_trace_rules{proxy="edge"} 1.0' in text
    assert 'kemiscope_trace_calls{proxy="edge"} 0.0' in text
    assert 'kemiscope_trace_drift_total{proxy="edge"} 0.0' in text


async def test_who_asks_is_who_shows_the_token(
    ask: Ask, connection: AsyncConnection[TupleRow]
) -> None:
    """Unless it asks for somebody else; the audit log has both, for a rule and for its end."""
    anonymous = {name: value for name, value in ASKED.items() if name != "requested_by"}
    made = (await ask("POST", "", anonymous)).json
    assert made["requested_by"] == local_name()
    ended = (await ask("DELETE", f"/{made['id']}")).json
    assert ended["ended_by"] == local_name()
    await ask("POST", "", ASKED)
    rows = await connection.execute(
        "SELECT action, username, subject = %s, detail->>'requested_by' FROM audit_log ORDER BY id",
        (str(made["id"]),),
    )
    assert await rows.fetchall() == [
        ("trace_rule_added", local_name(), True, local_name()),
        ("trace_rule_removed", local_name(), True, local_name()),
        ("trace_rule_added", local_name(), False, "anna"),
    ]
