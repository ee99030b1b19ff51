# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/aliases``: names of addresses and networks."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import hdrs, web

from webapi import schema
from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.change import JSON, read_body
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError
from webapi.export.download import disposition
from webapi.listing import MAX_ID, PAGE_PARAMETERS, created, id_of, listed, page
from webapi.names import alias, transfer
from webapi.names.alias import Alias
from webapi.names.aliases import ALIASES
from webapi.names.asked import OPTIONAL, REQUIRED, parse_alias, parse_changes
from webapi.parameters import flag, single
from webapi.schema import Parameters

IMPORT_PARAMETERS: Final[Parameters] = {"replace": schema.FLAG}
CSV: Final = "text/csv"
MAX_IMPORT: Final = 16 << 20
"""Bytes."""
_READ: Final = {JSON: transfer.from_json, CSV: transfer.from_csv}


async def list_aliases(request: web.Request) -> web.Response:
    """All aliases, a page at a time."""
    after, limit = page(request, single(request.query, PAGE_PARAMETERS))
    found = await alias.some(request.app[CONTEXT], after, limit + 1)
    return listed("aliases", [one.shown() for one in found], limit)


async def show_alias(request: web.Request) -> web.Response:
    """One alias."""
    single(request.query, ())
    return json_response((await alias.one(request.app[CONTEXT], id_of(request))).shown())


async def add_alias(request: web.Request) -> web.Response:
    """Add an alias."""
    single(request.query, ())
    wanted = parse_alias(await fields.read(request, REQUIRED, OPTIONAL))
    context = request.app[CONTEXT]
    async with context.change() as connection:
        made = await alias.add(connection, wanted, context.settings.web.max_aliases)
        await audit.write(*(connection, author_of(request), Action.ALIAS_ADDED), *_told(made))
    request.app[ALIASES].changed()
    return created(made.shown())


async def change_alias(request: web.Request) -> web.Response:
    """Change the fields of an alias that are given."""
    single(request.query, ())
    changes = parse_changes(await fields.read(request, (), (*REQUIRED, *OPTIONAL)))
    async with request.app[CONTEXT].change() as connection:
        made = await alias.change(connection, id_of(request), changes)
        await audit.write(*(connection, author_of(request), Action.ALIAS_CHANGED), *_told(made))
    request.app[ALIASES].changed()
    return json_response(made.shown())


async def remove_alias(request: web.Request) -> web.Response:
    """Remove an alias."""
    single(request.query, ())
    async with request.app[CONTEXT].change() as connection:
        gone = await alias.remove(connection, id_of(request))
        await audit.write(*(connection, author_of(request), Action.ALIAS_REMOVED), *_told(gone))
    request.app[ALIASES].changed()
    return json_response(gone.shown())


async def import_aliases(request: web.Request) -> web.Response:
    """Add many aliases as homer-app has them: all or, if one is wrong, none."""
    parameters = single(request.query, IMPORT_PARAMETERS)
    replace = flag("replace", parameters.get("replace", "false"))
    read = _READ.get(request.content_type)
    if read is None:
        message = f"needs the header Content-Type: {JSON}, or {CSV}"
        raise ApiError(415, "not_json", message)
    context = request.app[CONTEXT]
    most = context.settings.web.max_aliases
    # A long file takes a second; other requests are answered meanwhile.
    wanted = await asyncio.to_thread(read, await read_body(request, MAX_IMPORT), most)
    async with context.change() as connection:
        await alias.put(connection, wanted, most, replace=replace)
        told = {"aliases": len(wanted), "replace": replace}
        await audit.write(connection, author_of(request), Action.ALIASES_IMPORTED, detail=told)
    request.app[ALIASES].changed()
    return json_response(told)


async def export_json(request: web.Request) -> web.Response:
    """All aliases as homer-app has them."""
    return _file(await _all(request), "json", JSON)


async def export_csv(request: web.Request) -> web.Response:
    """All aliases as CSV."""
    return _file(await _all(request), "csv", CSV)


async def _all(request: web.Request) -> list[Alias]:
    """``web.max_aliases`` bounds them."""
    single(request.query, ())
    return await alias.some(request.app[CONTEXT], 0, MAX_ID)


def _file(found: list[Alias], suffix: str, content_type: str) -> web.Response:
    body = transfer.to_csv(found) if content_type == CSV else transfer.to_json(found)
    response = web.Response(body=body, content_type=content_type)
    response.headers[hdrs.CONTENT_DISPOSITION] = disposition("aliases", suffix)
    return response


def _told(made: Alias) -> tuple[str, dict[str, object]]:
    """What the audit log has of it."""
    return made.name, transfer.to_fields(made)
