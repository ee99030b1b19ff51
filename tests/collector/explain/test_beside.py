# SPDX-License-Identifier: GPL-2.0-or-later
"""Linked legs and the quality of the audio, from rows of other tables."""

from __future__ import annotations

import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row

from collector.explain import Certainty, Code, Severity, explain
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.message import fold, from_row
from collector.explain.rules import beside
from collector.quality.stream import Figure
from collector.quality.verdict import MosSource, Summary, Verdict, verdict
from tests import flow
from tests.explain_rows import rows_of
from tests.quality_facts import call_facts, from_bob, rtcp, write


@pytest.mark.parametrize(
    ("confidence", "certainty"),
    [
        ("certain", Certainty.CERTAIN),
        ("likely", Certainty.LIKELY),
        ("guess", Certainty.UNKNOWN),
    ],
)
def test_linked_legs(confidence: str, certainty: Certainty) -> None:
    """Why they belong together, and how sure that is."""
    link = {"linked_id": "b@sbc", "reason": "header", "detail": "X-CID", "confidence": confidence}
    (statement,) = explain([], links=[link]).statements
    assert (statement.code, statement.certainty) == (Code.LINKED, certainty)
    assert statement.text == 'Belongs together with "b@sbc" (header: X-CID).'


def _heard(loss: float | None, mos: float | None, *, reported: bool | None = True) -> Summary:
    return Summary(
        reported,
        None if loss is None else Figure(loss, loss),
        mos=None if mos is None else Figure(mos, mos),
        mos_source=None if mos is None else MosSource.COMPUTED,
    )


def _explain(to_callee: Summary, to_caller: Summary) -> list[tuple[Code, Severity, str]]:
    known = Known({}, Verdict("PCMA", to_callee, to_caller, (), None), ())
    leg = Leg(fold([from_row(row) for row in rows_of(flow.load("session-direct").messages)]))
    said = [*beside.bad_audio(leg, known), *beside.one_sided(leg, known)]
    return [(statement.code, statement.severity, statement.text) for statement in said]


def test_bad_audio() -> None:
    """Loss that people hear, and the MOS that comes of it; who heard it."""
    assert _explain(_heard(5.12, 2.34), _heard(0.1, 4.3)) == [
        (
            Code.BAD_AUDIO,
            Severity.PROBLEM,
            "What bob heard was bad: MOS 2.3 (computed), 5.1 % of the packets lost.",
        )
    ]
    assert [text for *_, text in _explain(_heard(1.0, None), _heard(2.5, 4.0))] == [
        "What alice heard was bad: 2.5 % of the packets lost."
    ]


def test_good_audio_says_nothing() -> None:
    """Nor does a call that nobody reported on."""
    assert not _explain(_heard(0.1, 4.3), _heard(0.0, 4.4))
    assert not _explain(Summary(False), Summary(False))
    assert not _explain(Summary(None), Summary(None))


def test_reports_of_one_way_only() -> None:
    """No report is no figure; with reports of the other way it is worth a word."""
    (statement,) = _explain(_heard(0.1, 4.3), Summary(False))
    assert statement == (
        Code.ONE_SIDED,
        Severity.NOTICE,
        "No report was received of what alice heard: nothing, or nobody reported.",
    )


async def test_rows_as_they_are_stored(connection: AsyncConnection[TupleRow]) -> None:
    """RTCP of one end: a fifth of what bob should hear was lost, alice nobody asked."""
    await write(connection, call_facts(), [from_bob(rtcp(packets=300, lost=60, fraction=51))])
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM call")
        call = await cursor.fetchone()
        await cursor.execute("SELECT * FROM rtp_stream")
        streams = await cursor.fetchall()
    rows = rows_of(flow.load("session-direct").messages)
    said = explain(rows, call=call, quality=verdict(streams, call)).statements
    assert [statement.code for statement in said if not statement.messages] == [
        Code.BAD_AUDIO,
        Code.ONE_SIDED,
    ]
    assert "% of the packets lost" in said[-2].text
