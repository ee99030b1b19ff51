# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi import-homer``: the users of homer-app, from its configuration database.

Passwords are not among them. The database has bcrypt hashes, and taking those over would mean a
second, weaker way to check passwords, and accounts whose password is the one that HOMER comes with.
Everybody gets another one instead.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import IO, Final, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row

from collector import api_token
from collector.settings import Settings
from webapi.access import audit, passwords, users
from webapi.access.audit import Action
from webapi.access.command import CommandError
from webapi.access.passwords import Passwords
from webapi.access.principal import Author
from webapi.access.roles import Role
from webapi.context import Context
from webapi.errors import ApiError
from webapi.table import table

_USERS: Final = """
    SELECT username, coalesce(email, '') AS email, coalesce(enabled, false) AS enabled,
           trim(concat_ws(' ', nullif(firstname, ''), nullif(lastname, ''))) AS full_name,
           coalesce(usergroup, '') AS usergroup
      FROM users ORDER BY id LIMIT 10000"""
_TIMEOUT_S: Final = 10


class Found(NamedTuple):
    """A row of homer-app's table."""

    username: str
    email: str
    enabled: bool
    full_name: str
    usergroup: str

    @property
    def role(self) -> Role:
        """As homer-app read it: an administrator's group only has to contain the word."""
        group = self.usergroup.lower()
        if Role.ADMIN in group:
            return Role.ADMIN
        return Role.SUPPORT if group == Role.SUPPORT else Role.USER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``run`` looks at."""
    parser.add_argument(
        "dsn",
        metavar="DSN",
        help="homer-app's configuration database, like 'host=db.example.com dbname=homer_config "
        "user=homer_user'; the password comes from PGPASSWORD or ~/.pgpass",
    )
    parser.add_argument(
        "--passwords",
        type=Path,
        metavar="FILE",
        help="write a new password for each into this new file; without it nobody has one until "
        "`user reset-password`",
    )


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Print what became of each user; returns 0. Raises CommandError."""
    try:
        asyncio.run(_import(settings, options))
    except ApiError as error:
        raise CommandError(str(error)) from error
    except psycopg.Error as error:
        raise CommandError(str(error).strip()) from error
    return 0


async def _import(settings: Settings, options: argparse.Namespace) -> None:
    found = await _read(options.dsn)
    context = Context(settings)
    hasher = Passwords()
    lines: list[tuple[str, ...]] = []
    # Before anything is done: a file that is there stays.
    file = _private(options.passwords) if options.passwords else None
    try:
        async with context.pool:
            for user in found:
                password = passwords.generate()
                outcome = await _add(context, user, await hasher.hash(password))
                lines.append((user.username, user.role, outcome or "taken over"))
                if file and not outcome:
                    file.write(f"{user.username} {password}\n")
    finally:
        hasher.close()
        if file:
            file.close()
    table(("username", "role", ""), lines)


async def _read(dsn: str) -> list[Found]:
    async with (
        await AsyncConnection.connect(dsn, connect_timeout=_TIMEOUT_S) as connection,
        connection.cursor(row_factory=class_row(Found)) as cursor,
    ):
        await connection.set_read_only(True)
        await cursor.execute(_USERS)
        return await cursor.fetchall()


async def _add(context: Context, user: Found, hashed: str) -> str:
    """Empty, or why not."""
    if not users.NAME.match(user.username):
        return f"not taken over: a name {users.NAME_RULE}"
    try:
        async with context.change() as connection:
            added = await users.add(
                *(connection, user.username, hashed, user.role),
                email=user.email,
                full_name=user.full_name,
                must_change_password=True,
            )
            if not user.enabled:
                await users.change(connection, added.id, {"enabled": False})
            author = Author(api_token.local_name(), None)
            detail = {"role": user.role.value, "from": "homer-app"}
            await audit.write(connection, author, Action.USER_ADDED, user.username, detail)
    except ApiError as error:
        if error.status != 409:
            raise
        return f"not taken over: {error}"
    return ""


def _private(path: Path) -> IO[str]:
    """A new file for its owner only. Raises OSError when there is one."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
