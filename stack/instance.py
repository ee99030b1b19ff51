# SPDX-License-Identifier: GPL-2.0-or-later
"""One running stack: its directory, its settings, its database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from psycopg import AsyncConnection, Error

from collector import migrate, settings
from collector.settings import CONFIG_VARIABLE, Settings
from collector.settings.endpoint import Endpoint, parse_endpoint, parse_host_port
from stack import ports
from stack.errors import StackError
from stack.postgres import READER, Cluster
from stack.service import ROOT

POSTGRES_PORT: Final = 15432
"""Port of a new private cluster; another one when it is taken."""
FIRST_USER: Final = "admin"
_HOST: Final = "127.0.0.1"
_DSN: Final = "KEMISCOPE_DATABASE_DSN"
_READER_DSN: Final = "KEMISCOPE_DATABASE_READER_DSN"


class Instance:
    """A stack under one directory (``var/`` for `make run`)."""

    def __init__(self, directory: Path, config: Path, postgres_port: int = POSTGRES_PORT) -> None:
        """``config`` is the settings file; it need not exist."""
        self.directory = directory
        self.config = config
        self.run = directory / "run"
        self.log = directory / "log"
        self.cluster = Cluster(directory / "postgres", postgres_port)

    def prepare(self) -> None:
        """Create directories and, unless the settings name a database, a private cluster.

        Raises KemiscopeError that says what is wrong.
        """
        for directory in (self.directory, self.run, self.log):
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        if self.private:
            if not self.cluster.exists and not ports.is_free(Endpoint("tcp", _HOST, POSTGRES_PORT)):
                self.cluster = Cluster(self.cluster.directory, ports.free_port())
            self.cluster.create()
            if not self.config.exists():
                self.config.touch(mode=0o600)
                self.config.write_text(self._first_config())

    @property
    def private(self) -> bool:
        """Whether the database is the private cluster: no DSN is set, or its own."""
        dsn = self._load(self._base_environment()).database.dsn
        return not dsn or (self.cluster.exists and dsn == self.cluster.dsn())

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._load(self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """The environment for every program of the stack."""
        environment = self._base_environment()
        if self.private and self.cluster.exists:
            environment.setdefault(_DSN, self.cluster.dsn())
            environment.setdefault(_READER_DSN, self.cluster.dsn(READER))
        return environment

    def check_ports(self) -> None:
        """Raise StackError for the first port that somebody else has."""
        loaded = self.settings
        for listen in loaded.hep.listen:
            ports.check_free(parse_endpoint(listen), "hep.listen in kemiscope.toml")
        for name in ("listen", "tls_listen"):
            if listen := getattr(loaded.web, name):
                host, port = parse_host_port(listen)
                ports.check_free(Endpoint("tcp", host, port), f"web.{name} in kemiscope.toml")
        if self.private:
            endpoint = Endpoint("tcp", _HOST, self.cluster.port)
            ports.check_free(endpoint, f"port in {self.cluster.access_file} and postgresql.conf")

    def migrate(self) -> int:
        """Bring the schema up to date; returns how many migrations were applied."""
        loaded = self.settings

        async def apply() -> int:
            async with await AsyncConnection.connect(
                loaded.database.dsn, autocommit=True, connect_timeout=10
            ) as connection:
                applied = await migrate.migrate(connection)
                await migrate.grant_reader(connection, loaded.database.reader_dsn)
                return len(applied)

        try:
            return asyncio.run(apply())
        except Error as error:
            message = f"database.dsn: {error}".strip()
            raise StackError(message) from error

    def first_user(self) -> str:
        """If nobody can sign in yet, make the user admin; returns what tells the password."""
        role = ("--role", "admin", "--unless-any")
        return self.webapi_command("user", "add", FIRST_USER, *role)

    def webapi_command(self, *arguments: str) -> str:
        """What a command of the web API prints. Raises StackError when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "webapi", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = f"python -m webapi {' '.join(arguments)}: {done.stderr.strip()}"
            raise StackError(message)
        return done.stdout.strip()

    def _base_environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.config.exists():
            environment[CONFIG_VARIABLE] = str(self.config.absolute())
        else:
            environment.pop(CONFIG_VARIABLE, None)
            environment.setdefault("KEMISCOPE_JOURNAL_DIRECTORY", str(self.directory / "journal"))
        return environment

    def _load(self, environment: Mapping[str, str]) -> Settings:
        path = self.config if self.config.exists() else None
        return settings.load(path, environment)

    def _first_config(self) -> str:
        return (
            "# Made by `make run`. kemiscope.sample.toml explains every setting.\n\n"
            f'[journal]\ndirectory = "{self.directory.absolute() / "journal"}"\n\n'
            "[database]\n"
            f'dsn = "{self.cluster.dsn()}"\n'
            f'reader_dsn = "{self.cluster.dsn(READER)}"\n\n'
            "# Where a B2BUA names the other leg of a call, as sipcapture has it.\n"
            '[correlation]\nheaders = ["X-CID"]\n'
        )
