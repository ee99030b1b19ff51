# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever part of a call is captured, in whatever state: an explanation, and only real proofs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.explain import Code, Explanation, Statement, explain, to_json
from collector.explain.rules import MAX_ALIKE
from collector.explain.statement import MAX_PROOFS
from tests import flow
from tests.collector.explain.test_flows import NAMES, load
from tests.copy_reader import Row
from tests.explain_rows import rows_of
from tests.flow import Message

CALLS: Final[dict[str, list[Message]]] = {
    **{f"own {name}": load(name).messages for name in NAMES},
    **{name: flow.load(name).messages for name in flow.names()},
}
BESIDE: Final = {Code.LINKED, Code.BAD_AUDIO, Code.ONE_SIDED}
"""Statements about other tables."""

messages = st.sampled_from(sorted(CALLS)).map(CALLS.__getitem__)


@st.composite
def mutated(draw: st.DrawFn) -> list[Message]:
    """Some messages of a flow, with bytes changed, cut or doubled."""
    chosen = draw(messages.flatmap(lambda m: st.lists(st.sampled_from(m), max_size=12)))
    changed = []
    for message in chosen:
        raw = bytearray(message.sip)
        for _ in range(draw(st.integers(0, 6))):
            at = draw(st.integers(0, max(0, len(raw) - 1)))
            cut = slice(at, at + draw(st.integers(0, 30)))
            raw[cut] = draw(st.sampled_from([bytes(raw[cut]) * 2, b"", b"\0", b"\r\n", b";,\xff"]))
        changed.append(message._replace(sip=bytes(raw)))
    return changed


@st.composite
def damaged(draw: st.DrawFn) -> list[Row]:
    """Rows with columns that are null or absent."""
    rows = rows_of(draw(messages))
    names = st.sampled_from(sorted(rows[0]))
    for row in rows:
        for name in draw(st.lists(names, max_size=6)):
            if name not in ("ts", "id"):
                row[name] = None
        row["ts"] += timedelta(milliseconds=draw(st.integers(-5000, 5000)))
    return rows


@settings(deadline=None)
@given(messages.flatmap(st.permutations), st.data())
def test_any_order_says_the_same(shuffled: list[Message], data: st.DataObject) -> None:
    """And any part of the messages says something."""
    part = shuffled[: data.draw(st.integers(0, len(shuffled)))]
    ordered = sorted(part, key=lambda message: message.us)
    explanation = explain(rows_of(part))
    check(explanation, rows_of(part))
    assert explanation == explain(rows_of(ordered))


@settings(deadline=None)
@given(mutated())
def test_mutated_messages(changed: list[Message]) -> None:
    """As they would be stored."""
    rows = rows_of(changed)
    check(explain(rows), rows)


@settings(deadline=None)
@given(damaged())
def test_damaged_rows(rows: list[Row]) -> None:
    """Null columns, clocks that jump."""
    check(explain(rows), rows)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=9), st.none() | st.text(max_size=9) | st.integers()))
def test_rows_of_other_tables(row: dict[str, Any]) -> None:
    """May lack everything, too."""
    check(explain([], call=row, links=[row]), [])


def check(explanation: Explanation, rows: list[Row]) -> None:
    """What is true of every explanation."""
    ids = {row["id"] for row in rows}
    said = (explanation.headline, *explanation.statements)
    for statement in said:
        assert set(statement.messages) <= ids
        assert len(statement.messages) <= MAX_PROOFS
        assert bool(statement.messages) == bool(statement.at)
        assert statement.messages or statement.code in BESIDE or not rows
        assert statement.text.isprintable()
        assert statement.text.endswith(".")
    codes = [statement.code for statement in explanation.statements]
    assert max(map(codes.count, codes), default=0) <= MAX_ALIKE
    assert sorted_by_time(explanation.statements)
    told = json.loads(json.dumps(to_json(explanation)))
    assert [s["code"] for s in told["statements"]] == codes
    assert {id_ for s in told["statements"] for id_ in s["messages"]} <= set(map(str, ids))


def sorted_by_time(statements: tuple[Statement, ...]) -> bool:
    """Those about no message come last."""
    moments = [statement.at for statement in statements]
    timed = [moment for moment in moments if moment]
    return timed == sorted(timed) and moments[: len(timed)] == timed
