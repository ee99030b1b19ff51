# SPDX-License-Identifier: GPL-2.0-or-later
"""Kamailio's ``sipcapture`` as a target: the same kind of PostgreSQL, its own table."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import measure
from bench.target import Target
from collector.settings import Settings
from stack.errors import StackError
from stack.ports import free_port
from stack.postgres import Cluster
from stack.service import PRIVATE_MEMORY, Service, kamailio_program

HERE: Final = Path(__file__).resolve().parent
ASYNC_WORKERS: Final = 2
_START_S: Final = 20.0
_POLL_S: Final = 0.05
_QUIET_S: Final = 1.0
_INSERT_MODES: Final = {"insert": 0, "delayed": 1, "async": 2}


@dataclass(frozen=True, slots=True)
class Variant:
    """How the rival is set up. The defaults are its best known form with all of its indexes."""

    name: str
    workers: int = Settings().hep.workers
    mode: str = "insert"
    indexes: bool = True
    synchronous_commit: bool = False


class Sipcapture(Target):
    """A Kamailio with ``sipcapture`` and ``db_postgres``."""

    tables = ("sip_capture",)
    messages = """
        SELECT xmin, via_1_branch AS number, to_timestamp(micro_ts / 1e6) AS sent_at
          FROM sip_capture
    """

    def __init__(self, variant: Variant, directory: Path, postgres: str = "") -> None:
        """``postgres`` is added to postgresql.conf."""
        self.name = f"sipcapture, {variant.name}"
        self.port = free_port(socket.SOCK_DGRAM)
        self.cluster = Cluster(directory / "postgres", free_port())
        self._variant = variant
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        commit = "on" if variant.synchronous_commit else "off"
        self.cluster.create(f"synchronous_commit = {commit}\n{postgres}")
        self._kamailio = Service(
            "sipcapture",
            [
                *(kamailio_program(), "-f", str(HERE / "kamailio.cfg"), *PRIVATE_MEMORY),
                *("-DD", "-E", "-Y", str(directory)),
            ],
            directory=directory,
            environment=os.environ,
        )

    def start(self) -> None:
        """Start both, and wait until every worker has its connection to the database."""
        with (self._directory / "postgres.log").open("ab") as log:
            self.cluster.start(log)
        self.cluster.wait_ready()
        self.cluster.create_database()
        names = ["schema.sql", *(["indexes.sql"] if self._variant.indexes else [])]
        for name in names:
            self.connection.execute((HERE / name).read_bytes())
        self._write_settings()
        with (self._directory / "kamailio.log").open("ab") as log:
            process = self._kamailio.start(log)
        deadline = time.monotonic() + _START_S
        while self._connections() < self._variant.workers:
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"Kamailio with sipcapture did not start; see {self._directory}"
                raise StackError(message)
            time.sleep(_POLL_S)
        time.sleep(_QUIET_S)

    def stop(self) -> None:
        """Stop everything."""
        self.disconnect()
        self._kamailio.stop()
        self.cluster.stop()

    def settings(self) -> str:
        """With the rival's own."""
        found = self._variant
        return f"{super().settings()}; {found.workers} UDP workers, db_insert_mode {found.mode}"

    def groups(self) -> dict[str, list[int]]:
        """All of Kamailio: its UDP workers do everything."""
        process = self._kamailio.process
        return {"Kamailio": measure.tree(process.pid) if process else []}

    def settle(self, sent: int, timeout_s: float) -> float:  # noqa: ARG002 (it loses some)
        """Wait until its socket is empty and no row has been added for a while."""
        started = changed = time.monotonic()
        last = self._last_id()
        while time.monotonic() < min(changed + _QUIET_S, started + timeout_s):
            time.sleep(_POLL_S)
            newest = self._last_id()
            if newest != last or measure.udp_socket(self.port).queued_octets:
                last, changed = newest, time.monotonic()
        return time.time() - (time.monotonic() - changed)

    def causes(self) -> dict[str, int]:
        """It counts nothing that is lost."""
        return {}

    def unaccounted(self) -> None:
        """It keeps no balance."""

    def _write_settings(self) -> None:
        info = self.connection.info
        url = f"postgres://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
        lines = [
            f"#!define HEP_WORKERS {self._variant.workers}",
            f"#!define SOCKET_BUFFER {Settings().hep.socket_buffer}",
            f"#!define INSERT_MODE {_INSERT_MODES[self._variant.mode]}",
            f'#!substdef "!HEP_PORT!{self.port}!g"',
            f'#!substdef "!DB_URL!{url}!g"',
        ]
        if self._variant.mode == "async":
            lines.append(f"#!define ASYNC_WORKERS {ASYNC_WORKERS}")
        path = self._directory / "rival-settings.cfg"
        path.touch(mode=0o600)
        path.write_text("\n".join(lines) + "\n")

    def _connections(self) -> int:
        """Connections of the database's user other than ours."""
        found = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        ).fetchone()
        return int(found[0]) if found else 0

    def _last_id(self) -> int:
        found = self.connection.execute("SELECT last_value FROM sip_capture_id_seq").fetchone()
        return int(found[0]) if found else 0
