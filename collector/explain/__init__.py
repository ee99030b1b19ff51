# SPDX-License-Identifier: GPL-2.0-or-later
"""What happened in a call and why it ended that way, said in plain sentences with their proofs.

``explain`` is a pure function: rows in, statements out. Each rule is a function from a ``Leg`` to
the statements that it can make; it says nothing where it has nothing to say. A statement about
messages names them; what the messages do not tell is called unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collector.explain.code import Code
from collector.explain.headline import headline_of
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import fold, from_row
from collector.explain.rules import statements_of
from collector.explain.statement import Certainty, Explanation, Severity, Statement
from collector.moment import to_text
from collector.quality.verdict import Verdict

__all__ = ["Certainty", "Code", "Explanation", "Severity", "Statement", "explain", "to_json"]


def explain(
    messages: Iterable[Mapping[str, Any]],
    *,
    call: Mapping[str, Any] | None = None,
    quality: Verdict | None = None,
    links: Sequence[Mapping[str, Any]] = (),
    complete: bool = True,
) -> Explanation:
    """Explain one leg; never raises on what messages hold.

    ``messages`` are rows of ``sip_message`` with ``raw``, of one Call-ID, by column name, in any
    order. ``call`` is its row of ``call``, ``quality`` what reports say of its audio, ``links`` are
    rows of ``call_link`` about it; all of them add statements and may be absent. ``complete`` is
    False when there are more messages than these.
    """
    leg = Leg(fold([from_row(row) for row in messages]))
    known = Known(call or {}, quality, links, complete)
    statements = statements_of(leg, known)
    return Explanation(
        headline_of(leg, known, statements),
        tuple(statements),
        leg.messages[0].ts if leg.messages else None,
    )


def to_json(explanation: Explanation) -> dict[str, Any]:
    """As JSON has it: ids as text, because a browser's numbers cannot hold them; times in UTC."""
    headline = explanation.headline
    return {
        "headline": headline.text,
        **{name: value for name, value in _json(headline).items() if name != "text"},
        "statements": [_json(statement) for statement in explanation.statements],
    }


def _json(statement: Statement) -> dict[str, Any]:
    return {
        "code": str(statement.code),
        "text": statement.text,
        "severity": str(statement.severity),
        "certainty": str(statement.certainty),
        "at": to_text(statement.at) if statement.at else None,
        "messages": [str(id_) for id_ in statement.messages],
    }
