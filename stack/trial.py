# SPDX-License-Identifier: GPL-2.0-or-later
"""A stack for tests and benchmarks: own directory, free ports, each part started when wanted."""

from __future__ import annotations

import atexit
import functools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow

from collector.settings.endpoint import ENCRYPTED
from collector.settings.show import toml_value
from stack import certificate, service
from stack.errors import StackError
from stack.instance import Instance
from stack.ports import free_port
from stack.postgres import DATABASE, Cluster
from stack.service import Service

_START_S: Final = 20.0
_PREPARED: Final = "kemiscope_prepared"
"""A database with the schema, which a trial that wants one takes as its own."""


class Trial(Instance):
    """Parts of a stack that a test starts, stops and kills one by one."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        postgres: str = "",
        streams: Sequence[str] = (),
    ) -> None:
        """``settings`` are added to the settings file, ``postgres`` to postgresql.conf; with a
        ``database.dsn`` among them there is no cluster of its own.

        ``streams`` are protocols (tls, ws, wss) to listen for beside UDP and TCP.
        """
        super().__init__(directory, directory / "kemiscope.toml", free_port())
        self.hep_port = free_port(socket.SOCK_DGRAM)
        self.web_port = free_port()
        self.kamailio: Service | None = None
        self.webapi: Service | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.ports = dict.fromkeys(("udp", "tcp"), self.hep_port)
        """Where HEP comes in, by protocol."""
        self.ports |= {protocol: free_port() for protocol in streams}
        listen = [f"{protocol}:127.0.0.1:{port}" for protocol, port in self.ports.items()]
        sections: dict[str, dict[str, Any]] = {
            "hep": {"listen": listen},
            "tls": self._tls() if set(streams).intersection(ENCRYPTED) else {},
            "journal": {"directory": str(directory / "journal"), "min_free_bytes": 0},
            # Most trials look at other things; those of sign-in say so.
            "web": {"listen": f"127.0.0.1:{self.web_port}", "sign_in": "off"},
        }
        for section, values in (settings or {}).items():
            sections.setdefault(section, {}).update(values)
        self.config.write_text(_toml(sections))
        for path in (self.run, self.log):
            path.mkdir(exist_ok=True)
        if "dsn" not in sections.get("database", {}):
            self.cluster.copy(_model(), postgres)

    def start_database(self, *, migrate: bool = True) -> None:
        """Start PostgreSQL and wait for it; create database and schema if they are missing."""
        with (self.log / "postgres.log").open("ab") as log:
            self.cluster.start(log)
        self.cluster.wait_ready()
        if migrate:
            self.cluster.rename_database(_PREPARED, DATABASE)
        self.cluster.create_database()
        if migrate:
            self.migrate()

    def launch_capture(self) -> Service:
        """Start the capture Kamailio; does not wait for it."""
        self.kamailio = service.kamailio(
            self.settings,
            directory=self.run,
            # As service managers and containers start it: Python within Kamailio reads text by it.
            environment=self.environment | {"LC_ALL": "C"},
        )
        with (self.log / "kamailio.log").open("ab") as log:
            self.kamailio.start(log)
        return self.kamailio

    def start_capture(self) -> None:
        """Start the capture Kamailio and wait until its sockets take packets."""
        program = self.launch_capture()
        self.wait(self._hep_is_open, "Kamailio to listen", program.process)

    def start_webapi(self) -> None:
        """Start the web API and wait for its port."""
        self.webapi = service.webapi(environment=self.environment)
        with (self.log / "webapi.log").open("ab") as log:
            process = self.webapi.start(log)
        self.wait(lambda: _accepts(self.web_port), "the web API to listen", process)

    def stop(self) -> None:
        """Stop all parts, PostgreSQL without a checkpoint: its next start may recover."""
        for part in (self.webapi, self.kamailio):
            if part:
                part.stop()
        self.cluster.stop(signal.SIGQUIT)

    def connect(self) -> psycopg.Connection[TupleRow]:
        """A connection of the writer's role, in autocommit mode."""
        return psycopg.connect(self.cluster.dsn(), autocommit=True)

    def wait(
        self,
        condition: Callable[[], bool],
        what: str,
        process: subprocess.Popen[bytes] | None = None,
        timeout_s: float = _START_S,
    ) -> None:
        """Wait until ``condition``; raises StackError when the time is up or ``process`` ends."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if process and process.poll() is not None:
                message = f"waiting for {what}: the program ended; see {self.log}"
                raise StackError(message)
            if time.monotonic() > deadline:
                message = f"waited {timeout_s:.0f} s for {what}; see {self.log}"
                raise StackError(message)
            time.sleep(0.05)

    def _tls(self) -> dict[str, str]:
        made = certificate.make(self.directory / "certificates", "node")
        return {"certificate": str(made.certificate), "key": str(made.key)}

    def _hep_is_open(self) -> bool:
        # The listener process starts last: when TCP answers, the UDP workers have long been there.
        return _accepts(self.hep_port)


@functools.cache
def _model() -> Cluster:
    """A stopped cluster, and in it the schema: a copy takes a tenth of the time of a new one."""
    directory = Path(tempfile.mkdtemp(prefix="kemiscope-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    made = Instance(directory, directory / "kemiscope.toml", free_port())
    made.cluster.create()
    with (directory / "postgres.log").open("wb") as log:
        made.cluster.start(log)
    try:
        made.cluster.wait_ready()
        made.cluster.create_database()
        made.migrate()
        made.cluster.rename_database(DATABASE, _PREPARED)
    finally:
        made.cluster.stop()
    return made.cluster


def _accepts(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {toml_value(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"
