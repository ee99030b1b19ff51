# SPDX-License-Identifier: GPL-2.0-or-later
"""Real calls through real proxies give their rows: one per leg, whoever captured them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from psycopg.rows import dict_row

from stack.trial import Trial
from tests.busy_ingest import busy_ingest
from tests.system import phones
from tests.system.phones import Phones, call_ids

MANY = 20
_PROMPT_S = 1.0
"""A row follows its messages within this time."""


class Placed(NamedTuple):
    """Calls of one kind, and what their rows must say."""

    name: str
    scenario: str
    number: str
    state: str
    status: int
    ended_by: str | None
    messages: int
    """Through one proxy, which sees every message twice and its own replies once."""
    calls: int = MANY
    refused: int = 0


CALLS = (
    Placed("answered", "uac_answered", phones.ANSWERS, "completed", 200, "caller", 13),
    Placed("busy", "uac_refused", phones.BUSY, "busy", 486, None, 7, refused=486),
    Placed("cancelled", "uac_cancel", phones.RINGS, "cancelled", 487, "caller", 13),
    Placed("unknown", "uac_refused", phones.UNKNOWN, "failed", 404, None, 3, refused=404),
    Placed("silent", "uac_refused", phones.RINGS, "failed", 408, None, 11, 5, 408),
    Placed("held", "uac_hold", phones.ANSWERS, "completed", 200, "caller", 20, 5),
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A capture node with two ingest processes, which share many short segments."""
    settings: dict[str, dict[str, Any]] = {
        "ingest": {"processes": 2},
        "journal": {"segment_seconds": "1s"},
    }
    made = Trial(tmp_path_factory.mktemp("calls"), settings)
    try:
        made.start_database()
        made.start_capture()
        with busy_ingest(Path(made.settings.journal.directory)):
            yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def rows(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The rows of all ``CALLS``, placed at once through one proxy."""
    with Phones(tmp_path_factory.mktemp("phones")) as placing:
        proxy = placing.proxy(trial.hep_port, placing.callees())
        placing.finish(
            *(
                placing.place(
                    *(proxy, call.name, call.scenario, call.number),
                    count=call.calls,
                    status=call.refused,
                )
                for call in CALLS
            )
        )
        wanted = sum(call.messages * call.calls for call in CALLS)
        _wait_for_messages(trial, wanted)
    return _rows(trial)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_calls_give_their_rows(rows: dict[str, dict[str, Any]], call: Placed) -> None:
    """State, status, who ended it, and every message counted once."""
    for call_id in call_ids(call.name, call.calls):
        row = rows[call_id]
        assert (row["state"], row["status"], row["ended_by"], row["messages"]) == (
            *(call.state, call.status, call.ended_by, call.messages),
        ), call_id
        assert (row["caller"], row["callee"]) == ("caller", call.number)
        assert row["pdd_ms"] > 0
        if call.status == 200:
            assert row["setup_ms"] >= row["pdd_ms"]
            assert row["duration_ms"] == pytest.approx(
                (row["bye_at"] - row["answered_at"]) / timedelta(milliseconds=1), abs=1e-3
            )
            assert row["caller_codecs"] == row["callee_codecs"] == "PCMA"
        assert (row["held_at"] is not None) == (call.name == "held")


def test_there_is_one_row_per_leg(rows: dict[str, dict[str, Any]], trial: Trial) -> None:
    """Although both sides of the proxy were captured, and two processes stored messages."""
    assert len(rows) == sum(call.calls for call in CALLS)
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT count(*) FROM (SELECT call_id FROM sip_message_call"
            " GROUP BY call_id HAVING count(DISTINCT id % 64) > 1) AS spread"
        ).fetchone()
        assert found
        assert found[0] > 0, "no call came through two receiving processes: nothing was shown"
        found = connection.execute(
            "SELECT count(DISTINCT process) FROM ingest_counter WHERE cause = 'stored'"
        ).fetchone()
    assert found == (2,)


def test_rows_follow_their_messages_within_a_second(trial: Trial, tmp_path: Path) -> None:
    """As seen by somebody who looks all the time: half of the calls at least, on a busy machine."""
    lags: dict[tuple[str, str], float] = {}
    with Phones(tmp_path) as placing, trial.connect() as connection:
        proxy = placing.proxy(trial.hep_port, placing.callees())
        caller = placing.place(proxy, "prompt", "uac_answered", phones.ANSWERS, count=2 * MANY)
        deadline = time.monotonic() + 60
        while not _all_ended(lags) and time.monotonic() < deadline:
            found = connection.execute(
                "SELECT call_id, state, extract(epoch FROM clock_timestamp() - last_at)::float8"
                " FROM call WHERE call_id LIKE 'prompt-%' AND state IN ('answered', 'completed')"
            ).fetchall()
            for call_id, state, lag in found:
                lags.setdefault((call_id, state), lag)
            time.sleep(0.02)
        placing.finish(caller)
    assert _all_ended(lags)
    while_running = [lag for (_, state), lag in lags.items() if state == "answered"]
    at_the_end = [lag for (_, state), lag in lags.items() if state == "completed"]
    assert len(while_running) > MANY
    assert statistics.median(while_running) < _PROMPT_S
    assert statistics.median(at_the_end) < _PROMPT_S


def test_two_capture_nodes_make_one_row(trial: Trial, tmp_path: Path) -> None:
    """Two proxies in a row, each traced to a node of its own; both see what goes between them."""
    dsn = {"dsn": trial.cluster.dsn(), "reader_dsn": trial.cluster.dsn("kemiscope_reader")}
    second = Trial(tmp_path / "second", {"database": dsn, "node": {"name": "second"}})
    try:
        second.start_capture()
        with Phones(tmp_path / "phones") as placing:
            inner = placing.proxy(second.hep_port, placing.callees())
            # The last digit of the number is 0, so the outer proxy calls the inner one.
            outer = placing.proxy(trial.hep_port, inner)
            before = _stored(trial)
            placing.finish(
                placing.place(outer, "nodes", "uac_answered", phones.ANSWERS, count=MANY)
            )
            # Each proxy's 13, and the 100 of the inner one that the outer one gets.
            _wait_for_messages(trial, before + 27 * MANY)
    finally:
        second.stop()
    found = {call_id: row for call_id, row in _rows(trial).items() if call_id.startswith("nodes")}
    assert sorted(found) == sorted(call_ids("nodes", MANY))
    for row in found.values():
        assert (row["state"], row["status"], row["ended_by"], row["messages"]) == (
            *("completed", 200, "caller", 27),
        )
    with trial.connect() as connection:
        count = connection.execute("SELECT count(*) FROM capture_node").fetchone()
    assert count == (2,)


def _all_ended(lags: Mapping[tuple[str, str], float]) -> bool:
    return sum(state == "completed" for _, state in lags) == 2 * MANY


def _stored(trial: Trial) -> int:
    """Messages of calls whose rows are written, by what the rows say."""
    with trial.connect() as connection:
        found = connection.execute("SELECT coalesce(sum(messages), 0) FROM call").fetchone()
    assert found
    return int(found[0])


def _wait_for_messages(trial: Trial, wanted: int) -> None:
    trial.wait(lambda: _stored(trial) >= wanted, f"{wanted} messages in the rows of calls")


def _rows(trial: Trial) -> dict[str, dict[str, Any]]:
    """The rows of all calls; no Call-ID may have two."""
    with trial.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT * FROM call").fetchall()
    rows = {row["call_id"]: row for row in found}
    assert len(rows) == len(found)
    return rows
