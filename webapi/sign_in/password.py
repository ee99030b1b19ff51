# SPDX-License-Identifier: GPL-2.0-or-later
"""Sign-in with name and password, whoever checks it: one lock-out and one audit log for all."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from aiohttp import web
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from webapi.access import audit, users
from webapi.access.audit import Action
from webapi.access.gate import GATE
from webapi.access.principal import Author, Client
from webapi.access.throttle import Attempt
from webapi.access.users import User
from webapi.context import CONTEXT
from webapi.errors import ApiError
from webapi.sign_in import person
from webapi.sign_in.backend import BACKEND

WRONG: Final = "wrong_password"
"""Code of the one answer to a wrong name, a wrong password and a disabled user."""


async def by_password(app: web.Application, client: Client, username: str, password: str) -> User:
    """The user with this name and password, who may use the service.

    Our own users are checked by their hash; with ``web.sign_in`` ldap or http all other names are
    asked about there, and get a row of ``web_user``. Failures are counted and in the audit log;
    a success is written by ``signed_in``, in the transaction of what the caller begins.

    Raises ApiError 401 ``wrong_password`` in the same way whatever is wrong, 403 for somebody who
    is known and whom a name or a disabled user stands against, 429 for too many failures, and 503
    when nobody can judge it, which counts as no attempt.
    """
    # Cut, a longer name could be somebody's: nobody has one with this character.
    name = username if len(username) <= users.MAX_NAME else f"{username[: users.MAX_NAME]}…"
    name = name.replace("\0", " ")
    author = Author(name, client.address)
    attempt = app[GATE].throttle.begin(name, client.address)
    return await _judged(app, attempt, author, _find(app, client, name, password))


async def own_password(
    app: web.Application, client: Client, author: Author, username: str, password: str
) -> User:
    """Our own user with this password, asked for it again. Raises ApiError as ``by_password``."""
    attempt = app[GATE].throttle.begin(username, client.address)
    return await _judged(app, attempt, author, _find_own(app, username, password))


async def signed_in(connection: AsyncConnection[DictRow], client: Client, user: User) -> None:
    """Write it down, in the transaction of the session, or whatever begins."""
    author = Author(user.username, client.address)
    await audit.write(connection, author, Action.SIGNED_IN, detail={"source": user.source})


async def _judged(
    app: web.Application, attempt: Attempt, author: Author, found: Awaitable[User | None]
) -> User:
    context = app[CONTEXT]
    try:
        user = await found
        if user is None:
            await audit.record(context, author, Action.SIGN_IN_FAILED)
    except ApiError as error:
        if error.status == 403:  # the password was right
            await audit.record(context, author, Action.SIGN_IN_FAILED, error.code)
        attempt.withdraw()
        raise
    if user is None:
        raise ApiError(401, WRONG, "the user name or the password is wrong")
    attempt.succeeded()
    return user


async def _find(app: web.Application, client: Client, name: str, password: str) -> User | None:
    backend = app[BACKEND]
    known = await users.by_name(app[CONTEXT], name) if backend else None
    if backend is None or (known and known.source == users.INTERNAL):
        return await _find_own(app, name, password)
    # An empty password is none: LDAP would take it for somebody who stays unknown, and agree.
    if not password or not users.NAME.match(name):
        return None
    found = await backend.check(name, password)
    if found is None or (known and not known.enabled):
        return None
    async with app[CONTEXT].change() as connection:
        return await person.take(connection, found, client.address)


async def _find_own(app: web.Application, name: str, password: str) -> User | None:
    """It takes as long whether there is such a user or not."""
    context, passwords = app[CONTEXT], app[GATE].passwords
    user = await users.by_name(context, name)
    stored = user.password_hash if user else None
    is_right = await passwords.verify(stored, password)
    if not (user and is_right and user.enabled):
        return None
    if stored and passwords.is_outdated(stored):
        hashed = await passwords.hash(password)
        async with context.change() as connection:
            await users.rehash(connection, user.id, hashed)
    return user
