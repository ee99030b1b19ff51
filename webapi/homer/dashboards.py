# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/dashboard``: one's own dashboards, those that others share, and the stock ones.

The stock ones are there without being stored: who deletes their own version has them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of, principal_of
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer, body, stock, user_setting
from webapi.homer.user_setting import DASHBOARD
from webapi.homer.user_settings import owner, subject_of
from webapi.homer.users import PARTID

_OK: Final = {"auth": "ok", "status": "ok"}
_STORED: Final = {"total": 3, **_OK}
_STYLE: Final = "fa"
_TYPE_CUSTOM: Final = 1
_WEIGHT: Final = 10


async def list_dashboards(request: web.Request) -> web.Response:
    """What the menu shows: one's own, shared and stock ones, by name."""
    principal = principal_of(request)
    found = await user_setting.dashboards(request.app[CONTEXT], principal.user_id)
    shown = {
        name: _entry(name, data, principal.username) for name, data in stock.dashboards().items()
    }
    # One's own come first there and count most.
    for row in reversed(found):
        own = row["user_id"] == principal.user_id
        if own or row["param"] not in shown:
            shown[row["param"]] = _entry(row["param"], row["data"], row["username"])
    entries = sorted(shown.values(), key=lambda entry: (entry["name"], entry["id"]))
    return answer.json({**_OK, "total": len(entries), "data": entries})


async def show_dashboard(request: web.Request) -> web.Response:
    """One's own, a stock one, or one that somebody shares, in this order."""
    principal, name = principal_of(request), _id(request)
    found = await user_setting.dashboards(request.app[CONTEXT], principal.user_id, name)
    built_in = stock.dashboards().get(name)
    if built_in and not (found and found[0]["user_id"] == principal.user_id):
        return _one(principal.username, built_in)
    if not found:
        raise ApiError(404, "not_found", "dashboard for the user doesn't exist")
    return _one(found[0]["username"], found[0]["data"])


async def put_dashboard(request: web.Request) -> web.Response:
    """Store one's own; refused under the id of one that somebody else shares."""
    data, name, user_id = await body.read(request), _id(request), owner(request)
    shared = await user_setting.dashboards(request.app[CONTEXT], user_id, name)
    others = [row for row in shared if row["user_id"] != user_id]
    if others and len(others) == len(shared) and name not in stock.dashboards():
        raise ApiError(409, "dashboard_exists", "there is a shared dashboard with this id")
    return await _put(request, name, data, make=True)


async def change_dashboard(request: web.Request) -> web.Response:
    """Replace one's own."""
    return await _put(request, _id(request), await body.read(request), make=False)


async def remove_dashboard(request: web.Request) -> web.Response:
    """One's own; a stock one is there again then."""
    name, user_id = _id(request), owner(request)
    async with request.app[CONTEXT].change() as connection:
        removed = await user_setting.remove_dashboards(connection, user_id, name)
        if not removed and name not in stock.dashboards():
            raise ApiError(404, "not_found", "dashboard for the user doesn't exist")
        subject = _subject(user_id, name)
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return answer.json(_STORED)


async def reset_dashboards(request: web.Request) -> web.Response:
    """Delete all of one's own; what there is then."""
    body.check_no_link(request)
    user_id = owner(request)
    async with request.app[CONTEXT].change() as connection:
        await user_setting.remove_dashboards(connection, user_id)
        subject = _subject(user_id, "*")
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return await list_dashboards(request)


async def _put(request: web.Request, name: str, data: Any, *, make: bool) -> web.Response:
    user_id = owner(request)
    values = {
        "user_id": user_id,
        "partid": PARTID,
        "category": DASHBOARD,
        "param": name,
        "data": body.jsonb("widgets", data),
    }
    async with request.app[CONTEXT].change() as connection:
        if not await user_setting.put_dashboard(connection, values, make=make):
            raise ApiError(404, "not_found", "not my dashboard")
        subject = subject_of(values)
        await audit.write(connection, author_of(request), Action.SETTING_CHANGED, subject)
    return answer.json(_STORED)


def _id(request: web.Request) -> str:
    return fields.text(request.match_info, "id", body.MAX_TEXT, empty=False)


def _subject(user_id: int, name: str) -> str:
    return subject_of({"user_id": user_id, "category": DASHBOARD, "param": name})


def _one(username: str, data: Any) -> web.Response:
    return answer.json({**_OK, "total": 1, "owner": username, "data": data})


def _entry(name: str, stored: Any, username: str) -> dict[str, Any]:
    """A line of the menu, whatever somebody has stored."""
    data: Mapping[str, Any] = stored if isinstance(stored, dict) else {}
    weight, type_ = data.get("weight"), data.get("type")
    return {
        "cssclass": _STYLE,
        "href": name,
        "id": name,
        "owner": username,
        "name": str(data.get("name") or name),
        "param": str(data.get("param") or name),
        "shared": data.get("shared") in (True, 1),
        "type": type_ if isinstance(type_, int) else _TYPE_CUSTOM,
        "weight": weight if isinstance(weight, int | float) else _WEIGHT,
    }
