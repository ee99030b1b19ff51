# SPDX-License-Identifier: GPL-2.0-or-later
"""Which legs belong to a call: along ``call_link``, and by numbers as a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter
from typing import Any, Final

from psycopg import sql
from psycopg.rows import DictRow

from collector.correlation.columns import CALL_LINK
from collector.correlation.links import CONFIDENCE, Reason
from webapi.filters import escape_like
from webapi.sites.reading import SITE, Reading
from webapi.subject import CALLS, FILED_WITHIN

MAX_LEGS: Final = 50
"""Legs of one answer. An id that more legs share than that is none that tells them apart: a hub."""
MAX_HOPS: Final = 6
"""Links that are followed one after the other."""
MAX_GUESSES: Final = 20
REACH: Final = timedelta(days=1)
"""Legs that were filed further from the call than that are not looked for."""
_ENDING: Final = 7
"""Digits at the end of a number that are compared: what stands before them differs by the way that
a number is dialled. A shorter number is compared whole."""
_NAMELESS: Final = ("anonymous", "unknown", "")
# Several reasons may lead from one leg to one id.
_EDGES_OF_ID: Final = (MAX_LEGS + 1) * len(Reason)

_LINK_COLUMNS: Final = sql.SQL(", ").join(
    sql.Identifier("call_link", column.name) for column in CALL_LINK[1:]
)
EDGES: Final = sql.SQL(
    """
    SELECT wanted.id, edge.*
      FROM unnest(%(ids)s::text[]) AS wanted (id)
     CROSS JOIN LATERAL (
        (SELECT {columns} FROM call_link
          WHERE call_id = wanted.id AND ts >= %(begin)s AND ts < %(end)s LIMIT {limit})
        UNION
        (SELECT {columns} FROM call_link
          WHERE linked_id = wanted.id AND ts >= %(begin)s AND ts < %(end)s LIMIT {limit})
     ) AS edge
    """
).format(columns=_LINK_COLUMNS, limit=sql.Literal(_EDGES_OF_ID))
LEGS: Final = sql.SQL(
    "SELECT {} FROM call WHERE call_id = ANY(%(ids)s) AND ts >= %(begin)s AND ts < %(end)s"
    " ORDER BY started_at, call_id LIMIT {}"
).format(CALLS.select(payload=False), sql.Literal(MAX_LEGS))
GUESSES: Final = sql.SQL(
    """
    SELECT {columns}, {same_caller} IS TRUE AS same_caller, {same_callee} IS TRUE AS same_callee
      FROM call
     WHERE started_at >= %(first)s AND started_at <= %(last)s
       AND ts >= %(first)s AND ts < %(filed)s
       AND ({same_caller} OR {same_callee})
       AND (src_ip = %(dst_ip)s OR dst_ip = %(src_ip)s)
       AND call_id <> ALL(%(ids)s)
     ORDER BY started_at, call_id LIMIT {limit}
    """
).format(
    columns=CALLS.select(payload=False),
    same_caller=sql.SQL("reverse(caller) LIKE %(caller)s"),
    same_callee=sql.SQL("reverse(callee) LIKE %(callee)s"),
    limit=sql.Literal(MAX_GUESSES),
)


@dataclass(slots=True)
class Legs:
    """The legs of a call, the asked one among them, in the order in which they began."""

    rows: list[DictRow] = field(default_factory=list)
    """Those that links lead to."""
    guesses: list[DictRow] = field(default_factory=list)
    """Those that have the numbers in common."""
    links: list[dict[str, Any]] = field(default_factory=list)
    hubs: list[str] = field(default_factory=list)
    """Ids that more than ``MAX_LEGS`` legs share; they were not followed."""
    complete: bool = True
    """False when there are more legs than were looked for."""

    def ids(self, *, guessed: bool) -> list[str]:
        """The Call-IDs of the legs."""
        return [row["call_id"] for row in (*self.rows, *(self.guesses if guessed else ()))]

    def among(self, ids: Collection[str]) -> Legs:
        """Only what these Call-IDs have to do with each other."""
        links = [link for link in self.links if link["call_id"] in ids]
        common = Counter(id_ for id_, _ in {(link["linked_id"], link["call_id"]) for link in links})
        return Legs(
            [row for row in self.rows if row["call_id"] in ids],
            links=[
                link for link in links if link["linked_id"] in ids or common[link["linked_id"]] > 1
            ],
            complete=self.complete,
        )


async def find(reading: Reading, call: Mapping[str, Any], window_s: float) -> Legs:
    """The legs that belong to a row of ``call``.

    A guess is one that began at most ``window_s`` earlier or later, ``correlation.numbers_window``.
    """
    found = Legs()
    span = {
        "begin": min(call["ts"], call["started_at"]) - REACH,
        "end": max(call["ts"], call["last_at"]) + REACH,
    }
    ids = await _follow(reading, call["call_id"], span, found)
    rows = await reading.query(LEGS, {"ids": list(ids), **span}, prepare=True)
    found.complete = found.complete and len(rows) < MAX_LEGS
    found.rows = told_once(reading, rows)[:MAX_LEGS]
    await _guess(reading, call, timedelta(seconds=window_s), found)
    return found


def told_once(reading: Reading, rows: list[DictRow]) -> list[DictRow]:
    """Rows of ``call`` in the order in which they began.

    A leg that several sites have seen is that of the site where it began first, which is the one
    nearest to the caller.
    """
    if not reading.several:
        return rows
    rows.sort(key=itemgetter("started_at", "call_id"))
    first: dict[str, str] = {}
    return [row for row in rows if first.setdefault(row["call_id"], row[SITE]) == row[SITE]]


async def _follow(
    reading: Reading,
    call_id: str,
    span: Mapping[str, Any],
    found: Legs,
) -> set[str]:
    """All ids that links lead to, Call-IDs among them; fills in the links and hubs."""
    known = {call_id}
    frontier = {call_id}
    links: dict[tuple[str, str, str], dict[str, Any]] = {}
    for _ in range(MAX_HOPS):
        edges = await reading.query(EDGES, {"ids": list(frontier), **span}, prepare=True)
        hubs = _hubs(edges)
        found.hubs += sorted(hubs)
        for edge in edges:
            wanted = edge.pop("id")
            edge.pop(SITE, None)  # The same link is known at every site that saw the leg.
            if wanted not in hubs or edge["call_id"] in known:
                links[edge["call_id"], edge["linked_id"], edge["reason"]] = edge
        ends = {end for edge in links.values() for end in (edge["call_id"], edge["linked_id"])}
        frontier = ends - known
        if len(known) + len(frontier) > 2 * MAX_LEGS:
            found.complete = False
            break
        known |= frontier
        if not frontier:
            break
    else:
        found.complete = False
    found.links = [links[key] for key in sorted(links)]
    return known


def _hubs(edges: Iterable[Mapping[str, Any]]) -> set[str]:
    legs: dict[str, set[str]] = {}
    for edge in edges:
        if edge["linked_id"] == edge["id"]:
            legs.setdefault(edge["id"], set()).add(edge["call_id"])
    return {id_ for id_, sharing in legs.items() if len(sharing) > MAX_LEGS}


async def _guess(
    reading: Reading,
    call: Mapping[str, Any],
    window: timedelta,
    found: Legs,
) -> None:
    caller, callee = _ending(call["caller"]), _ending(call["callee"])
    if not window or (caller, callee) == (None, None):
        return
    first, last = call["started_at"] - window, call["started_at"] + window
    values = {
        "first": first,
        "last": last,
        "filed": last + FILED_WITHIN,
        "caller": caller,
        "callee": callee,
        "src_ip": call["src_ip"],
        "dst_ip": call["dst_ip"],
        "ids": [call["call_id"], *found.ids(guessed=False)],
    }
    rows = await reading.query(GUESSES, values, prepare=False)
    found.guesses = told_once(reading, rows)[:MAX_GUESSES]
    for row in found.guesses:
        same = [name for name in ("caller", "callee") if row.pop(f"same_{name}")]
        host = call["dst_ip"] if row["src_ip"] == call["dst_ip"] else call["src_ip"]
        apart = abs(row["started_at"] - call["started_at"]).total_seconds()
        found.links.append(
            {
                "call_id": call["call_id"],
                "linked_id": row["call_id"],
                "reason": Reason.NUMBERS,
                "detail": f"same {' and '.join(same)}, {apart:.3f} s apart, through {host}",
                "confidence": CONFIDENCE[Reason.NUMBERS],
            }
        )


def _ending(number: str | None) -> str | None:
    """A LIKE pattern for reversed numbers that end alike; None when there is nothing to compare."""
    if number is None or number.lower() in _NAMELESS:
        return None
    return escape_like(number[-_ENDING:][::-1]) + "%" * (len(number) >= _ENDING)
