# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/alias``: names of addresses as HOMER's clients know them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.context import CONTEXT, Context
from webapi.homer import answer, body
from webapi.names import alias
from webapi.names.alias import Alias
from webapi.names.aliases import ALIASES
from webapi.names.asked import MAX_PORT, parse_changes

REQUIRED: Final = ("alias", "ip", "mask", "captureID")
_MOST_BITS: Final = 128


async def list_aliases(request: web.Request) -> web.Response:
    """All; there are at most ``web.max_aliases``."""
    context = request.app[CONTEXT]
    found = await alias.some(context, 0, context.settings.web.max_aliases)
    return answer.json({"data": [_as_homer(one) for one in found]}, 201)


async def add_alias(request: web.Request) -> web.Response:
    """A new one."""
    changes = _as_ours(await body.read(request, REQUIRED))
    context = request.app[CONTEXT]
    async with context.change() as connection:
        most = context.settings.web.max_aliases
        added = await alias.add(connection, alias.Wanted(**changes), most)
        await audit.write(connection, author_of(request), Action.ALIAS_ADDED, added.name)
    return _done(request, "successfully created alias", added)


async def change_alias(request: web.Request) -> web.Response:
    """All that HOMER knows of one."""
    context = request.app[CONTEXT]
    before = await _one(request, context)
    changes = _as_ours(await body.read(request, REQUIRED))
    async with context.change() as connection:
        changed = await alias.change(connection, before.id, changes)
        await audit.write(connection, author_of(request), Action.ALIAS_CHANGED, changed.name)
    return _done(request, "successfully updated alias", changed)


async def remove_alias(request: web.Request) -> web.Response:
    """One of them."""
    context = request.app[CONTEXT]
    before = await _one(request, context)
    async with context.change() as connection:
        removed = await alias.remove(connection, before.id)
        await audit.write(connection, author_of(request), Action.ALIAS_REMOVED, removed.name)
    return _done(request, "successfully deleted alias", removed)


def _done(request: web.Request, message: str, one: Alias) -> web.Response:
    request.app[ALIASES].changed()
    return answer.done(message, str(one.guid))


async def _one(request: web.Request, context: Context) -> Alias:
    found = await alias.by_guid(context, body.guid(request))
    if found is None:
        raise body.unknown()
    return found


def _as_ours(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an alias. Raises ApiError 422."""
    address = fields.text(given, "ip", alias.MAX_TEXT)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise fields.wrong("ip", "must be an address") from None
    mask = body.number(given, "mask", 0, _MOST_BITS)
    return parse_changes(
        {
            "name": given["alias"],
            "network": f"{address}/{mask}",
            "port": body.number(given, "port", 0, MAX_PORT),
            "capture_id": given["captureID"],
            "enabled": fields.flag(given, "status", default=True),
        }
    )


def _as_homer(one: Alias) -> dict[str, Any]:
    return {
        "id": one.id,
        "guid": str(one.guid),
        "alias": one.name,
        "ip": str(one.network.network_address),
        "port": one.port,
        "mask": one.network.prefixlen,
        "captureID": one.capture_id,
        "status": one.enabled,
    }
