# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m webapi user …`` and ``token …``: users and API tokens from the shell of the host.

They go to the database, not to the web API: who has its DSN needs no password.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final

from collector import api_token
from collector.errors import KemiscopeError
from collector.settings import Settings
from webapi.access import asked, audit, passwords, sessions, tokens, users
from webapi.access.audit import Action
from webapi.access.passwords import Passwords
from webapi.access.principal import Author
from webapi.access.roles import SCOPES, Role, Scope
from webapi.access.users import User
from webapi.context import Context
from webapi.errors import ApiError
from webapi.table import say, table

_MOST: Final = 1000


class CommandError(KemiscopeError):
    """It could not be done."""


def add_user_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of ``user``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="a new user; prints a generated password once")
    add.add_argument("username")
    add.add_argument("--role", choices=list(Role), default=Role.USER, help="default: %(default)s")
    add.add_argument("--email", default="")
    add.add_argument("--full-name", default="")
    add.add_argument("--must-change", action="store_true", help="ask for another one at sign-in")
    add.add_argument("--unless-any", action="store_true", help="do nothing when there is a user")
    actions.add_parser("list", help="all users")
    for name, text in (
        ("enable", "let a user sign in again"),
        ("disable", "end a user's sessions, refuse sign-in and tokens"),
        ("reset-password", "end a user's sessions; prints a generated password once"),
    ):
        actions.add_parser(name, help=text).add_argument("username")
    for name in ("add", "reset-password"):
        actions.choices[name].add_argument(
            "--password-stdin", action="store_true", help="read it there instead"
        )


def add_token_arguments(parser: argparse.ArgumentParser) -> None:
    """The actions of ``token``."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="a new token of a user; prints it once")
    add.add_argument("name", help="what it is for")
    add.add_argument("--user", required=True, help="whose it is; it may do nothing more")
    add.add_argument(
        "--scope", action="append", choices=list(Scope), required=True, help="may be given again"
    )
    add.add_argument("--network", action="append", help="where it may be used; may be given again")
    add.add_argument("--for", dest="duration", metavar="TIME", help="30d, 12h (default: 90d)")
    actions.add_parser("list", help="all tokens")
    actions.add_parser("revoke", help="end one").add_argument("id", type=int)


def run(settings: Settings, options: argparse.Namespace) -> int:
    """Do it; returns the exit status. Raises CommandError."""
    action = _ACTIONS[options.command, options.action]
    try:
        asyncio.run(_with_context(settings, options, action))
    except ApiError as error:
        raise CommandError(str(error)) from error
    return 0


_Action = Callable[[Context, argparse.Namespace], Awaitable[None]]


async def _with_context(settings: Settings, options: argparse.Namespace, action: _Action) -> None:
    context = Context(settings)
    async with context.pool:
        await action(context, options)


async def _add_user(context: Context, options: argparse.Namespace) -> None:
    if options.unless_any and await users.some(context, 0, 1):
        return
    name = asked.check_name(options.username)
    password, hashed = await _hashed(options, name)
    async with context.change() as connection:
        await users.add(
            *(connection, name, hashed, Role(options.role)),
            email=options.email,
            full_name=options.full_name,
            must_change_password=options.must_change,
        )
        await audit.write(connection, _author(), Action.USER_ADDED, name, {"role": options.role})
    _tell(options, name, password)


async def _list_users(context: Context, _: argparse.Namespace) -> None:
    found = await users.some(context, 0, _MOST)
    table(
        ("username", "role", "enabled", "source", "email", "name"),
        [
            (
                *(user.username, user.role, "yes" if user.enabled else "no"),
                *(user.source, user.email, user.full_name),
            )
            for user in found
        ],
    )


async def _enable(context: Context, options: argparse.Namespace) -> None:
    user = await _user(context, options.username)
    enabled = options.action == "enable"
    async with context.change() as connection:
        await users.change(connection, user.id, {"enabled": enabled})
        await sessions.end_others(connection, user.id)
        detail = {"enabled": enabled}
        await audit.write(connection, _author(), Action.USER_CHANGED, user.username, detail)


async def _reset_password(context: Context, options: argparse.Namespace) -> None:
    user = await _user(context, options.username)
    password, hashed = await _hashed(options, user.username)
    async with context.change() as connection:
        await users.set_password(connection, user.id, hashed, must_change=False)
        await sessions.end_others(connection, user.id)
        await audit.write(connection, _author(), Action.PASSWORD_CHANGED, user.username)
    _tell(options, user.username, password)


async def _add_token(context: Context, options: argparse.Namespace) -> None:
    user = await _user(context, options.user)
    given = {"name": options.name, "scopes": options.scope, "networks": options.network or []}
    if options.duration:
        given["duration"] = options.duration
    longest_s = context.settings.web.token_lifetime
    wanted = asked.parse_token(given, SCOPES[user.role], longest_s)
    async with context.change() as connection:
        token, shown = await tokens.add(connection, user.id, wanted)
        await audit.write(
            *(connection, _author(), Action.TOKEN_ADDED, wanted.name),
            {
                "user": user.username,
                "scopes": list(wanted.scopes),
                "expires_at": shown["expires_at"],
            },
        )
    say(token)


async def _list_tokens(context: Context, _: argparse.Namespace) -> None:
    found = await tokens.some(context, None, 0, _MOST)
    table(
        ("id", "user", "name", "scopes", "networks", "until", "last used"),
        [
            (
                *(token["id"], token["username"], token["name"], ",".join(token["scopes"])),
                *(",".join(token["networks"]), token["expires_at"][:19] + "Z"),
                (token["last_used_at"] or "never")[:19],
            )
            for token in found
        ],
    )


async def _revoke(context: Context, options: argparse.Namespace) -> None:
    async with context.change() as connection:
        name = await tokens.revoke(connection, options.id, None)
        await audit.write(connection, _author(), Action.TOKEN_REVOKED, name)


_ACTIONS: Final[dict[tuple[str, str], _Action]] = {
    ("user", "add"): _add_user,
    ("user", "list"): _list_users,
    ("user", "enable"): _enable,
    ("user", "disable"): _enable,
    ("user", "reset-password"): _reset_password,
    ("token", "add"): _add_token,
    ("token", "list"): _list_tokens,
    ("token", "revoke"): _revoke,
}


async def _user(context: Context, username: str) -> User:
    user = await users.by_name(context, username)
    if user is None:
        message = f"there is no user {username}"
        raise CommandError(message)
    return user


async def _hashed(options: argparse.Namespace, username: str) -> tuple[str, str]:
    """The password, given or generated, and its hash."""
    if options.password_stdin:
        line = await asyncio.to_thread(sys.stdin.readline)
        password = passwords.check_new(line.rstrip("\n"), username)
    else:
        password = passwords.generate()
    hasher = Passwords()
    try:
        return password, await hasher.hash(password)
    finally:
        hasher.close()


def _tell(options: argparse.Namespace, username: str, password: str) -> None:
    if not options.password_stdin:
        say(f"user {username}, password {password}")


def _author() -> Author:
    return Author(api_token.local_name(), None)
