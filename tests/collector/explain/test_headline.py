# SPDX-License-Identifier: GPL-2.0-or-later
"""The headline and the row of the call, which come from different code, say the same."""

from __future__ import annotations

from typing import Final

import pytest

from collector.explain import Certainty, Code, Severity, explain
from tests import flow
from tests.explain_rows import rows_of

_REFUSALS: Final = {
    *(Code.DECLINED, Code.NOT_FOUND, Code.UNAVAILABLE, Code.FORBIDDEN, Code.NOT_ACCEPTABLE),
    *(Code.BAD_EXTENSION, Code.LOOP, Code.SERVER_FAULT, Code.REFUSED, Code.GAVE_UP),
    *(Code.NO_CREDENTIALS, Code.WRONG_CREDENTIALS, Code.STALE_NONCE),
}
_BY_STATE: Final = {
    "completed": {Code.COMPLETED, Code.ACK_MISSING, Code.CANCEL_RACE},
    "answered": {Code.RUNNING},
    "ringing": {Code.RUNNING},
    "trying": {Code.RUNNING},
    "cancelled": {Code.CANCELLED},
    "busy": {Code.BUSY},
    "redirected": {Code.REDIRECTED},
    "failed": _REFUSALS,
    "unknown": {Code.UNKNOWN},
}
"""State of the row → headlines that agree with it."""
CALLS: Final = [
    (name, call.leg, call.values["state"])
    for name in flow.names()
    for call in flow.load(name).calls
    if "state" in call.values
]


@pytest.mark.parametrize(("name", "leg", "state"), CALLS)
def test_headline_and_row_agree(name: str, leg: str, state: str) -> None:
    """For the flows of the RFCs."""
    explanation = explain(rows_of(flow.load(name).of_leg(leg)))
    assert explanation.headline.code in _BY_STATE[state]


def test_a_call_that_was_given_up() -> None:
    """The row knows that nothing more is to be expected."""
    rows = rows_of(flow.load("bye-missing").messages)
    headline = explain(rows, call={"state": "timed_out"}).headline
    assert headline.code is Code.NO_END
    assert headline.certainty is Certainty.UNKNOWN
    assert headline.text == (
        "alice called bob, and the call was answered; how it ended is unknown, for no BYE was "
        "captured."
    )


def test_ringing_that_was_given_up() -> None:
    """The same before the answer."""
    rows = rows_of(flow.load("failover-ringing").messages)
    headline = explain(rows, call={"state": "timed_out"}).headline
    assert (headline.code, headline.severity) == (Code.NO_FINAL, Severity.NOTICE)
    assert "how it ended is unknown" in headline.text


def test_nothing() -> None:
    """No row, no story."""
    explanation = explain([])
    assert explanation.headline.code is Code.UNKNOWN
    assert explanation.headline.text == "Nothing was captured of it."
    assert explanation.statements == ()
