# SPDX-License-Identifier: GPL-2.0-or-later
"""One walk through HOMER's user interface, request by request as it makes them.

Sign in, dashboard, search, call window, quality, logs, export, settings. What a step needs it takes
from the answers before it, as the user interface does.
"""

from __future__ import annotations

import io
from typing import Any, Final

import dpkt
import jwt

from tests.fix_access import HOST, PASSWORD
from tests.fix_database import Database
from tests.webapi.homer.conftest import Homer, Ui
from tests.webapi.homer.search.conftest import CALL, LOG_LINE, RANGE, A, B, captured

__all__ = ["captured"]
_MARGIN_MS: Final = 300_000
_ZONE: Final = {"value": -180, "name": "Local"}


async def test_the_walk(homer: Homer, captured: Database) -> None:
    """From the sign-in page to the sign-out, with one call looked at from all sides."""
    assert captured == homer.database
    ui = await _sign_in(homer)
    settings = await _begin(ui)
    form = await _open_dashboard(ui)
    rows = await _search(ui, form)
    call = await _open_call(ui, rows)
    await _open_message(ui, call["messages"][0])
    await _look_at_quality(ui, rows)
    await _look_at_logs(ui, rows, settings)
    await _export(ui, rows, call)
    await _change_settings(ui)
    await _sign_out(homer, ui)


async def _sign_in(homer: Homer) -> Ui:
    """The page offers what is enabled, and reads the token that it gets."""
    ui = homer.ui()
    types = (await ui.get("auth/type/list")).json["data"]
    assert [name for name, type_ in types.items() if type_["enable"]] == ["internal"]
    assert (await ui.sign_in("admin", "not the password")).status == 401
    answer = await ui.sign_in("admin", PASSWORD)
    assert answer.status == 201
    assert answer.json["user"]["admin"] is True
    claims = jwt.decode(ui.token, options={"verify_signature": False})
    assert claims["exp"] > 0
    return ui


async def _begin(ui: Ui) -> dict[tuple[str, str], Any]:
    """What every page asks for first; the advanced settings by category and param."""
    profile = (await ui.get("users/profile")).json["data"]
    assert (profile["username"], profile["admin"]) == ("admin", True)
    for path in ("user/settings", "user/settings/system"):
        assert (await ui.get(path)).json == {"count": 0, "data": []}
    assert (await ui.get("alias")).json == {"data": []}
    assert (await ui.get("proxy/grafana/status")).json["data"]["enable"] is False
    (node,) = (await ui.get("database/node/list")).json["data"]
    assert set(node) == {"value", "name"}
    advanced = await ui.get("advanced")
    return {(row["category"], row["param"]): row["data"] for row in advanced.json["data"]}


async def _open_dashboard(ui: Ui) -> dict[str, Any]:
    """The home dashboard of the menu; returns its search form."""
    menu = (await ui.get("dashboard/info")).json
    assert (menu["auth"], menu["status"]) == ("ok", "ok")
    home = next(entry for entry in menu["data"] if entry["type"] == 3)
    board = (await ui.get(f"dashboard/store/{home['href']}")).json["data"]
    (form,) = (widget for widget in board["widgets"] if widget["name"] == "protosearch")
    found: dict[str, Any] = form["config"]
    return found


async def _search(ui: Ui, form: dict[str, Any]) -> list[dict[str, Any]]:
    """Fields of the form that its mapping knows; returns the rows of the result grid."""
    mappings = (await ui.get("mapping/protocol")).json["data"]
    asked = form["config"]
    hepid, profile = asked["protocol_id"]["value"], asked["protocol_profile"]["value"]
    mapping = next(row for row in mappings if (row["hepid"], row["profile"]) == (hepid, profile))
    known = {field["id"]: field for field in mapping["fields_mapping"]}
    offered = {field["field_name"] for field in form["fields"]}
    assert "data_header.from_user" in offered & set(known)
    tags = await ui.get(f'smart/search/tag/{hepid}/{profile}?query={{"data":"from_u"}}')
    assert {"name": "sip.from_user", "value": "data_header.from_user"} in tags.json["data"]["data"]
    elements = [
        *(_element("data_header.method", "INVITE;BYE", hepid), _element("limit", "200", hepid)),
    ]
    answer = await ui.post(
        "search/call/data",
        {
            "config": {**asked, "title": form["title"]},
            "param": {
                **_param(),
                "search": {f"{hepid}_{profile}": elements},
                "transaction": {},
            },
            "timestamp": RANGE,
        },
    )
    assert answer.status == 201
    rows: list[dict[str, Any]] = answer.json["data"]
    assert {row["method"] for row in rows} == {"INVITE", "BYE"}
    # What the grid shows of a field is the last part of its id.
    columns = {one.rpartition(".")[2] for one in known if not known[one]["skip"]}
    assert {"sid", "method", "from_user", "to_user", "srcIp", "dstIp"} <= columns
    assert {"sid", "method", "from_user", "to_user", "srcIp", "dstIp"} <= set(rows[0])
    return rows


def _element(name: str, value: str, hepid: int) -> dict[str, Any]:
    return {"name": name, "value": value, "type": "string", "hepid": hepid, "func": None}


def _param() -> dict[str, Any]:
    location = {"node": ["localnode"]}
    return {"limit": 200, "orlogic": False, "location": location, "timezone": _ZONE}


def _call_of(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The request that a double click on the first row makes."""
    row = rows[0]
    moment = row["create_date"]
    return {
        "param": {
            **_param(),
            "transaction": {"call": True, "registration": False, "rest": False},
            "search": {"1_call": {"id": row["id"], "callid": [row["sid"]]}},
            **more,
        },
        "timestamp": {"from": moment - _MARGIN_MS, "to": moment + _MARGIN_MS},
    }


async def _open_call(ui: Ui, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Both legs, and all that the ladder is drawn of."""
    answer = await ui.post("call/transaction", _call_of(rows))
    assert answer.status == 201
    call: dict[str, Any] = answer.json["data"]
    assert {message["callid"] for message in call["messages"] if "callid" in message} >= {A, B}
    positions = sorted(host["position"] for host in call["hosts"].values())
    assert positions == [*range(len(positions))]
    items = {(item["create_date"], item["id"]): item for item in call["calldata"]}
    for message in call["messages"]:
        item = items[message["create_date"], message["id"]]
        assert call["hosts"][item["dstId"]]["position"] == item["destination"]
        assert item["srcId"] in call["hosts"]
        assert item["srcId"] in call["alias"]
    questions = (await ui.get("hepsub/protocol")).json["data"]
    assert "call" in {row["profile"] for row in questions}
    assert (await ui.get("agent/subscribe")).json["data"] == []
    return call


async def _open_message(ui: Ui, message: dict[str, Any]) -> None:
    """The packet itself, around its time; decoded if there is a decoder."""
    moment = message["create_date"]
    asked = {
        "param": {**_param(), "limit": 1, "search": {"1_call": {"id": message["id"]}}},
        "timestamp": {"from": moment - 1000, "to": moment + 1000},
    }
    answer = await ui.post("search/call/message", asked)
    assert answer.status == 201
    (found,) = answer.json["data"]
    assert found["raw"] == message["raw"]
    assert found["raw"].startswith("INVITE ")
    assert (await ui.post("search/call/decode/message", asked)).status == 201


async def _look_at_quality(ui: Ui, rows: list[dict[str, Any]]) -> None:
    """RTCP and other reports of the call."""
    answer = await ui.post("call/report/qos", _call_of(rows))
    assert answer.status == 201
    for kind in ("rtcp", "rtp"):
        assert answer.json[kind]["total"] == len(answer.json[kind]["data"]) > 0
        assert all(isinstance(row["raw"], str) for row in answer.json[kind]["data"])


async def _look_at_logs(
    ui: Ui, rows: list[dict[str, Any]], settings: dict[tuple[str, str], Any]
) -> None:
    """Log lines of the call; whether there is a Loki; which tab opens first."""
    answer = await ui.post("call/report/log", _call_of(rows))
    assert answer.status == 201
    (row,) = answer.json["data"]
    assert row["raw"].startswith(LOG_LINE[:10].decode())
    loki = (await ui.get("modules/status")).json["data"]["loki"]
    assert loki["enable"] is False
    assert "%callid%" in loki["template"]
    assert settings["search", "transaction"]["tabpositon"] == "flow"


async def _export(ui: Ui, rows: list[dict[str, Any]], call: dict[str, Any]) -> None:
    """The SIP messages as a capture file and as text; without what the exclusion names."""
    asked = _call_of(rows)
    answer = await ui.post("export/call/messages/pcap", asked)
    assert answer.status == 200
    frames = list(dpkt.pcap.Reader(io.BytesIO(answer.json)))
    assert len(frames) == len(CALL.messages)
    answer = await ui.post("export/call/messages/text", asked)
    assert answer.status == 200
    assert answer.json.count(b"INVITE sip:") >= 1
    host = call["calldata"][0]["srcHost"]
    fewer = await ui.post("export/call/messages/pcap", _call_of(rows, whitelist=[host]))
    assert len(list(dpkt.pcap.Reader(io.BytesIO(fewer.json)))) < len(frames)


async def _change_settings(ui: Ui) -> None:
    """The pages behind the cogwheel: each lists, and saves what it was given."""
    zone = {"name": "Europe/Berlin"}
    setting = {"username": "admin", "partid": 10, "category": "system", "param": "timezone"}
    assert (await ui.post("user/settings", {**setting, "data": zone})).status == 201
    (row,) = (await ui.get("user/settings/system")).json["data"]
    assert row["data"] == zone
    alias = {"alias": "pbx", "ip": "192.0.2.101", "port": 0, "mask": 32, "captureID": "CAP101"}
    assert (await ui.post("alias", {**alias, "status": True})).status == 201
    (alias_row,) = (await ui.get("alias")).json["data"]
    assert alias_row["alias"] == "pbx"
    board = (await ui.get("dashboard/store/home")).json["data"]
    board["name"] = "Mine"
    assert (await ui.post("dashboard/store/home", board)).json["status"] == "ok"
    assert "Mine" in {entry["name"] for entry in (await ui.get("dashboard/info")).json["data"]}
    users = (await ui.get("users")).json
    assert users["count"] == len(users["data"])
    assert "admin" in (await ui.get("users/groups")).json["data"]
    for path in ("token/auth", "hepsub/protocol", "mapping/protocol"):
        assert (await ui.get(path)).status == 200
    assert (await ui.get("dashboard/reset")).status == 200


async def _sign_out(homer: Homer, ui: Ui) -> None:
    """It forgets the token, which can be ended as well; then every answer sends it to sign-in."""
    headers = {"Host": HOST, "Authorization": f"Bearer {ui.token}"}
    assert (await homer.client.post("/api/v1/sign-out", headers=headers)).status == 200
    answer = await ui.get("dashboard/info")
    assert answer == (401, {"message": "invalid or expired jwt"})
