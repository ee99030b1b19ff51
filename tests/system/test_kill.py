# SPDX-License-Identifier: GPL-2.0-or-later
"""``kill -9`` at random moments under load: every journaled message is stored exactly once."""

from __future__ import annotations

import os
import random
import time

from bench.load import Load
from tests.fix_trial import MakeTrial
from tests.system.counts import node, wait_until_all_stored
from tests.system.victims import journaled, kill, restart_if_ended

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
            victim = VICTIMS[number % len(VICTIMS)]
            kill(trial, victim)
            restart_if_ended(trial, victim)
            load.wait(30)
        finally:
            load.stop()

    received = journaled(trial)
    assert received > ROUNDS * count // 4, "the load hardly reached the journal: nothing was shown"
    wait_until_all_stored(trial, received)
    counts = node(trial)
    assert counts["unaccounted"] == 0, f"seed {SEED}"
    assert counts["journal_damaged"] == 0
    assert counts["stored"] == journaled(trial)
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT via_branch) FROM sip_message"
        ).fetchone()
    assert found == (counts["stored"], counts["stored"])
