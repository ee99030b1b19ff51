# SPDX-License-Identifier: GPL-2.0-or-later
"""``kill -9`` at random moments under load: every journaled message is stored exactly once."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from bench.load import Load
from collector.journal.counters import Counters, Field, Role
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.system.counts import node, wait_until_all_stored

ROUNDS = 20
RATE = 4_000
ROUND_S = 2.0
SEED = int.from_bytes(os.urandom(4))
VICTIMS = ("worker", "ingest", "backend", "kamailio")


def test_twenty_rounds_of_kill(make_trial: MakeTrial) -> None:
    """UDP worker, ingest, PostgreSQL backend and the whole Kamailio, five times each."""
    chance = random.Random(SEED)
    trial = make_trial(ingest={"batch_messages": 500})
    trial.start_database()
    trial.start_capture()
    count = int(RATE * ROUND_S)
    for number in range(ROUNDS):
        load = Load(trial.hep_port, count, RATE, first=number * count)
        try:
            time.sleep(chance.uniform(0.1, ROUND_S - 0.2))
            _kill(trial, VICTIMS[number % len(VICTIMS)])
            _restart_if_ended(trial)
            load.wait(30)
        finally:
            load.stop()

    journaled = _journaled(trial)
    assert journaled > ROUNDS * count // 4, "the load hardly reached the journal: nothing was shown"
    wait_until_all_stored(trial, journaled)
    counts = node(trial)
    assert counts["unaccounted"] == 0, f"seed {SEED}"
    assert counts["journal_damaged"] == 0
    assert counts["stored"] == _journaled(trial)
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT via_branch) FROM sip_message"
        ).fetchone()
    assert found == (counts["stored"], counts["stored"])


def _kill(trial: Trial, victim: str) -> None:
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


def _restart_if_ended(trial: Trial) -> None:
    """What a service manager does. PostgreSQL restarts its backends by itself."""
    assert trial.kamailio is not None
    assert trial.kamailio.process is not None
    deadline = time.monotonic() + 3
    while trial.kamailio.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if trial.kamailio.process.poll() is not None:
        trial.kamailio.clean_up()
        trial.start_capture()


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


def _journaled(trial: Trial) -> int:
    counters = Counters(trial.directory / "journal")
    total = sum(counters.slot(number)[Field.JOURNALED] for number in counters.used_slots())
    counters.close()
    return total
