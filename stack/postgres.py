# SPDX-License-Identifier: GPL-2.0-or-later
"""A private PostgreSQL cluster: own directory, own port, own passwords, loopback only."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from collector.provision.create import create
from collector.provision.wanted import Wanted
from stack.errors import StackError

MIN_VERSION: Final = 15
DATABASE: Final = "kemiscope"
WRITER: Final = "kemiscope_writer"
READER: Final = "kemiscope_reader"
_ADMIN: Final = "kemiscope_admin"
_SYSTEM_USER: Final = "postgres"
_START_S: Final = 60

_CONFIGURATION: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 50
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
wal_compression = lz4
password_encryption = scram-sha-256
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
"""


class Cluster:
    """One cluster under ``directory``; ``port`` is used when it is created."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.access_file = directory / "access.json"
        self._data = directory / "data"
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def exists(self) -> bool:
        """Whether it was created before."""
        return self.access_file.exists()

    @property
    def port(self) -> int:
        """Its TCP port on 127.0.0.1."""
        return int(self._access()["port"]) if self.exists else self._wanted_port

    @property
    def pid(self) -> int:
        """Of the running server."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def dsn(self, user: str = WRITER) -> str:
        """Connection string for a role, its password included."""
        access = self._access()
        return make_conninfo(
            "",
            host="127.0.0.1",
            port=access["port"],
            user=user,
            password=access[user],
            dbname="postgres" if user == _ADMIN else DATABASE,
        )

    def create(self, extra: str = "") -> None:
        """Create the cluster's files if there are none; ``extra`` is added to postgresql.conf."""
        if self.exists:
            return
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        access = {name: secrets.token_urlsafe(24) for name in (_ADMIN, WRITER, READER)}
        with self._runnable() as (data, options):
            password_file = os.memfd_create("password")
            os.write(password_file, access[_ADMIN].encode())
            os.lseek(password_file, 0, os.SEEK_SET)
            os.fchmod(password_file, 0o444)
            options["pass_fds"] += (password_file,)
            command = [
                *(binary("initdb"), "-D", data, "-U", _ADMIN, "-A", "scram-sha-256"),
                *(f"--pwfile=/proc/self/fd/{password_file}", "-E", "UTF8", "--locale=C"),
                *("--no-instructions",),
            ]
            made = subprocess.run(
                command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
            )
            os.close(password_file)
        if made.returncode:
            message = f"initdb failed: {made.stdout.decode(errors='replace').strip()}"
            raise StackError(message)
        self._configure(_CONFIGURATION, extra, access)

    def copy(self, model: Cluster, extra: str = "") -> None:
        """The same with all that a stopped one has, roles and passwords included."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = ["cp", "--archive", "--no-target-directory", str(model._data), str(self._data)]
        subprocess.run(command, check=True)
        self._configure("", extra, model._access())

    def _configure(self, configuration: str, extra: str, access: dict[str, Any]) -> None:
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(f"{configuration}port = {self._wanted_port}\n{extra}")
        self.access_file.touch(mode=0o600)
        self.access_file.write_text(json.dumps({**access, "port": self._wanted_port}))

    def start(self, log: Any = None) -> subprocess.Popen[bytes]:
        """Start the server; ``log`` is where its output goes. Does not wait until it answers."""
        with self._runnable() as (data, options):
            self._process = subprocess.Popen(
                [binary("postgres"), "-D", data],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        return self._process

    def wait_ready(self, timeout_s: float = _START_S) -> None:
        """Wait until it accepts connections. Raises StackError when it does not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with psycopg.connect(self.dsn(_ADMIN), connect_timeout=2):
                    return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    message = f"PostgreSQL under {self.directory} does not answer: {error}"
                    raise StackError(message) from error
                time.sleep(0.1)

    def create_database(self) -> None:
        """Create the two roles and the database if they are missing."""
        with psycopg.connect(self.dsn(_ADMIN), autocommit=True) as connection:
            for _ in create(connection, Wanted(self.dsn(), self.dsn(READER))):
                pass

    def rename_database(self, name: str, to: str) -> None:
        """Rename a database, if it is there and no other one has the new name."""
        with psycopg.connect(self.dsn(_ADMIN), autocommit=True) as connection:
            found = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            if name in found and to not in found:
                statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(to)))

    def stop(self, how: signal.Signals = signal.SIGINT, timeout_s: float = 30) -> None:
        """Stop a server that this object started; SIGINT is PostgreSQL's fast shutdown."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def clean_up(self) -> None:
        """Backends end by themselves when the server is gone: nothing to do."""

    def _access(self) -> dict[str, Any]:
        access: dict[str, Any] = json.loads(self.access_file.read_text())
        return access

    @contextmanager
    def _runnable(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The data directory's name and the options for a server program.

        PostgreSQL refuses to run as root, so root runs it as the user of the package. That user
        may be unable to pass the directories above ours (a clone below /root or in a `mktemp -d`),
        so the data directory is opened here and handed over as a descriptor.
        """
        descriptor = os.open(self._data, os.O_RDONLY | os.O_DIRECTORY)
        options: dict[str, Any] = {"cwd": "/", "pass_fds": (descriptor,)}
        try:
            if os.geteuid() == 0:
                try:
                    owner = pwd.getpwnam(_SYSTEM_USER)
                except KeyError:
                    message = (
                        "PostgreSQL does not run as root and the user postgres is missing: "
                        "install the package postgresql"
                    )
                    raise StackError(message) from None
                os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
                options |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            yield f"/proc/self/fd/{descriptor}", options
        finally:
            os.close(descriptor)


def binary(name: str) -> str:
    """Path of a server program of the newest installed PostgreSQL."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
        key=lambda path: int(path.parent.parent.name),
    )
    if not found or int(found[-1].parent.parent.name) < MIN_VERSION:
        message = f"PostgreSQL {MIN_VERSION} or newer is missing: install the package postgresql"
        raise StackError(message)
    return str(found[-1])
