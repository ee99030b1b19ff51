# SPDX-License-Identifier: GPL-2.0-or-later
"""The two roles and the database that should be there, as connections of the settings."""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector.errors import SettingsError
from collector.settings import Settings

_SECRET_BYTES: Final = 24


class Role(NamedTuple):
    """Who connects, with what password; empty for none."""

    name: str
    password: str


class Names(NamedTuple):
    """What is made up when the settings say nothing."""

    database: str = "kemiscope"
    writer: str = "kemiscope_writer"
    reader: str = "kemiscope_reader"
    host: str = ""
    port: str = ""


class Wanted(NamedTuple):
    """Connections of the capture node and of the web API, to one database."""

    dsn: str
    reader_dsn: str

    @property
    def writer(self) -> Role:
        """The role that owns the tables."""
        return _role(self.dsn)

    @property
    def reader(self) -> Role:
        """The role of the web API."""
        return _role(self.reader_dsn)

    @property
    def database(self) -> str:
        """Its name."""
        parts = conninfo_to_dict(self.dsn)
        return str(parts.get("dbname") or parts.get("user") or "")


def complete(settings: Settings, names: Names) -> Wanted:
    """The connections of the settings; those that are empty with names and new passwords.

    Raises SettingsError when the two do not go together.
    """
    dsn = settings.database.dsn or make_conninfo(
        "",
        host=names.host or "localhost",
        port=names.port or None,
        dbname=names.database,
        user=names.writer,
        password=_password(),
    )
    reader_dsn = settings.database.reader_dsn or make_conninfo(
        dsn, user=names.reader, password=_password()
    )
    wanted = Wanted(dsn, reader_dsn)
    if not wanted.writer.name or not wanted.reader.name:
        message = "database.dsn and database.reader_dsn must each name a user"
        raise SettingsError(message)
    if wanted.writer.name == wanted.reader.name:
        message = "database.reader_dsn: must name another user than database.dsn: one that reads"
        raise SettingsError(message)
    if wanted.database != Wanted(reader_dsn, dsn).database:
        message = "database.dsn and database.reader_dsn name different databases"
        raise SettingsError(message)
    return wanted


def admin_dsn(wanted: Wanted, given: str, user: str) -> str:
    """The connection that makes roles and databases: to the server of the settings.

    What ``given`` says goes before that; it is as libpq takes it.
    """
    ours = conninfo_to_dict(wanted.dsn)
    of_server = {key: value for key, value in ours.items() if key not in _OF_ROLE}
    parts = {**of_server, "dbname": "postgres", "user": user, **conninfo_to_dict(given)}
    return make_conninfo("", **parts)


_OF_ROLE: Final = ("user", "password", "passfile", "sslcert", "sslkey", "sslpassword")


def _role(dsn: str) -> Role:
    parts = conninfo_to_dict(dsn)
    return Role(str(parts.get("user") or ""), str(parts.get("password") or ""))


def _password() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)
