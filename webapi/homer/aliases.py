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
from webapi.context import CONTEXT
from webapi.homer import answer, body
from webapi.names import alias, transfer
from webapi.names.alias import Alias, Wanted
from webapi.names.aliases import ALIASES

REQUIRED: Final = ("alias", "ip", "mask", "captureID")


async def list_aliases(request: web.Request) -> web.Response:
    """All; there are at most ``web.max_aliases``."""
    context = request.app[CONTEXT]
    found = await alias.some(context, 0, context.settings.web.max_aliases)
    shown = [{"id": one.id, "guid": str(one.guid), **transfer.to_fields(one)} for one in found]
    return answer.json({"data": shown}, 201)


async def add_alias(request: web.Request) -> web.Response:
    """A new one."""
    wanted = _wanted(await body.read(request, REQUIRED))
    context = request.app[CONTEXT]
    async with context.change() as connection:
        added = await alias.add(connection, wanted, context.settings.web.max_aliases)
        await audit.write(*(connection, author_of(request), Action.ALIAS_ADDED), *_told(added))
    return _done(request, "successfully created alias", added)


async def change_alias(request: web.Request) -> web.Response:
    """All that HOMER knows of one; what only we know stays."""
    before = await _one(request)
    given = await body.read(request, REQUIRED)
    wanted = _wanted({**transfer.to_fields(before), **given})
    async with request.app[CONTEXT].change() as connection:
        changed = await alias.change(connection, before.id, wanted._asdict())
        await audit.write(*(connection, author_of(request), Action.ALIAS_CHANGED), *_told(changed))
    return _done(request, "successfully updated alias", changed)


async def remove_alias(request: web.Request) -> web.Response:
    """One of them."""
    before = await _one(request)
    async with request.app[CONTEXT].change() as connection:
        removed = await alias.remove(connection, before.id)
        await audit.write(*(connection, author_of(request), Action.ALIAS_REMOVED), *_told(removed))
    return _done(request, "successfully deleted alias", removed)


def _done(request: web.Request, message: str, one: Alias) -> web.Response:
    request.app[ALIASES].changed()
    return answer.done(message, str(one.guid))


def _told(one: Alias) -> tuple[str, dict[str, Any]]:
    """What the audit log has of it."""
    return one.name, transfer.to_fields(one)


async def _one(request: web.Request) -> Alias:
    found = await alias.by_guid(request.app[CONTEXT], body.guid(request))
    if found is None:
        raise body.unknown()
    return found


def _wanted(given: Mapping[str, Any]) -> Wanted:
    address = fields.text(given, "ip", alias.MAX_TEXT)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise fields.wrong("ip", "must be an address") from None
    return transfer.from_fields({name: given[name] for name in transfer.FIELDS if name in given})
