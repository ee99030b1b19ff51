# SPDX-License-Identifier: GPL-2.0-or-later
"""The causes: their numbers are on disk, their names are in databases and dashboards."""

from __future__ import annotations

from collector.causes import CAUSES, Cause, Outcome
from collector.journal import counters

GOLDEN = {
    "stored": (0, "stored"),
    "keepalive": (1, "filtered"),
    "not_hep": (2, "rejected"),
    "hep_length": (3, "rejected"),
    "hep_chunk": (4, "rejected"),
    "hep_field": (5, "rejected"),
    "hep_family": (6, "rejected"),
    "hep_inflate": (7, "rejected"),
    "hep_type": (8, "rejected"),
    "store_refused": (9, "rejected"),
    "kernel": (10, "dropped"),
    "journal_full": (11, "dropped"),
    "disk_full": (12, "dropped"),
    "journal_write": (13, "dropped"),
    "hook_fault": (14, "dropped"),
    "worker_killed": (15, "dropped"),
    "journal_damaged": (16, "dropped"),
    "unreadable": (17, "dropped"),
    "sender_network": (18, "rejected"),
    "sender_rate": (19, "rejected"),
    "stream_limit": (20, "rejected"),
    "stream_protocol": (21, "rejected"),
    "stream_incomplete": (22, "rejected"),
}
"""Add to it; never change a line."""


def test_numbers_names_and_outcomes_are_stable() -> None:
    """A counter file and a dashboard of last year still mean the same."""
    assert {c.label: (int(c), c.outcome.value) for c in CAUSES} == GOLDEN


def test_numbers_are_positions_without_a_hole() -> None:
    """Lists are indexed by them, and there is a field in the counter file for each."""
    assert [int(cause) for cause in CAUSES] == list(range(len(CAUSES)))
    assert counters._CAUSE_FIELD + len(CAUSES) <= counters._FIELDS


def test_every_cause_is_explained_once() -> None:
    """The documentation and the API show the sentence."""
    assert all(cause.help for cause in CAUSES)
    assert len({cause.help for cause in CAUSES}) == len(CAUSES)


def test_every_outcome_has_a_cause_but_duplicate() -> None:
    """Duplicates are told apart by a later version; the column is there."""
    assert {cause.outcome for cause in CAUSES} == set(Outcome) - {Outcome.DUPLICATE}


def test_a_cause_is_never_false_by_mistake() -> None:
    """Callers ask for None, since the first cause has the number 0."""
    assert not bool(int(Cause.STORED))
    assert CAUSES[17] is Cause.UNREADABLE
