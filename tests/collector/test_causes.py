# SPDX-License-Identifier: GPL-2.0-or-later
"""The causes: their numbers are on disk, their names are in databases and dashboards."""

from __future__ import annotations

from collector.causes import CAUSES, Cause, Outcome
from collector.journal.counters import MOST_CAUSES

GOLDEN = {
    "stored": (0, "stored"),
    "keepalive": (1, "filtered"),
    "not_hep": (2, "rejected"),
    "hep_length": (3, "rejected"),
    "hep_chunk": (4, "rejected"),
    "hep_field": (5, "rejected"),
    "hep_family": (6, "rejected"),
    "hep_inflate": (7, "rejected"),
    "password": (8, "rejected"),
    "store_refused": (9, "rejected"),
    "kernel": (10, "dropped"),
    "journal_full": (11, "dropped"),
    "disk_full": (12, "dropped"),
    "journal_write": (13, "dropped"),
    "kemi_fault": (14, "dropped"),
    "worker_killed": (15, "dropped"),
    "journal_damaged": (16, "dropped"),
    "unreadable": (17, "dropped"),
    "filter_address": (18, "filtered"),
    "filter_method": (19, "filtered"),
    "filter_user_agent": (20, "filtered"),
    "filter_expression": (21, "filtered"),
    "sampled_out": (22, "filtered"),
    "duplicate": (23, "duplicate"),
    "hook_dropped": (24, "filtered"),
    "sender_network": (25, "rejected"),
    "sender_rate": (26, "rejected"),
    "stream_limit": (27, "rejected"),
    "stream_protocol": (28, "rejected"),
    "stream_incomplete": (29, "rejected"),
}
"""Add to it; never change a line."""


def test_numbers_names_and_outcomes_are_stable() -> None:
    """A counter file and a dashboard of last year still mean the same."""
    assert {c.label: (int(c), c.outcome.value) for c in CAUSES} == GOLDEN


def test_numbers_are_positions_without_a_hole() -> None:
    """Lists are indexed by them; the files of counters and refused peers have a place for each."""
    assert [int(cause) for cause in CAUSES] == list(range(len(CAUSES)))
    assert len(CAUSES) <= MOST_CAUSES


def test_every_cause_is_explained_once() -> None:
    """The documentation and the API show the sentence."""
    assert all(cause.help for cause in CAUSES)
    assert len({cause.help for cause in CAUSES}) == len(CAUSES)


def test_every_outcome_has_a_cause() -> None:
    """No column of the balance sheet is for show."""
    assert {cause.outcome for cause in CAUSES} == set(Outcome)


def test_a_cause_is_never_false_by_mistake() -> None:
    """Callers ask for None, since the first cause has the number 0."""
    assert not bool(int(Cause.STORED))
    assert CAUSES[17] is Cause.UNREADABLE
