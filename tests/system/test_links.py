# SPDX-License-Identifier: GPL-2.0-or-later
"""Legs of a B2BUA are found with the right reason; the same numbers alone are never certain."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from stack.trial import Trial
from tests import flow
from tests.flow import Flow
from tests.system import phones
from tests.system.phones import Phones, call_ids

PAIRS = 4
"""Calls through the B2BUA at the same time, all from the same number to the same number."""
Edge = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A node that knows X-CID, with its API."""
    made = Trial(tmp_path_factory.mktemp("links"), {"correlation": {"headers": ["X-CID"]}})
    try:
        made.start_database()
        made.start_capture()
        made.start_webapi()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def placed(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both legs of some calls, with X-CID in the second one and without."""
    with Phones(tmp_path_factory.mktemp("phones")) as placing:
        proxy = placing.proxy(trial.hep_port, placing.callees())
        headers = {"named": "X-CID: first-[call_number]@phones\n"}
        placing.finish(
            *(
                placing.place(
                    *(proxy, name, "uac_answered", phones.ANSWERS),
                    count=PAIRS,
                    headers=headers.get(name, ""),
                )
                for name in ("first", "named", "before", "plain")
            )
        )
    _wait_for_ended(trial, 4 * PAIRS)


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("number", range(PAIRS))
def test_legs_that_x_cid_names_are_one_call(trial: Trial, number: int) -> None:
    """Seen from either leg; the header is certain, and leads to no leg of another call."""
    first, named = call_ids("first", PAIRS)[number], call_ids("named", PAIRS)[number]
    for call_id in (first, named):
        shown = _show(trial, call_id)
        assert sorted(leg["call_id"] for leg in shown["legs"]) == sorted((first, named))
        assert _links(shown, "certain") == {(named, first, "header", "certain")}
        assert _links(shown, "likely") == set()


@pytest.mark.usefixtures("placed")
def test_legs_with_the_same_numbers_are_a_guess(trial: Trial) -> None:
    """Without a header: shown apart, with what they have in common, and not stored."""
    before, plain = call_ids("before", PAIRS), call_ids("plain", PAIRS)
    for first, second in zip(before, plain, strict=True):
        shown = _show(trial, first)
        assert [leg["call_id"] for leg in shown["legs"]] == [first]
        assert second in {leg["call_id"] for leg in shown["guesses"]}
        assert (first, second, "numbers", "guess") in _links(shown, "guess")
        assert _links(shown, "certain") == _links(shown, "likely") == set()
    with trial.connect() as connection:
        found = connection.execute("SELECT DISTINCT reason, confidence FROM call_link").fetchall()
    assert found == [("header", "certain")]


def test_the_same_numbers_at_another_time_have_nothing_in_common(trial: Trial) -> None:
    """The B2BUA of the flows, an hour ago and now: each pair finds itself only."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    pairs = [
        flow.load("b2bua-plain", 1, now - timedelta(hours=1)),
        flow.load("b2bua-plain", 2, now),
    ]
    _send(trial, *pairs)
    for pair in pairs:
        shown = _show(trial, pair.legs["A"])
        assert [leg["call_id"] for leg in shown["guesses"]] == [pair.legs["B"]]
        assert _links(shown, "guess") == {(*pair.legs.values(), "numbers", "guess")}
        assert shown["legs_complete"] is True


def test_session_ids_and_correlation_ids_make_one_call(trial: Trial) -> None:
    """RFC 7989 halves are certain, an id of the sender of HEP is likely; both lead to both legs."""
    read = flow.load("b2bua-session", 1, datetime.now(UTC) - timedelta(minutes=1))
    _send(trial, read)
    shown = _show(trial, read.legs["B"])
    assert {leg["call_id"] for leg in shown["legs"]} == set(read.legs.values())
    assert {(reason, sure) for _, _, reason, sure in _links(shown, "certain")} == {
        ("session", "certain")
    }
    assert {(reason, sure) for _, _, reason, sure in _links(shown, "likely")} == {("hep", "likely")}


def _send(trial: Trial, *flows: Flow) -> None:
    with trial.connect() as connection:
        (before,) = connection.execute("SELECT count(*) FROM call").fetchone() or (0,)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for read in flows:
            for message in read.messages:
                sender.sendto(message.packet, ("127.0.0.1", trial.hep_port))
                time.sleep(0.001)
    _wait_for_ended(trial, before + sum(len(read.calls) for read in flows))


def _wait_for_ended(trial: Trial, wanted: int) -> None:
    def ended() -> bool:
        with trial.connect() as connection:
            found = connection.execute("SELECT count(ended_at) FROM call").fetchone()
        return found is not None and found[0] >= wanted

    trial.wait(ended, f"{wanted} calls to end")


def _show(trial: Trial, call_id: str) -> Any:
    url = f"http://127.0.0.1:{trial.web_port}/api/v1/calls/{quote(call_id, safe='')}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def _links(shown: Any, confidence: str) -> set[Edge]:
    return {
        (link["call_id"], link["linked_id"], link["reason"], link["confidence"])
        for link in shown["links"]
        if link["confidence"] == confidence
    }
