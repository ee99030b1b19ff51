# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the programs of a stack running: what a service manager does, for `make run`.

A program that ends is started again, after a pause that grows while it keeps ending. Output goes to
rotated files, so that nothing here can fill the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final, Protocol

from stack import service
from stack.instance import Instance

LOG_BYTES: Final = 10 << 20
LOG_FILES: Final = 3
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
SETTLED_S: Final = 60.0
"""A program that ran for this long starts again without a pause worth mentioning."""
PID_FILE: Final = "supervisor.pid"


class Program(Protocol):
    """What the supervisor needs of a service or cluster."""

    def start(self, log: Any = None) -> subprocess.Popen[bytes]:
        """Start it."""

    def stop(self) -> None:
        """Stop it."""

    def clean_up(self) -> None:
        """End what it left running."""


class Supervisor:
    """Runs the programs of one instance until SIGTERM."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._stop = asyncio.Event()
        self._own_log = self._open_log("supervisor")

    async def run(self) -> None:
        """Start everything, keep it running, stop it in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        environment = self._instance.environment
        settings = self._instance.settings
        first: dict[str, Program] = {
            "kamailio": service.kamailio(
                settings, directory=self._instance.run, environment=environment
            ),
            "webapi": service.webapi(environment=environment),
        }
        database: dict[str, Program] = (
            {"postgres": self._instance.cluster} if self._instance.private else {}
        )
        keeping = [
            asyncio.create_task(self._keep(name, program))
            for name, program in (database | first).items()
        ]
        await self._stop.wait()
        for group in (first, database):
            await asyncio.gather(*(asyncio.to_thread(program.stop) for program in group.values()))
        await asyncio.gather(*keeping)

    async def _keep(self, name: str, program: Program) -> None:
        log = self._open_log(name)
        pid_file = self._instance.run / f"{name}.pid"
        pause = FIRST_PAUSE_S
        while not self._stop.is_set():
            started = time.monotonic()
            read_end, write_end = os.pipe()
            try:
                process = program.start(write_end)
            finally:
                os.close(write_end)
            pid_file.write_text(f"{process.pid}\n")
            copying = asyncio.create_task(_copy_lines(read_end, log))
            status = await asyncio.to_thread(process.wait)
            pid_file.unlink(missing_ok=True)
            program.clean_up()
            await copying
            if self._stop.is_set():
                return
            if time.monotonic() - started > SETTLED_S:
                pause = FIRST_PAUSE_S
            self._own_log.warning(
                "%s ended with status %d; started again in %.1f s", name, status, pause
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _open_log(self, name: str) -> logging.Logger:
        return open_log(name, self._instance.log / f"{name}.log")


def open_log(name: str, path: Path) -> logging.Logger:
    """A logger that writes to a rotated file; lines of other programs are written as they are."""
    logger = logging.getLogger(f"stack.{name}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    return logger


async def _copy_lines(descriptor: int, log: logging.Logger) -> None:
    """Copy a program's output to its log until it ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # longer than the reader's limit: a program's fault, not ours
            continue
        if not line:
            return
        log.info("%s", line.decode(errors="replace").rstrip())
