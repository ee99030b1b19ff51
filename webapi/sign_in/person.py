# SPDX-License-Identifier: GPL-2.0-or-later
"""People whom another system knows, and their rows of ``web_user``, which have no password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, sql
from psycopg.rows import DictRow

from webapi.access import audit, users
from webapi.access.audit import Action
from webapi.access.principal import Address, Author
from webapi.access.roles import Role
from webapi.access.users import User
from webapi.errors import ApiError

_MAX_TEXT: Final = 200

_FIND: Final = sql.SQL(
    "SELECT {} FROM web_user WHERE source = %(source)s AND issuer = %(issuer)s"
    " AND CASE WHEN %(subject)s = '' THEN lower(username) = lower(%(username)s)"
    " ELSE subject = %(subject)s END"
).format(users.COLUMNS)
_INSERT: Final = sql.SQL(
    "INSERT INTO web_user (username, role, email, full_name, source, issuer, subject)"
    " VALUES (%(username)s, %(role)s, %(email)s, %(full_name)s, %(source)s, %(issuer)s,"
    " %(subject)s) ON CONFLICT DO NOTHING RETURNING {}"
).format(users.COLUMNS)
_UPDATE: Final = sql.SQL(
    "UPDATE web_user SET email = %(email)s, full_name = %(full_name)s,"
    " role = CASE WHEN %(knows_role)s THEN %(role)s ELSE role END WHERE id = %(id)s RETURNING {}"
).format(users.COLUMNS)


class Person(NamedTuple):
    """Who has signed in elsewhere, as that system tells it."""

    source: str
    """As in ``web_user.source``: ldap, http or oauth2."""
    username: str
    role: Role
    knows_role: bool
    """Whether the role is what that system says at each sign-in. Otherwise it is that of a new
    user, and an administrator's change of it stays."""
    email: str = ""
    full_name: str = ""
    issuer: str = ""
    subject: str = ""
    """Of OAuth2, whom the two name for ever; other sources know people by their names."""


async def take(
    connection: AsyncConnection[DictRow], person: Person, address: Address | None
) -> User:
    """The user who is this person, made or brought up to date, which the audit log tells.

    Raises ApiError 403 for a name that cannot be one, that somebody else has (a user of ours too:
    nobody takes over another's rights by a name), and for a user who is disabled here.
    """
    if not users.NAME.match(person.username):
        message = f"the user name that {person.source} tells {users.NAME_RULE}"
        raise ApiError(403, "bad_username", message)
    values = {
        **person._asdict(),
        "role": person.role.value,
        "email": _text(person.email),
        "full_name": _text(person.full_name),
    }
    known = await _row(connection, _FIND, values)
    if known is None:
        added = await _row(connection, _INSERT, values)
        if added:
            detail = {"role": added.role, "source": added.source}
            author = Author(added.username, address)
            await audit.write(connection, author, Action.USER_ADDED, added.username, detail)
            return added
        # Another has the name, or the same person has come in at the same moment.
        known = await _row(connection, _FIND, values)
    if known is None:
        message = "there is another user with this name here; an administrator can remove it"
        raise ApiError(403, "user_exists", message)
    if not known.enabled:
        raise ApiError(403, "disabled", "this user is disabled here")
    changed = await _row(connection, _UPDATE, {**values, "id": known.id})
    if changed is None:
        raise ApiError(403, "disabled", "this user was removed at this moment")
    if changed.role != known.role:
        author = Author(changed.username, address)
        detail = {"role": changed.role, "source": changed.source}
        await audit.write(connection, author, Action.USER_CHANGED, changed.username, detail)
    return changed


async def _row(
    connection: AsyncConnection[DictRow], statement: sql.Composed, values: Mapping[str, Any]
) -> User | None:
    row = await (await connection.execute(statement, values)).fetchone()
    return users.of_row(row) if row else None


def _text(text: str) -> str:
    """Printable, and not too long."""
    return "".join(filter(str.isprintable, text))[:_MAX_TEXT]
