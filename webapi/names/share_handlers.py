# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/share-links``, and ``/api/v1/shared/{token}``, which needs no sign-in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from webapi import calls
from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import (
    Author,
    author_of,
    client_of,
    owner_asked,
    owner_ended,
    owner_of,
    principal_of,
)
from webapi.access.roles import Scope
from webapi.access.throttle import Guesses
from webapi.context import CONTEXT, Context, json_response
from webapi.errors import ApiError
from webapi.export import handlers as export
from webapi.lifetime import lifetime
from webapi.listing import OWNED_PARAMETERS, created, id_of, listed, page
from webapi.names import share_link, shared_call
from webapi.names.aliases import ALIASES
from webapi.names.share_link import LEGS, MAX_MESSAGES, MAX_NOTE, OPTIONAL, REQUIRED, Link, Wanted
from webapi.parameters import MAX_LENGTH, single
from webapi.sites.reading import not_found
from webapi.subject import MESSAGES

OPENED: Final = 2
"""Calls that are read for links at the same time; the others wait for them."""
_MAX_ID: Final = (1 << 63) - 1


class Shared:
    """What all openings of links share."""

    def __init__(self, context: Context) -> None:
        self.guesses = Guesses(context.settings.web)
        self.slots = asyncio.Semaphore(OPENED)


SHARED: Final = web.AppKey("shared", Shared)


async def list_links(request: web.Request) -> web.Response:
    """One's own share links, with ``all=true`` those of everybody, for who has the right admin."""
    parameters = single(request.query, OWNED_PARAMETERS)
    owner = owner_asked(principal_of(request), parameters)
    after, limit = page(request, parameters)
    found = await share_link.some(request.app[CONTEXT], owner, after, limit + 1)
    return listed("share_links", found, limit)


async def add_link(request: web.Request) -> web.Response:
    """Make a link to one call; its token is shown this once."""
    single(request.query, ())
    given = await fields.read(request, REQUIRED, OPTIONAL)
    context, principal = request.app[CONTEXT], principal_of(request)
    _check_enabled(context)
    if Scope.READ not in principal.scopes:
        raise fields.wrong("call_id", "you do not have the right read yourself")
    may_export = fields.flag(given, "export", default=False)
    if may_export and Scope.EXPORT not in principal.scopes:
        raise fields.wrong("export", "you do not have the right export yourself")
    share = context.settings.share
    lifetime_s = fields.duration(
        given, "duration", share.lifetime, share.max_lifetime, "share.max_lifetime"
    )
    note = fields.text(given, "note", MAX_NOTE)
    call_ids, message_ids = await _what(given, context)
    wanted = Wanted(call_ids, message_ids, may_export, note, lifetime_s)
    async with context.change() as connection:
        token, shown = await share_link.add(connection, owner_of(principal), wanted)
        told = {name: shown[name] for name in ("id", "legs", "may_export", "expires_at", "note")}
        told["messages"] = None if message_ids is None else len(message_ids)
        await audit.write(
            *(connection, author_of(request), Action.SHARE_LINK_ADDED, call_ids[0], told)
        )
    return created({**shown, "token": token, "path": f"/api/v1/shared/{token}"})


async def revoke_link(request: web.Request) -> web.Response:
    """Revoke one's own share link, or anybody's for who has the right admin.

    It opens nothing from now on.
    """
    single(request.query, ())
    owner = owner_ended(principal_of(request))
    async with request.app[CONTEXT].change() as connection:
        gone = await share_link.revoke(connection, id_of(request), owner)
        told = {name: gone[name] for name in ("id", "username")}
        await audit.write(
            *(connection, author_of(request), Action.SHARE_LINK_REVOKED, gone["call_id"], told)
        )
    return json_response(gone)


async def open_link(request: web.Request) -> web.Response:
    """The call of a share link."""
    single(request.query, ())
    context, shared = request.app[CONTEXT], request.app[SHARED]
    link = await _open(request)
    resolver = await request.app[ALIASES].resolver()
    async with shared.slots:
        return json_response(await shared_call.shown(context, resolver, link))


async def export_link(request: web.Request) -> web.StreamResponse:
    """The messages of a share link for Wireshark, if its maker said so."""
    single(request.query, ())
    link = await _open(request, export=True)
    return await export.send_pcap(request, link.call_ids, link.message_ids)


async def _open(request: web.Request, *, export: bool = False) -> Link:
    """The link of the path, written down. Raises ApiError 403, 404 and 429."""
    context, guesses = request.app[CONTEXT], request.app[SHARED].guesses
    _check_enabled(context)
    address = client_of(request).address
    guesses.begin(address)
    try:
        link = await share_link.find(context, request.match_info["token"])
    except ApiError:  # that says nothing of the token
        guesses.withdraw(address)
        raise
    if link is None:
        message = "there is no such link: it has expired, was revoked, or never was"
        raise ApiError(404, "not_found", message)
    guesses.withdraw(address)
    if export and not link.may_export:
        raise ApiError(403, "not_allowed", "who has made this link has not allowed exports")
    async with context.change() as connection:
        await share_link.touch(connection, link)
        # No user has a colon in the name.
        author = Author(f"share:{link.id}", address)
        told = {"export": export}
        await audit.write(connection, author, Action.SHARE_LINK_OPENED, link.call_ids[0], told)
    return link


async def _what(given: Mapping[str, Any], context: Context) -> tuple[list[str], list[int] | None]:
    """The Call-IDs and messages that the link opens. Raises ApiError 404 and 422."""
    call_id = fields.text(given, "call_id", MAX_LENGTH, empty=False)
    whose = given.get("legs", LEGS[0])
    if whose not in LEGS:
        raise fields.wrong("legs", f"must be one of {', '.join(LEGS)}")
    ids = [_message_id(text) for text in fields.texts(given, "message_ids", MAX_MESSAGES)]
    async with context.sites.reading() as reading:
        call = await calls.row_of(reading, call_id)
        legs = await calls.legs_of(context, reading, call if whose == "all" else None)
        call_ids = calls.ids_of(call_id, legs, whose)
        lived = lifetime(call_ids, [*legs.rows, *([call] if call else [])])
        # Without ids it is enough that there is anything.
        most = context.settings.web.max_call_messages if ids else 1
        found = await calls.rows_of(reading, MESSAGES, call_ids, lived, most)
    if not found and not call:
        raise not_found(reading.missing, "nothing has this Call-ID", "call_id")
    if not set(ids) <= {row["id"] for row in found}:
        raise fields.wrong("message_ids", "some of them are no messages of this call")
    return call_ids, sorted(set(ids)) if "message_ids" in given and ids else None


def _message_id(text: str) -> int:
    found = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < found <= _MAX_ID:
        raise fields.wrong("message_ids", "must be the ids of messages")
    return found


def _check_enabled(context: Context) -> None:
    if not context.settings.share.enabled:
        raise ApiError(403, "share_links_off", "share.enabled is off: there are no share links")
