# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON Web Tokens (RFC 7519) for clients of HOMER's API, which keep no cookie.

A token names a session, and ends with it: the session's secret is made of the token's id and of a
secret of this service. So nobody makes a cookie of a token or a token of a cookie, and neither the
signing secret nor the table of sessions is enough to make a token that is taken.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from webapi.access import sessions
from webapi.access.principal import Client, Principal
from webapi.access.roles import Role
from webapi.access.users import INTERNAL, User
from webapi.context import Context

ALGORITHM: Final = "HS256"
"""The only one that is taken, whatever a token names."""
_DOTS: Final = 2
_BYTES: Final = 32
_REQUIRED: Final = ("exp", "jti", "username", "usergroup")
SECRET: Final = sql.SQL("SELECT secret FROM web_secret WHERE name = 'json_web_token'")


class JsonWebTokens:
    """Of one application; all processes on one database have the same secret."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._secret = b""

    async def issue(
        self, connection: AsyncConnection[DictRow], user: User, client: Client, agent: str
    ) -> str:
        """A token of a new session of ``user``. ``agent`` is the client's User-Agent."""
        settings = self._context.settings.web
        token_id = secrets.token_urlsafe(_BYTES)
        session = await self._derived(b"session", token_id)
        await sessions.begin(connection, user.id, client, agent, settings, session)
        lifetime = timedelta(seconds=settings.session_lifetime)
        claims = {**_about(user), "jti": token_id, "exp": datetime.now(UTC) + lifetime}
        return jwt.encode(claims, await self._derived(b"signature"), ALGORITHM)

    async def find(self, token: str) -> Principal | None:
        """Whose session it names; None for what is not ours, has expired or was ended.

        A user whose role has changed must sign in again: the token says the old one.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._derived(b"signature"),
                algorithms=[ALGORITHM],
                options={"require": list(_REQUIRED)},
            )
        except jwt.InvalidTokenError:
            return None
        session = await self._derived(b"session", claims["jti"])
        principal = await sessions.find(self._context, session)
        if principal is None:
            return None
        said = (claims["username"], claims["usergroup"])
        return principal if said == (principal.username, principal.role) else None

    async def _derived(self, purpose: bytes, of: str = "") -> str:
        if not self._secret:
            async with self._context.connection() as connection:
                (row,) = await self._context.query(connection, SECRET)
            self._secret = row["secret"]
        message = purpose + b":" + of.encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def is_one(token: str) -> bool:
    """Whether it has the form: three parts with dots between, which no API token has."""
    return token.count(".") == _DOTS


def _about(user: User) -> dict[str, Any]:
    """What HOMER's clients read in a token."""
    return {
        "username": user.username,
        "useradmin": user.role is Role.ADMIN,
        "usergroup": user.role.value,
        "externalauth": user.source != INTERNAL,
        "externaltype": "" if user.source == INTERNAL else user.source,
        "displayname": user.full_name or user.username,
        "avatar": "",
    }
