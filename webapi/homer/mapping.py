# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/mapping/protocol``: which fields forms and results have, and how they look.

Made of the one table of fields; an administrator's changes are stored over it. A mapping decides
how packets are shown, not how they are found: fields that are in no profile stay unknown to a
search, and correlation is that of this service (``correlation_mapping`` is kept for its clients).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid4

from aiohttp import web

from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.context import CONTEXT
from webapi.homer import answer, body
from webapi.homer.field import INTEGER, PROFILES, TEXT, Field
from webapi.homer.mapping_table import Mappings, Row, built_in
from webapi.homer.users import PARTID

REQUIRED: Final = ("profile", "hepid", "partid", "version", "retention", "partition_step")
MAX_FIELDS: Final = 500
_NUMBERS: Final = {"partid": PARTID, "version": 1, "retention": 10, "partition_step": 10}
_OBJECTS: Final = ("create_index", "fields_settings", "schema_mapping", "schema_settings")
_LOKI: Final = (
    Field("micro_ts", "Timeseconds", INTEGER, hide=False, hints={"date_field": True}),
    Field("custom_1", "Message", TEXT, hide=False, hints={"autoheight": True}),
    Field("custom_2", "Labels", TEXT, hide=False),
)


def _row(hepid: int, profile: str, alias: str, listed: list[dict[str, Any]]) -> Row:
    document = {
        "hep_alias": alias,
        **_NUMBERS,
        **{name: {} for name in _OBJECTS},
        "create_table": "",
        "correlation_mapping": [],
        "fields_mapping": listed,
    }
    return built_in("protocol", hepid, profile, document)


MAPPINGS: Final = Mappings(
    "protocol",
    [
        *(_row(one.hepid, one.name, one.alias, one.fields_mapping()) for one in PROFILES.values()),
        _row(2000, "default", "LOKI", [one.mapping(at) for at, one in enumerate(_LOKI, 1)]),
    ],
)


async def list_mappings(request: web.Request) -> web.Response:
    """All."""
    return answer.listed(await MAPPINGS.all(request.app[CONTEXT]))


async def show_mapping(request: web.Request) -> web.Response:
    """One, by its guid."""
    return answer.listed([await MAPPINGS.one(request.app[CONTEXT], body.guid(request))])


async def show_profile(request: web.Request) -> web.Response:
    """One, by HEP type and profile."""
    return await answer_profile(request, MAPPINGS)


async def add_mapping(request: web.Request) -> web.Response:
    """A new one."""
    given = await body.read(request, REQUIRED)
    blank = _row(0, "", "", [])
    guid = await store(request, MAPPINGS, {**_changed(blank, given), "guid": str(uuid4())})
    return answer.done("successfully created mappings settings", guid)


async def change_mapping(request: web.Request) -> web.Response:
    """What is given of one."""
    row = await MAPPINGS.one(request.app[CONTEXT], body.guid(request))
    given = await body.read(request)
    guid = await store(request, MAPPINGS, _changed(row, given), Action.SETTING_CHANGED)
    return answer.done("successfully updated hepsub settings", guid, 200)


async def remove_mapping(request: web.Request) -> web.Response:
    """One; a built-in one is as it was again."""
    guid = await remove(request, MAPPINGS, body.guid(request))
    return answer.done("successfully deleted mapping settings", guid, 200)


async def reset_mappings(request: web.Request) -> web.Response:
    """Only the built-in ones are left, as they were."""
    body.check_no_link(request)
    async with request.app[CONTEXT].change() as connection:
        await MAPPINGS.clear(connection)
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, "mapping *")
    return web.Response()


async def reset_mapping(request: web.Request) -> web.Response:
    """A built-in one is as it was."""
    body.check_no_link(request)
    guid = body.guid(request)
    if not MAPPINGS.is_built_in(guid):
        raise body.unknown()
    await remove(request, MAPPINGS, guid)
    return web.Response()


async def answer_profile(request: web.Request, mappings: Mappings) -> web.Response:
    """The row for a HEP type and a profile. Raises ApiError 404."""
    asked = (request.match_info["id"], request.match_info["transaction"])
    rows = await mappings.all(request.app[CONTEXT])
    found = [row for row in rows if (str(row["hepid"]), row["profile"]) == asked]
    if not found:
        raise body.unknown()
    return answer.listed(found)


async def store(
    request: web.Request, mappings: Mappings, row: Row, action: Action = Action.SETTING_ADDED
) -> str:
    """Store it; returns its guid."""
    async with request.app[CONTEXT].change() as connection:
        await mappings.put(connection, row)
        subject = f"{mappings.kind} {row['hepid']}_{row['profile']}"
        await audit.write(connection, author_of(request), action, subject)
    return str(row["guid"])


async def remove(request: web.Request, mappings: Mappings, guid: UUID) -> str:
    """Remove it; returns its guid again."""
    async with request.app[CONTEXT].change() as connection:
        await mappings.remove(connection, guid)
        subject = f"{mappings.kind} {guid}"
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return str(guid)


def _changed(row: Row, given: Mapping[str, Any]) -> Row:
    """``row`` with what is given, checked; what is empty stays as it was, as in HOMER."""
    found = {name: value for name, value in given.items() if value not in (None, "", 0)}
    merged = {**row, **{name: found[name] for name in row if name in found and name != "guid"}}
    merged |= {
        "hepid": body.number(merged, "hepid", 0),
        "profile": body.word(merged, "profile"),
        "hep_alias": fields.text(merged, "hep_alias", body.MAX_TEXT),
        **{name: body.number(merged, name, default) for name, default in _NUMBERS.items()},
    }
    _check_fields(merged["fields_mapping"])
    for name in _OBJECTS:
        if not isinstance(merged[name], dict):
            raise fields.wrong(name, "must be an object")
    if not isinstance(merged["correlation_mapping"], list | dict):
        raise fields.wrong("correlation_mapping", "must be a list")
    if not isinstance(merged["create_table"], str):
        raise fields.wrong("create_table", "must be text")
    return merged


def _check_fields(listed: Any) -> None:
    """The user interface reads them as they are."""
    if not isinstance(listed, list) or len(listed) > MAX_FIELDS:
        raise fields.wrong("fields_mapping", f"must be a list of at most {MAX_FIELDS} fields")
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
            raise fields.wrong("fields_mapping", "each field must be an object with an id")
