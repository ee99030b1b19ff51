# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m stack up | down | status | demo``: what the Makefile calls."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from collector.errors import KemiscopeError
from collector.settings.endpoint import parse_endpoint
from stack import selftest
from stack.errors import StackError
from stack.instance import Instance
from stack.service import ROOT
from stack.supervisor import PID_FILE, Supervisor

STOP_S: Final = 60


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "demo", "supervise"))
    options = parser.parse_args(arguments)
    instance = Instance(ROOT / "var", ROOT / "kemiscope.toml")
    commands = {
        "up": _up,
        "down": _down,
        "status": _status,
        "demo": _demo,
        "supervise": _supervise,
    }
    try:
        commands[options.command](instance)
    except KemiscopeError as error:
        sys.stderr.write(f"kemiscope: {error}\n")
        return 1
    return 0


def _up(instance: Instance) -> None:
    running = _supervisor_pid(instance)
    if running:
        _say("running", f"already, pid {running}")
    else:
        instance.prepare()
        instance.check_ports()
        with (instance.log / "supervisor.err").open("wb") as errors:
            subprocess.Popen(
                [sys.executable, "-m", "stack", "supervise"],
                cwd=ROOT,
                env=instance.environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
    if instance.private:
        instance.cluster.wait_ready()
        instance.cluster.create_database()
        _say("PostgreSQL", f"private, 127.0.0.1:{instance.cluster.port}, in {_short(instance)}")
    else:
        _say("PostgreSQL", "the one of database.dsn in the settings")
    applied = instance.migrate()
    _say("schema", f"{applied} migrations applied" if applied else "up to date")
    first_user = instance.first_user()
    if first_user:  # said at once: whatever fails after this, nobody will hear of it again
        _say("sign in", first_user)
        _say("", "shown only now; `python -m webapi user reset-password admin` makes another")
    seconds = selftest.run(instance.settings)
    _say("self test", f"one HEP packet sent, and read back through the API after {seconds:.2f} s")
    _status(instance)


def _down(instance: Instance) -> None:
    pid = _supervisor_pid(instance)
    if not pid:
        _stop_leftovers(instance)
        _say("stopped", "nothing was running")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _supervisor_pid(instance):
        if time.monotonic() > deadline:
            message = f"the supervisor (pid {pid}) does not end; see var/log/supervisor.log"
            raise StackError(message)
        time.sleep(0.1)
    _say("stopped", "what was captured is in the database, the rest waits in the journal")


def _status(instance: Instance) -> None:
    pid = _supervisor_pid(instance)
    if not pid:
        _say("stopped", "start it with `make run`")
        return
    settings = instance.settings
    listen = ", ".join(str(parse_endpoint(text)) for text in settings.hep.listen)
    _say("capture", f"HEP on {listen}")
    _say("pages", f"http://{settings.web.listen}/")
    _say("web API", f"http://{settings.web.listen}/api/v1/messages")
    if settings.web.tls_listen:
        _say("", f"https://{settings.web.tls_listen}/api/v1/messages")
    _say("", "look: `.venv/bin/python -m webapi --get /api/v1/status`; sign-in: docs/access.md")
    _say("settings", str(instance.config))
    _say("logs", str(instance.log))
    _say("next", "`make demo` places calls, `make doctor` examines, `make stop` stops")


def _demo(instance: Instance) -> None:
    from stack.demo import run  # noqa: PLC0415 (only this command needs SIPp)

    if not _supervisor_pid(instance):
        message = "the stack is not running: start it with `make run`"
        raise StackError(message)
    run(instance)


def _supervise(instance: Instance) -> None:
    pid_file = instance.run / PID_FILE
    pid_file.write_text(f"{os.getpid()}\n")
    try:
        asyncio.run(_run_supervisor(instance))
    finally:
        pid_file.unlink(missing_ok=True)


async def _run_supervisor(instance: Instance) -> None:
    await Supervisor(instance).run()


def _supervisor_pid(instance: Instance) -> int | None:
    return _live_pid(instance.run / PID_FILE, b"stack")


def _live_pid(pid_file: Path, word: bytes) -> int | None:
    """The process of a pid file if it lives and its command line has ``word``."""
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if word in command else None


def _stop_leftovers(instance: Instance) -> None:
    """End programs whose supervisor was killed."""
    for name, word in (("kamailio", b"kamailio"), ("webapi", b"webapi"), ("postgres", b"postgres")):
        pid = _live_pid(instance.run / f"{name}.pid", word)
        if pid:
            os.killpg(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
            _say("stopped", f"{name} (pid {pid}), left behind by a killed supervisor")
        (instance.run / f"{name}.pid").unlink(missing_ok=True)


def _short(instance: Instance) -> str:
    return os.path.relpath(instance.cluster.directory, ROOT)


def _say(what: str, text: str) -> None:
    sys.stdout.write(f"{what:<11} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
