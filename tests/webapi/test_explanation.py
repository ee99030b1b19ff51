# SPDX-License-Identifier: GPL-2.0-or-later
"""``explanation`` of ``GET /api/v1/calls/{call_id}``."""

from __future__ import annotations

import pytest

from tests import flow
from tests.fix_api import Get
from tests.fix_calls import Ingests
from webapi import calls


async def _store(ingests: Ingests, name: str) -> dict[str, str]:
    """Store a flow; returns its Call-IDs by leg."""
    ingesting = await ingests.open()
    read = flow.load(name)
    await ingesting.store(read.messages)
    await ingesting.write()
    return read.legs


async def test_why_a_call_ended(get: Get, ingests: Ingests) -> None:
    """Headline and statements; the proofs are among the messages of the same answer."""
    legs = await _store(ingests, "busy")
    answer = (await get(f"/api/v1/calls/{legs['']}")).json
    told = answer["explanation"]
    assert told["headline"] == (
        "alice called bob: 192.0.2.201:5060 says that bob is busy: 486 Busy Here; "
        "Reason: Q.850 cause 17, user busy."
    )
    assert [s["code"] for s in told["statements"]] == ["called", "busy"]
    ids = {message["id"]: message for message in answer["messages"]}
    (proof, *_) = told["statements"][1]["messages"]
    assert (ids[proof]["status"], ids[proof]["src_ip"]) == (486, "192.0.2.201")


async def test_one_leg_is_explained_at_a_time(get: Get, ingests: Ingests) -> None:
    """Also when the messages of all legs are shown; links are named."""
    legs = await _store(ingests, "b2bua-header")
    answer = (await get(f"/api/v1/calls/{legs['B']}", legs="all")).json
    own = {m["id"] for m in answer["messages"] if m["call_id"] == legs["B"]}
    assert len(own) < len(answer["messages"])
    statements = answer["explanation"]["statements"]
    assert {id_ for s in statements for id_ in s["messages"]} <= own
    assert any(s["code"] == "linked" and legs["A"] in s["text"] for s in statements)


async def test_more_messages_than_are_looked_at(
    get: Get, ingests: Ingests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so."""
    monkeypatch.setattr(calls, "MAX_EXPLAINED", 4)
    legs = await _store(ingests, "session-direct")
    told = (await get(f"/api/v1/calls/{legs['']}")).json["explanation"]
    assert (told["code"], told["certainty"]) == ("running", "unknown")
    assert "incomplete" in [s["code"] for s in told["statements"]]
