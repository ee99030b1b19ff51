# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/agent``: agents that have subscribed, and what they say about a call (HEPSUB).

An agent names its own address. It is asked only if that is one of ``backends.agents``: a token is
not enough to let this service send requests to wherever somebody likes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from psycopg import sql

from collector.settings.section import DAY
from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer, body
from webapi.homer.backends import BACKENDS, document
from webapi.homer.hepsub import QUESTIONS
from webapi.homer.span import span_of

MOST: Final = 200
"""Agents; one more is refused."""
REQUIRED: Final = ("uuid", "gid", "host")
_DOWNLOAD: Final = "download"
_DEFAULT_TTL_S: Final = 3600
_DEFAULTS: Final = {
    "host": "",
    "protocol": "http",
    "path": "/api/search",
    "node": "",
    "type": "",
}
_MAX_PORT: Final = 65_535
_HOST: Final = re.compile(r"[A-Za-z0-9.:-]{1,250}\Z")
_PATH: Final = re.compile(r"(/[A-Za-z0-9_-]+)*\Z")
_PROTOCOLS: Final = frozenset({"http", "https"})

LIST: Final = sql.SQL(
    "SELECT guid, created_at, expires_at, document, expires_at > now() AS active"
    " FROM homer_agent ORDER BY created_at, guid"
)
_FORGET: Final = sql.SQL("DELETE FROM homer_agent WHERE expires_at < now()")
_PUT: Final = sql.SQL(
    "INSERT INTO homer_agent (guid, expires_at, document)"
    " SELECT %(guid)s, %(expires_at)s, %(document)s"
    " WHERE (SELECT count(*) FROM homer_agent WHERE guid <> %(guid)s) < %(most)s"
    " ON CONFLICT (guid) DO UPDATE SET expires_at = excluded.expires_at,"
    " document = excluded.document RETURNING guid"
)
_REMOVE: Final = sql.SQL("DELETE FROM homer_agent WHERE guid = %s")


async def subscribe(request: web.Request) -> web.Response:
    """An agent says where it is and for how many seconds (``ttl``)."""
    given = await body.read(request, REQUIRED)
    guid, expires_at = await _put(request, given, _uuid(given), Action.SETTING_ADDED)
    shown = {
        "uuid": str(guid),
        "expire_date": expires_at.isoformat(),
        "expire_ts": int(expires_at.timestamp()),
    }
    return answer.done("successfully created agent record", shown)


async def list_agents(request: web.Request) -> web.Response:
    """All, those whose time is up too."""
    message = "successfully retrieved agent records"
    return answer.done(message, await _all(request), 200)


async def show_agent(request: web.Request) -> web.Response:
    """One of them."""
    return answer.done("agent record", [await _one(request)], 200)


async def list_type(request: web.Request) -> web.Response:
    """Those whose time is not up and whose type has this word in it."""
    word = request.match_info["type"]
    found = [row for row in await _all(request) if row["active"] and word in row["type"]]
    if not found:
        raise body.unknown()
    return answer.done("agent record", found, 200)


async def change_agent(request: web.Request) -> web.Response:
    """All of one."""
    row = await _one(request)
    given = {**row, **await body.read(request)}
    guid, _ = await _put(request, given, UUID(row["uuid"]), Action.SETTING_CHANGED)
    return answer.done("successfully updated agent record", str(guid), 200)


async def remove_agent(request: web.Request) -> web.Response:
    """One of them."""
    guid = body.guid(request)
    async with request.app[CONTEXT].change() as connection:
        if not (await connection.execute(_REMOVE, (guid,))).rowcount:
            raise body.unknown()
        subject = f"agent {guid}"
        await audit.write(connection, author_of(request), Action.SETTING_REMOVED, subject)
    return answer.done("successfully deleted agent record", str(guid), 200)


async def ask_agent(request: web.Request) -> web.Response:
    """What an agent says about a call: JSON, or a file to download."""
    row, given = await _one(request), await body.read(request)
    kind = fields.text(request.match_info, "type", body.MAX_TEXT)
    if not _PATH.match(f"/{kind}"):
        raise body.unknown()
    host = f"[{row['host']}]" if ":" in row["host"] else row["host"]
    place = f"{row['protocol']}://{host}:{row['port']}"
    question = await _question(request, given)
    found = await request.app[BACKENDS].ask_agent(place, f"{row['path']}/{kind}", question)
    if kind == _DOWNLOAD:
        disposition = f"attachment; filename=export-{row['uuid']}.pcap"
        headers = {"Content-Disposition": disposition}
        return web.Response(body=found, content_type="application/octet-stream", headers=headers)
    data = document("the agent", found)
    shown = {"message": "request answer", "node": row["node"], "uuid": row["uuid"], "data": data}
    return answer.json(shown)


async def _question(request: web.Request, given: Mapping[str, Any]) -> bytes:
    """What the mapping of the profile makes of the request."""
    param = given.get("param")
    search = param.get("search") if isinstance(param, dict) else None
    if not isinstance(search, dict) or len(search) != 1:
        raise fields.wrong("search", "must have one profile")
    ((key, asked),) = search.items()
    span, rows = span_of(given), await QUESTIONS.all(request.app[CONTEXT])
    mapping = next(
        (row["mapping"] for row in rows if f"{row['hepid']}_{row['profile']}" == key), None
    )
    if mapping is None or not isinstance(asked, dict):
        raise body.unknown()
    sources = mapping.get("source_fields") or {"source_field": mapping.get("source_field", "")}
    try:
        before, after = mapping.get("lookup_range") or (0, 0)
        text = str(mapping.get("lookup_field", ""))
        values = {name: asked.get(name, asked.get("callid", [])) for name in sources}
        for placeholder, value in (
            ("$source_field", orjson.dumps(values).decode()),
            ("$fromts", str(int(span.begin_ms + before * 1000))),
            ("$tots", str(int(span.end_ms + after * 1000))),
        ):
            text = text.replace(placeholder, value)
        return orjson.dumps(orjson.loads(text))
    except (TypeError, ValueError):
        message = f"the hepsub mapping {key} makes no JSON of this"
        raise ApiError(400, "bad_mapping", message) from None


async def _all(request: web.Request) -> list[dict[str, Any]]:
    context = request.app[CONTEXT]
    async with context.connection() as connection:
        found = await context.query(connection, LIST)
    return [
        {
            **row["document"],
            "uuid": str(row["guid"]),
            "create_date": row["created_at"],
            "expire_date": row["expires_at"],
            "active": int(row["active"]),
        }
        for row in found
    ]


async def _one(request: web.Request) -> dict[str, Any]:
    guid = str(body.guid(request))
    for row in await _all(request):
        if row["uuid"] == guid:
            return row
    raise body.unknown()


async def _put(
    request: web.Request, given: Mapping[str, Any], guid: UUID, action: Action
) -> tuple[UUID, datetime]:
    document = _checked(given)
    expires_at = datetime.now(UTC) + timedelta(seconds=document["ttl"])
    values = {
        "guid": guid,
        "expires_at": expires_at,
        "document": body.jsonb("agent", document),
        "most": MOST,
    }
    async with request.app[CONTEXT].change() as connection:
        await connection.execute(_FORGET)
        if not (await connection.execute(_PUT, values)).rowcount:
            raise ApiError(409, "too_many_agents", f"{MOST} agents have subscribed")
        detail = {"host": document["host"], "port": document["port"]}
        await audit.write(connection, author_of(request), action, f"agent {guid}", detail)
    return guid, expires_at


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: fields.text({name: given.get(name) or default}, name, 250)
        for name, default in _DEFAULTS.items()
    }
    if found["protocol"] not in _PROTOCOLS:
        raise fields.wrong("protocol", "must be http or https")
    if not _HOST.match(found["host"]):
        raise fields.wrong("host", "must be the name of a host, or an address")
    if not _PATH.match(found["path"]):
        raise fields.wrong("path", "must be words with slashes before them")
    return {
        **found,
        "gid": body.number(given, "gid", 0),
        "port": body.number(given, "port", 8080, _MAX_PORT),
        "ttl": body.number(given, "ttl", 0, 30 * DAY) or _DEFAULT_TTL_S,
    }


def _uuid(given: Mapping[str, Any]) -> UUID:
    try:
        return UUID(fields.text(given, "uuid", body.MAX_TEXT))
    except ValueError:
        raise fields.wrong("uuid", "must be a UUID") from None
