# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/saved-searches``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web
from multidict import MultiDict

from webapi import schema
from webapi.access import audit, fields
from webapi.access.audit import Action
from webapi.access.principal import author_of, owner_of, principal_of
from webapi.access.roles import Scope
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.listing import PAGE_PARAMETERS, created, id_of, listed, page
from webapi.names import saved_search
from webapi.names.saved_search import CHANGED, MAX_NAME, OPTIONAL, REQUIRED, SUBJECTS
from webapi.parameters import single
from webapi.schema import Parameters
from webapi.search import Search

LIST_PARAMETERS: Final[Parameters] = {**PAGE_PARAMETERS, "kind": schema.one_of(SUBJECTS)}
_PAGE: Final = frozenset({"cursor"})
"""What belongs to one answer, not to the search."""


async def list_searches(request: web.Request) -> web.Response:
    """One's own saved searches and those that others share, a page at a time."""
    parameters = single(request.query, LIST_PARAMETERS)
    kind = parameters.get("kind")
    if kind is not None and kind not in SUBJECTS:
        raise bad_parameter("kind", f"must be one of {', '.join(SUBJECTS)}")
    after, limit = page(request, parameters)
    user_id = principal_of(request).user_id
    found = await saved_search.some(request.app[CONTEXT], user_id, kind, after, limit + 1)
    return listed("saved_searches", found, limit)


async def show_search(request: web.Request) -> web.Response:
    """One saved search."""
    single(request.query, ())
    user_id = principal_of(request).user_id
    return json_response(await saved_search.one(request.app[CONTEXT], user_id, id_of(request)))


async def add_search(request: web.Request) -> web.Response:
    """Save a search."""
    single(request.query, ())
    given = await fields.read(request, REQUIRED, OPTIONAL)
    kind = fields.text(given, "kind", MAX_NAME)
    if kind not in SUBJECTS:
        raise fields.wrong("kind", f"must be one of {', '.join(SUBJECTS)}")
    name = _name(given)
    parameters = _parameters(request, given, kind)
    shared = fields.flag(given, "shared", default=False)
    user_id = owner_of(principal_of(request))
    async with request.app[CONTEXT].change() as connection:
        made = await saved_search.add(connection, user_id, name, kind, parameters, shared=shared)
        await _write_down(connection, request, Action.SAVED_SEARCH_ADDED, made)
    return created(made)


async def change_search(request: web.Request) -> web.Response:
    """Change a saved search of one's own."""
    single(request.query, ())
    given = await fields.read(request, (), CHANGED)
    context, user_id = request.app[CONTEXT], owner_of(principal_of(request))
    old = await saved_search.one(context, user_id, id_of(request))
    changes: dict[str, Any] = {}
    if "name" in given:
        changes["name"] = _name(given)
    if "parameters" in given:
        changes["parameters"] = _parameters(request, given, old["kind"])
    if "shared" in given:
        changes["shared"] = fields.flag(given, "shared", default=False)
    async with context.change() as connection:
        made = await saved_search.change(connection, user_id, old["id"], changes)
        await _write_down(connection, request, Action.SAVED_SEARCH_CHANGED, made)
    return json_response(made)


async def remove_search(request: web.Request) -> web.Response:
    """Remove a saved search of one's own.

    Who has the right admin removes those of others that are shared, too.
    """
    single(request.query, ())
    principal = principal_of(request)
    async with request.app[CONTEXT].change() as connection:
        gone = await saved_search.remove(
            *(connection, owner_of(principal), id_of(request)),
            of_anybody=Scope.ADMIN in principal.scopes,
        )
        await _write_down(connection, request, Action.SAVED_SEARCH_REMOVED, gone)
    return json_response(gone)


def _name(given: Mapping[str, Any]) -> str:
    return fields.text(given, "name", MAX_NAME, empty=False).strip()


def _parameters(request: web.Request, given: Mapping[str, Any], kind: str) -> Mapping[str, str]:
    """Those that the search takes, with values that it takes. Raises ApiError 422."""
    asked = given["parameters"]
    if not isinstance(asked, dict) or not all(isinstance(value, str) for value in asked.values()):
        raise fields.wrong("parameters", "must be an object of texts, as in the URL of the search")
    subject = SUBJECTS[kind]
    limits = request.app[CONTEXT].settings.web
    now = datetime.now(UTC)
    try:
        found = single(MultiDict(asked), subject.parameters.keys() - _PAGE)
        Search.parse(subject, found, limits.max_rows, now, max_range=limits.max_range)
    except ApiError as error:
        raise fields.wrong("parameters", str(error)) from None
    return found


async def _write_down(
    connection: Any, request: web.Request, action: Action, made: Mapping[str, Any]
) -> None:
    told = {name: made[name] for name in ("kind", "parameters", "shared", "username")}
    await audit.write(connection, author_of(request), action, made["name"], told)
