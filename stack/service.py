# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs of the stack as things that can be started and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from collector import kamailio_settings
from collector.settings import Settings
from stack.errors import StackError

ROOT: Final = Path(__file__).resolve().parent.parent
KAMAILIO_CFG: Final = ROOT / "kamailio.cfg"
PRIVATE_MEMORY: Final = ("-x", "fm")
"""Kamailio's manager of a process' own memory. The default one, made for finding faults, looks
through what is free for each packet, which takes 2 µs."""
STOP_S: Final = 15
_SYSTEM_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


class Service:
    """One program with its own process group; its children end with it."""

    def __init__(
        self, name: str, command: Sequence[str], *, directory: Path, environment: Mapping[str, str]
    ) -> None:
        """``directory`` is the working directory, ``environment`` the whole environment."""
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._directory = directory
        self._environment = environment

    def start(self, log: Any = None) -> subprocess.Popen[bytes]:
        """Start it; ``log`` is where its output goes."""
        try:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            message = f"the program {error.filename} is missing: run `make install`"
            raise StackError(message) from error
        return self.process

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Ask it to end, then end it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.clean_up()

    def kill(self) -> None:
        """End it and its children at once, as a power cut would."""
        self.clean_up()
        if self.process:
            self.process.wait()

    def clean_up(self) -> None:
        """End what the program left running when it ended."""
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Services:
    """Programs that work, and keep their logs, in one directory, and end together."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[Service] = []

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start one more, with this process's environment; its output goes to ``name``.log."""
        service = Service(name, command, directory=self.directory, environment=os.environ)
        with (self.directory / f"{name}.log").open("wb") as log:
            service.start(log)
        self._started.append(service)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop all of them."""
        for service in self._started:
            service.stop(timeout_s)


def kamailio(settings: Settings, *, directory: Path, environment: Mapping[str, str]) -> Service:
    """The capture Kamailio; its settings file and sockets are kept in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    text = kamailio_settings.render(settings)
    (directory / kamailio_settings.FILE_NAME).write_text(text)
    command = [
        *(kamailio_program(), "-f", str(KAMAILIO_CFG), *PRIVATE_MEMORY),
        *("-DD", "-E", "-Y", str(directory)),
    ]
    return Service("kamailio", command, directory=directory, environment=system_python(environment))


def system_python(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that embeds the Python of the distribution.

    That Python looks for its library beside the first ``python3`` in PATH, which may be that of
    pyenv, conda or an active virtual environment, and fails there on the first compiled module.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("PYTHON")}
    return kept | {"PATH": _SYSTEM_PATH}


def kamailio_program() -> str:
    """Path of Kamailio; not every user's PATH has the sbin directories."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:" + _SYSTEM_PATH
    return shutil.which("kamailio", path=path) or "kamailio"


def webapi(*, environment: Mapping[str, str]) -> Service:
    """The web API."""
    command = [sys.executable, "-m", "webapi"]
    return Service("webapi", command, directory=ROOT, environment=environment)
