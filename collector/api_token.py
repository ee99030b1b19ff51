# SPDX-License-Identifier: GPL-2.0-or-later
"""API tokens of the web API: how one looks, how it is stored, and one for commands of this host."""

from __future__ import annotations

import getpass
import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import psycopg
from psycopg.rows import TupleRow

from collector.log import LOGGER, one_line
from collector.settings import Settings

PREFIX: Final = "ksc_"
"""Lets people and secret scanners see what it is."""
LENGTH: Final = len(PREFIX) + 43
SHARE_PREFIX: Final = "kss_"
"""Likewise, of a share link."""
_IN_TEXT: Final = re.compile(f"(?:{PREFIX}|{SHARE_PREFIX})[A-Za-z0-9_-]+")
LOCAL: Final = "local:"
"""Before the name of the operating system's user; no user of the web API has a colon."""
_MAX_NAME: Final = 50
LOCAL_LIFETIME_S: Final = 600
LOCAL_SCOPES: Final = ("read", "export", "trace")

_FORGET: Final = "DELETE FROM api_token WHERE user_id IS NULL AND expires_at < now()"
_ADD: Final = (
    "INSERT INTO api_token (token_sha256, name, scopes, expires_at) VALUES (%s, %s, %s, now() + %s)"
)
_REMOVE: Final = "DELETE FROM api_token WHERE token_sha256 = %s"


def new_token(prefix: str = PREFIX) -> str:
    """256 random bits behind ``prefix``."""
    return prefix + secrets.token_urlsafe(32)


def masked(text: str) -> str:
    """Text for a log: who reads it must not be able to use the tokens in it."""
    return _IN_TEXT.sub("***", text)


def digest(token: str) -> bytes:
    """What is stored. A token is random, so a fast hash without a salt tells nothing of it."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


def local_name() -> str:
    """``LOCAL`` and who runs this command."""
    try:
        return LOCAL + one_line(getpass.getuser())[:_MAX_NAME]
    except (KeyError, OSError, ImportError):
        return LOCAL


@contextmanager
def local_token(
    settings: Settings,
    scopes: Sequence[str] = LOCAL_SCOPES,
    lifetime_s: float = LOCAL_LIFETIME_S,
) -> Iterator[dict[str, str]]:
    """The header for requests of a command on this host, with a token that ends with the block.

    Who can read the settings can write to the database that has the tokens, so there is no secret
    more to keep. Without a database there is no header, and a warning.
    """
    dsn = settings.database.reader_dsn or settings.database.dsn
    if not dsn:
        yield {}
        return
    token = new_token()
    try:
        with _connect(settings, dsn) as connection:
            connection.execute(_FORGET)
            values = (digest(token), local_name(), list(scopes), timedelta(seconds=lifetime_s))
            connection.execute(_ADD, values)
    except psycopg.Error as error:
        LOGGER.warning("no token for the web API: %s", one_line(str(error)))
        yield {}
        return
    try:
        yield {"Authorization": f"Bearer {token}"}
    finally:
        try:
            with _connect(settings, dsn) as connection:
                connection.execute(_REMOVE, (digest(token),))
        except psycopg.Error as error:
            LOGGER.warning("the command's token ends by itself: %s", one_line(str(error)))


def _connect(settings: Settings, dsn: str) -> psycopg.Connection[TupleRow]:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=int(settings.database.connect_timeout),
        application_name="kemiscope command",
        # The role of the web API reads unless it says otherwise.
        options="-c default_transaction_read_only=off",
    )
