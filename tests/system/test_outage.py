# SPDX-License-Identifier: GPL-2.0-or-later
"""PostgreSQL away: nothing lost, nothing twice, and no restart needed."""

from __future__ import annotations

import time

from bench.load import Load
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.system.counts import node, wait_until_all_stored

RATE = 5_000
OUTAGE_S = 60


def test_postgres_stopped_for_a_minute_under_load(make_trial: MakeTrial) -> None:
    """5,000 messages a second go on for the whole outage and a while before and after."""
    trial = make_trial()
    trial.start_database()
    trial.start_capture()
    seconds = OUTAGE_S + 10
    load = Load(trial.hep_port, RATE * seconds, RATE)
    try:
        time.sleep(4)
        trial.cluster.stop()
        time.sleep(OUTAGE_S)
        trial.start_database()
        sent = load.wait(seconds)
    finally:
        load.stop()
    _check_exactly_once(trial, sent.sent)


def test_postgres_absent_at_start(make_trial: MakeTrial) -> None:
    """The capture node starts without its database and takes packets at once."""
    trial = make_trial()
    trial.start_database()
    trial.cluster.stop()
    trial.start_capture()
    sent = Load(trial.hep_port, 20_000, RATE).wait(30)
    time.sleep(3)
    trial.start_database()
    _check_exactly_once(trial, sent.sent)


def test_schema_absent_at_start(make_trial: MakeTrial) -> None:
    """Without the schema everything waits; `init-db` is enough to go on."""
    trial = make_trial()
    trial.start_database(migrate=False)
    trial.start_capture()
    sent = Load(trial.hep_port, 5_000, RATE).wait(30)
    time.sleep(3)
    trial.migrate()
    _check_exactly_once(trial, sent.sent)


def _check_exactly_once(trial: Trial, sent: int) -> None:
    wait_until_all_stored(trial, sent)
    counts = node(trial)
    assert counts["unaccounted"] == 0
    assert counts["kernel"] == 0
    assert counts["stored"] == sent
    with trial.connect() as connection:
        # via_branch holds the packet's number: each exactly once.
        assert connection.execute(
            "SELECT count(*), count(DISTINCT via_branch) FROM sip_message"
        ).fetchone() == (sent, sent)
