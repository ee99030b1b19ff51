# SPDX-License-Identifier: GPL-2.0-or-later
"""Key figures of calls, made of the counts of ``call_minute`` (ITU-T E.411, E.425; RFC 6076)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg import sql

COUNTS: Final[Mapping[str, str]] = {
    "attempts": "true",
    "answered": "status BETWEEN 200 AND 299",
    "busy": "state = 'busy'",
    "cancelled": "state = 'cancelled'",
    "redirected": "state = 'redirected'",
    "failed": "state = 'failed'",
    "timed_out": "state = 'timed_out' AND status = 0",
    "undecided": "state IN ('trying', 'ringing', 'unknown')",
    "people": "state IN ('busy', 'cancelled') OR status IN (480, 486, 600, 603, 607)",
    "effective": "status IN (480, 486, 600, 603)",
    "ineffective": "status IN (408, 500, 503, 504)",
}
"""Counts of calls and what is counted. ``people``: the network has done its part, somebody was
busy, away, declined or hung up while it rang (E.425). ``effective`` and ``ineffective`` are those
of RFC 6076 §4.7 and §4.8. A call without any outcome is undecided."""
_INTERNAL: Final = ("people", "effective", "ineffective")
_SUMS: Final = ("pdd_calls", "pdd_ms", "setup_calls", "setup_ms", "duration_calls", "duration_ms")

AGGREGATES: Final = sql.SQL(", ").join(
    (
        *(
            sql.SQL(f"coalesce(sum(calls) FILTER (WHERE {condition}), 0)::bigint AS {name}")
            for name, condition in COUNTS.items()
        ),
        *(sql.SQL(f"sum({name})::double precision AS {name}") for name in _SUMS),
    )
)
"""Columns of an aggregation over ``call_minute``."""

RATIOS: Final = ("asr", "ner", "ser", "seer", "isa")
AVERAGES: Final = ("pdd_ms", "setup_ms", "acd_ms")
SHOWN: Final = (*(name for name in COUNTS if name not in _INTERNAL), *RATIOS, *AVERAGES)
"""The names of all figures."""


def figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Counts, ratios in percent and averages in ms of one aggregated row; None without a base.

    - ``asr`` answer seizure ratio (E.411): answered of all that have an outcome
    - ``ner`` network effectiveness ratio (E.425): those, and where it was up to people
    - ``ser`` session establishment ratio (RFC 6076 §4.6): answered of those not redirected
    - ``seer`` session establishment effectiveness ratio (§4.7): those, and 480, 486, 600, 603
    - ``isa`` ineffective session attempts (§4.8): 408, 500, 503, 504 of all with an outcome
    - ``pdd_ms``, ``setup_ms`` averages; ``acd_ms`` average duration of calls that have ended
    """
    decided = row["attempts"] - row["undecided"]
    established = decided - row["redirected"]
    answered = row["answered"]
    return {
        **{name: row[name] for name in SHOWN if name in COUNTS},
        "asr": _percent(answered, decided),
        "ner": _percent(answered + row["people"], decided),
        "ser": _percent(answered, established),
        "seer": _percent(answered + row["effective"], established),
        "isa": _percent(row["ineffective"], decided),
        "pdd_ms": _average(row["pdd_ms"], row["pdd_calls"]),
        "setup_ms": _average(row["setup_ms"], row["setup_calls"]),
        "acd_ms": _average(row["duration_ms"], row["duration_calls"]),
    }


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _average(total: float, calls: float) -> float | None:
    return round(total / calls, 1) if calls else None
