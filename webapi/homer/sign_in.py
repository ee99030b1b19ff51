# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/auth``: a JSON Web Token for a name and a password, and which ways to sign in exist."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web

from webapi.access import fields
from webapi.access.gate import GATE
from webapi.access.principal import client_of
from webapi.access.roles import Role
from webapi.access.users import INTERNAL, User
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.homer import answer, body, guid
from webapi.homer.guid import Kind
from webapi.sign_in.password import WRONG, by_password, signed_in
from webapi.sign_in.ways import OAUTH2, ways

_REFUSED: Final = "incorrect password"


async def sign_in(request: web.Request) -> web.Response:
    """User name and password → a token of a new session.

    ``type`` of the body counts for nothing: who knows the user is a setting. Somebody who must
    change the password first gets no token, since with one there would be nothing to do.
    """
    given = await body.read(request, ("username", "password"))
    name, password = (fields.secret(given, part) for part in ("username", "password"))
    client = client_of(request)
    try:
        user = await by_password(request.app, client, name, password)
    except ApiError as error:
        if error.code == WRONG:
            return _refused(_REFUSED)
        raise
    if user.must_change_password:
        return _refused("change your password first: sign in to the pages of this service")
    return await answer_of(request, user)


async def answer_of(request: web.Request, user: User) -> web.Response:
    """201 with a token for somebody who has just shown who they are."""
    app, client = request.app, client_of(request)
    async with app[CONTEXT].change() as connection:
        agent = request.headers.get("User-Agent", "")
        token = await app[GATE].json_web_tokens.issue(connection, user, client, agent)
        await signed_in(connection, client, user)
    shown = {
        "token": token,
        "scope": guid.of(Kind.USER, user.id),
        "user": {"admin": user.role is Role.ADMIN},
    }
    return answer.json(shown, 201)


async def list_types(request: web.Request) -> web.Response:
    """The ways to sign in, as the page for it offers them.

    Passwords that an HTTP service checks are typed into the same form as internal ones.
    """
    found = list(ways(request.app[CONTEXT].settings))
    kinds = {way.type for way in found}
    shown: dict[str, Any] = {
        "internal": _form("Internal", INTERNAL, 1, enable=bool(kinds & {INTERNAL, "http"})),
        "ldap": _form("LDAP", "ldap", 2, enable="ldap" in kinds),
    }
    providers = [
        {
            "name": way.title,
            "provider_name": way.name,
            "url": f"{answer.PREFIX}oauth2/redirect/{way.name}",
            "provider_image": way.image,
            "auto_redirect": way.at_once,
            "type": OAUTH2,
            "position": position,
            "enable": True,
        }
        for position, way in enumerate((way for way in found if way.type == OAUTH2), 3)
    ]
    if providers:
        shown[OAUTH2] = providers
    return answer.json({"count": 1, "message": "all good", "data": shown})


def _form(name: str, type_: str, position: int, *, enable: bool) -> dict[str, Any]:
    return {"name": name, "type": type_, "position": position, "enable": enable}


def _refused(message: str) -> web.Response:
    shown = {"statuscode": 401, "error": "Unauthorized", "message": message}
    response = ApiError(401, WRONG, message).response()
    response.body = orjson.dumps(shown)
    return response
