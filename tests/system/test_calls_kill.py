# SPDX-License-Identifier: GPL-2.0-or-later
"""``kill -9`` in the middle of 1,000 running calls: their rows are as if nothing had happened."""

from __future__ import annotations

import os
import random
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

from stack.trial import Trial
from tests import flow
from tests.fix_calls import repeats
from tests.fix_trial import MakeTrial
from tests.flow import Flow, Message
from tests.flow_rows import call_row
from tests.system.counts import node
from tests.system.victims import journaled, kill, restart_if_ended

CALLS = 1000
KILLS = 9
VICTIMS = ("ingest", "kamailio", "backend")
FLOWS = ("hold", "two-proxies", "fork-early-dialogs", "no-answer", "proxy-authentication")
"""Flows that all run at a moment: the longest set-up is shorter than the shortest call."""
BURST = 100
SEED = int.from_bytes(os.urandom(4))


def test_a_thousand_running_calls(make_trial: MakeTrial) -> None:
    """Ingest, the whole node and PostgreSQL's backends, three times each, at random moments.

    What has reached the journal is there; what a socket holds when its owner dies is not, so each
    burst is waited for.
    """
    chance = random.Random(SEED)
    trial = make_trial()
    trial.start_database()
    trial.start_capture()
    begins = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=2)
    flows = [flow.load(FLOWS[run % len(FLOWS)], run, begins) for run in range(1, CALLS + 1)]
    messages = sorted((m for read in flows for m in read.messages), key=lambda message: message.us)
    moments = sorted(chance.sample(range(len(messages) // BURST), KILLS))
    assert any(_all_run(flows, messages[moment * BURST].us) for moment in moments)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", trial.hep_port))
        for number, begin in enumerate(range(0, len(messages), BURST)):
            sent = messages[begin : begin + BURST]
            for message in sent:
                sender.send(message.packet)
            _wait_until_journaled(trial, begin + len(sent))
            if number in moments:
                time.sleep(chance.uniform(0, 1))
                victim = VICTIMS[moments.index(number) % len(VICTIMS)]
                kill(trial, victim)
                restart_if_ended(trial, victim)

    _wait_until_written(trial, len(messages))
    _check(trial, flows, messages)


def _check(trial: Trial, flows: list[Flow], messages: list[Message]) -> None:
    with trial.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM call").fetchall()
    rows = {row["call_id"]: row for row in found}
    assert len(found) == len(rows) == CALLS, f"seed {SEED}"
    for read in flows:
        (expected,) = read.calls
        wanted = _without_ids(call_row(read, expected))
        row = rows[wanted["call_id"]]
        assert {name: row[name] for name in wanted} == wanted, f"seed {SEED}"
        assert repeats(row) == 0
    counts = node(trial)
    assert (counts["stored"], counts["unaccounted"]) == (len(messages), 0)


def _without_ids(wanted: dict[str, Any]) -> dict[str, Any]:
    """Ids are times of arrival, which the flow does not know; delays have a fraction."""
    kept = {}
    for name, value in wanted.items():
        if name == "call_id" or not name.endswith("_id"):
            kept[name] = round(value, 3) if isinstance(value, float) else value
    return kept


def _all_run(flows: list[Flow], us: int) -> bool:
    return all(read.messages[0].us < us < read.messages[-1].us for read in flows)


def _wait_until_journaled(trial: Trial, count: int) -> None:
    trial.wait(lambda: journaled(trial) >= count, f"{count} packets in the journal")


def _wait_until_written(trial: Trial, count: int) -> None:
    """All messages are in rows of calls, and the node has published that nothing waits."""

    def done() -> bool:
        try:
            with trial.connect() as connection:
                found = connection.execute("SELECT sum(messages) FROM call").fetchone()
            counts = node(trial)
        except psycopg.OperationalError:  # PostgreSQL recovers from the loss of a backend
            return False
        stored = counts["stored"] >= count and counts["waiting"] == 0
        return found is not None and (found[0] or 0) >= count and stored

    trial.wait(done, f"{count} messages in the rows of calls", timeout_s=60)
