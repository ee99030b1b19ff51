# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/dashboard``: stock ones, one's own, and those that others share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fix_access import HOST, PASSWORD
from tests.webapi.homer.conftest import Homer, Ui
from webapi.homer import stock
from webapi.homer.field import PROFILES

OK = {"auth": "ok", "status": "ok"}
STORED = {"total": 3, **OK}
STOCK = ["home", "registration", "smartsearch"]


def _board(id_: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": id_.upper(), "param": id_, "type": 1, "weight": 10, **more}


async def _menu(ui: Ui) -> dict[str, dict[str, Any]]:
    answer = await ui.get("dashboard/info")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert answer.json["total"] == len(answer.json["data"])
    return {entry["id"]: entry for entry in answer.json["data"]}


async def test_the_menu_of_somebody_new(user: Ui) -> None:
    """By name, each as the menu reads it."""
    answer = await user.get("dashboard/info")
    assert [entry["id"] for entry in answer.json["data"]] == STOCK
    assert answer.json["data"][0] == {
        "cssclass": "fa",
        "href": "home",
        "id": "home",
        "owner": "user",
        "name": "Home",
        "param": "home",
        "shared": False,
        "type": 3,
        "weight": 10,
    }


@pytest.mark.parametrize("name", STOCK)
async def test_the_stock_dashboards(user: Ui, name: str) -> None:
    """A form of fields that a search knows, and its results."""
    answer = await user.get(f"dashboard/store/{name}")
    assert answer.status == 200
    assert {part: answer.json[part] for part in ("auth", "status", "total", "owner")} == {
        **OK,
        "total": 1,
        "owner": "user",
    }
    board = answer.json["data"]
    form, results = board["widgets"]
    assert results["strongIndex"] == "ResultWidgetComponent"
    assert form["strongIndex"] == "ProtosearchWidgetComponent"
    asked = form["config"]["config"]
    key = f"{asked['protocol_id']['value']}_{asked['protocol_profile']['value']}"
    for field in form["config"]["fields"]:
        known = PROFILES[key].find(field["field_name"]) is not None
        assert known or field["field_name"] in ("limit", "targetResultsContainer")
    right = max(widget["x"] + widget["cols"] for widget in board["widgets"])
    assert right <= board["config"]["columns"]


async def test_a_dashboard_from_first_to_last(user: Ui) -> None:
    """Stored, shown as it was sent, changed, deleted."""
    board = _board("mine", widgets=[{"id": "x", "config": {"title": "<b>"}}])
    assert await user.post("dashboard/store/mine", board) == (200, STORED)
    shown = await user.get("dashboard/store/mine")
    assert shown.json == {**OK, "total": 1, "owner": "user", "data": board}
    assert (await _menu(user))["mine"]["name"] == "MINE"
    assert await user.put("dashboard/store/mine", _board("mine", name="Other")) == (200, STORED)
    assert (await _menu(user))["mine"]["name"] == "Other"
    assert await user.delete("dashboard/store/mine") == (200, STORED)
    assert (await user.delete("dashboard/store/mine")).status == 400
    answer = await user.get("dashboard/store/mine")
    message = "dashboard for the user doesn't exist"
    assert answer == (400, {"data": {}, "message": message})
    answer = await user.put("dashboard/store/mine", board)
    assert answer == (400, {"data": {}, "message": "not my dashboard"})


async def test_ones_own_home(user: Ui, admin: Ui) -> None:
    """Over the stock one, for oneself only; deleting it brings the stock one back."""
    assert (await user.post("dashboard/store/home", _board("home"))).status == 200
    assert (await _menu(user))["home"]["name"] == "HOME"
    assert (await _menu(admin))["home"]["name"] == "Home"
    assert (await user.get("dashboard/store/home")).json["data"] == _board("home")
    assert (await user.delete("dashboard/store/home")).status == 200
    assert (await user.get("dashboard/store/home")).json["data"] == stock.dashboards()["home"]


async def test_only_what_is_shared_is_seen_by_others(user: Ui, admin: Ui) -> None:
    """And only its owner changes it, administrators too have their own."""
    await user.post("dashboard/store/secret", _board("secret"))
    await user.post("dashboard/store/open", _board("open", shared=True))
    menu = await _menu(admin)
    assert "secret" not in menu
    assert (menu["open"]["owner"], menu["open"]["shared"]) == ("user", True)
    assert (await admin.get("dashboard/store/secret")).status == 400
    assert (await admin.get("dashboard/store/open")).json["owner"] == "user"
    assert (await admin.post("dashboard/store/open", _board("open"))).status == 400
    assert (await admin.put("dashboard/store/open", _board("open"))).status == 400
    assert (await admin.delete("dashboard/store/open")).status == 400
    assert (await user.get("dashboard/store/open")).json["data"] == _board("open", shared=True)
    await user.get("dashboard/reset")


async def test_a_shared_home_is_nobody_elses(user: Ui, admin: Ui) -> None:
    """Nobody lays a page over another's."""
    await user.post("dashboard/store/home", _board("home", name="Mine", shared=True))
    assert (await _menu(admin))["home"]["owner"] == "admin"
    assert (await admin.get("dashboard/store/home")).json["owner"] == "admin"
    await user.get("dashboard/reset")


async def test_reset(user: Ui) -> None:
    """All of one's own are gone, and the answer is the menu."""
    await user.post("dashboard/store/mine", _board("mine"))
    answer = await user.get("dashboard/reset")
    assert answer.status == 200
    assert [entry["id"] for entry in answer.json["data"]] == STOCK


async def test_a_link_resets_nothing(homer: Homer) -> None:
    """HOMER's GETs that change something take a header, not a cookie that a browser sends along."""
    given = {"username": "admin", "password": PASSWORD}
    answer = await homer.client.post("/api/v1/sign-in", json=given, headers={"Host": HOST})
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    stranger = homer.ui()
    for path in ("dashboard/reset", "mapping/protocol/reset"):
        assert (await stranger.get(path, Cookie=cookie)).status == 403
    assert (await stranger.get("dashboard/info", Cookie=cookie)).status == 200


@pytest.mark.parametrize(
    "board", [{}, {"name": 5, "weight": "x", "type": None, "shared": "true"}, {"weight": [1]}]
)
async def test_a_menu_of_whatever_was_stored(user: Ui, board: dict[str, Any]) -> None:
    """Somebody's odd dashboard does not take the menu away."""
    assert (await user.post("dashboard/store/odd", board)).status == 200
    entry = (await _menu(user))["odd"]
    assert isinstance(entry["name"], str)
    assert isinstance(entry["weight"], int)
    await user.get("dashboard/reset")


async def test_a_dashboard_that_cannot_be(user: Ui) -> None:
    """No object, or with a NUL, which PostgreSQL cannot keep."""
    assert (await user.post("dashboard/store/x", [])).status == 400
    assert (await user.post("dashboard/store/x", {"name": "\0"})).status == 400
