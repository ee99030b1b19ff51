# SPDX-License-Identifier: GPL-2.0-or-later
"""``kill -9`` for the processes of a trial, and what a service manager does afterwards."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Final

from collector.journal.counters import Counters, Field, Role
from collector.settings.endpoint import Endpoint
from stack.ports import is_free
from stack.trial import Trial

_END_S: Final = 30.0


def kill(trial: Trial, victim: str) -> None:
    """Kill a process by its role: worker, ingest, backend (PostgreSQL's) or all of kamailio."""
    assert trial.kamailio is not None
    if victim == "kamailio":
        trial.kamailio.kill()
    elif victim == "backend":
        with trial.connect() as connection:
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'kemiscope ingest%'"
            ).fetchone()
        if row:
            os.kill(row[0], signal.SIGKILL)
    else:
        role = Role.UDP if victim == "worker" else Role.INGEST
        os.kill(_pid(trial, role), signal.SIGKILL)


def restart_if_ended(trial: Trial, victim: str = "kamailio") -> None:
    """What a service manager does. PostgreSQL restarts its backends by itself.

    Kamailio ends a moment after one of its processes, which is waited for.
    """
    assert trial.kamailio is not None
    assert trial.kamailio.process is not None
    deadline = time.monotonic() + (0 if victim == "backend" else _END_S)
    while trial.kamailio.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if trial.kamailio.process.poll() is not None:
        trial.kamailio.clean_up()
        # A process that is slow to die still has its sockets, and takes packets with it.
        trial.wait(lambda: _is_unused(trial.hep_port), "the old sockets to go")
        trial.start_capture()


def journaled(trial: Trial) -> int:
    """Packets that the receiving processes have appended to the journal, ever."""
    counters = Counters(trial.directory / "journal")
    total = sum(counters.slot(number)[Field.JOURNALED] for number in counters.used_slots())
    counters.close()
    return total


def _is_unused(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        refused = probe.connect_ex(("127.0.0.1", port)) != 0
    return refused and is_free(Endpoint("udp", "127.0.0.1", port))


def _pid(trial: Trial, role: Role) -> int:
    """A process of this role; after a restart there may be none for a moment."""
    found: list[int] = []

    def look() -> bool:
        counters = Counters(trial.directory / "journal")
        pids = [
            counters.slot(number)[Field.PID]
            for number in counters.used_slots()
            if counters.slot(number)[Field.ROLE] == role
        ]
        counters.close()
        found.extend(pid for pid in pids if Path(f"/proc/{pid}").exists())
        return bool(found)

    trial.wait(look, f"a process of the role {role.name}")
    return found[0]
