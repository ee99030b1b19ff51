# SPDX-License-Identifier: GPL-2.0-or-later
"""The one sentence: what happened, and why it ended that way."""

from __future__ import annotations

from collector.explain.code import Code
from collector.explain.ending import Ending
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.statement import Certainty, Statement, state
from collector.explain.words import between, name, span


def headline_of(leg: Leg, known: Known) -> Statement:
    """What became of the leg; ``unknown`` where the messages do not tell."""
    pair = f"{name(leg.caller)} called {name(leg.callee)}"
    ending = Ending.of(leg)
    if leg.answer and ending:
        lasted = span(between(leg.answer, ending.bye))
        text = f"{pair}, they talked for {lasted}, and {ending.who} hung up."
        return state(Code.COMPLETED, text, [leg.answer, ending.bye], certainty=ending.certainty)
    return state(
        Code.UNKNOWN, "What happened is unknown.", leg.messages, certainty=Certainty.UNKNOWN
    )
