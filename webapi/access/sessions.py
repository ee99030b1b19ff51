# SPDX-License-Identifier: GPL-2.0-or-later
"""The table ``web_session``, and the cookie that names a row of it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from collector.api_token import digest
from collector.log import one_line
from collector.settings.web import Web
from webapi.access.cookie import Cookie
from webapi.access.principal import Client, Principal
from webapi.access.roles import SCOPES, Role
from webapi.context import Context

COOKIE: Final = Cookie("kemiscope_session", "Strict")
"""Without an age: it ends with the browser, the session in the database by itself."""
_TOUCHED: Final = timedelta(minutes=1)
"""``last_used_at`` is written at most so often."""
_MAX_AGENT: Final = 200
_BYTES: Final = 32

FIND: Final = sql.SQL(
    "SELECT web_session.id, user_id, username, role, must_change_password,"
    " last_used_at < now() - %(touched)s AS stale"
    " FROM web_session JOIN web_user ON web_user.id = user_id"
    " WHERE token_sha256 = %(digest)s AND enabled"
    " AND idle_expires_at > now() AND expires_at > now()"
)
_TOUCH: Final = sql.SQL(
    "UPDATE web_session SET last_used_at = now(), idle_expires_at = now() + %s WHERE id = %s"
)
_INSERT: Final = sql.SQL(
    "INSERT INTO web_session (token_sha256, user_id, idle_expires_at, expires_at, address,"
    " user_agent) VALUES (%s, %s, now() + %s, now() + %s, %s, %s)"
)
_BOUND: Final = sql.SQL(
    "DELETE FROM web_session WHERE user_id = %(user)s AND (expires_at <= now()"
    " OR idle_expires_at <= now() OR id NOT IN (SELECT id FROM web_session"
    " WHERE user_id = %(user)s ORDER BY last_used_at DESC, id DESC LIMIT %(most)s))"
)
_END: Final = sql.SQL("DELETE FROM web_session WHERE token_sha256 = %s")
_END_OTHERS: Final = sql.SQL(
    "DELETE FROM web_session WHERE user_id = %s AND id IS DISTINCT FROM %s"
)


def csrf_token(token: str) -> str:
    """What changes must carry as X-CSRF-Token: who has the cookie only by way of a browser that
    sends it cannot know it."""
    return hmac.new(token.encode(errors="replace"), b"csrf", hashlib.sha256).hexdigest()


async def begin(
    connection: AsyncConnection[DictRow],
    user_id: int,
    client: Client,
    agent: str,
    settings: Web,
    token: str = "",
) -> str:
    """A new session; returns its token. Beyond ``web.sessions_per_user`` the oldest end.

    ``token`` is one that somebody else made, just as hard to guess.
    """
    token = token or secrets.token_urlsafe(_BYTES)
    await connection.execute(
        _INSERT,
        (
            *(digest(token), user_id),
            *(
                timedelta(seconds=settings.session_idle),
                timedelta(seconds=settings.session_lifetime),
            ),
            *(client.address, one_line(agent.encode(errors="replace").decode())[:_MAX_AGENT]),
        ),
    )
    await connection.execute(_BOUND, {"user": user_id, "most": settings.sessions_per_user})
    return token


async def find(context: Context, token: str) -> Principal | None:
    """Whose session it is; None if it is over, or there never was one."""
    async with context.connection() as connection:
        found = await context.query(
            connection, FIND, {"digest": digest(token), "touched": _TOUCHED}, prepare=True
        )
    if not found:
        return None
    (row,) = found
    if row["stale"]:
        idle = timedelta(seconds=context.settings.web.session_idle)
        async with context.change() as connection:
            await connection.execute(_TOUCH, (idle, row["id"]))
    role = Role(row["role"])
    return Principal(
        *(row["username"], row["user_id"], role, SCOPES[role]),
        *(row["id"], token, row["must_change_password"]),
    )


async def end(connection: AsyncConnection[DictRow], token: str) -> None:
    """The session of this token, if there is one."""
    await connection.execute(_END, (digest(token),))


async def end_others(
    connection: AsyncConnection[DictRow], user_id: int, but: int | None = None
) -> None:
    """All sessions of the user, except one perhaps."""
    await connection.execute(_END_OTHERS, (user_id, but))
