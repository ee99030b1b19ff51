# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real stack captures appears in its live streams."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.request import urlopen

from stack.trial import Trial
from tests.sip_text import packet, request

_PATIENCE_S = 30.0


def _open(trial: Trial, path: str) -> HTTPResponse:
    url = f"http://127.0.0.1:{trial.web_port}/api/v1/live/{path}"
    found = urlopen(url, timeout=_PATIENCE_S)
    assert isinstance(found, HTTPResponse)
    return found


def _events(stream: HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Name and data of each event."""
    name = ""
    for line in stream:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_a_captured_call_appears_in_both_streams(running: Trial) -> None:
    """From the HEP packet through the journal, the database and the correlation to the client."""
    with _open(running, "messages?method=INVITE") as messages, _open(running, "calls") as calls:
        shown, legs = _events(messages), _events(calls)
        assert next(shown)[0] == next(legs)[0] == "ready"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(1, 4):
                text = request(call_id=f"live-{number}@system", number=number)
                sender.sendto(packet(text), ("127.0.0.1", running.hep_port))
        found = [next(shown) for _ in range(3)]
        assert [name for name, _ in found] == ["message"] * 3
        call_ids = {f"live-{number}@system" for number in range(1, 4)}
        assert {row["call_id"] for _, row in found} == call_ids
        begun = [next(legs) for _ in range(3)]
        assert {row["call_id"]: row["state"] for _, row in begun} == dict.fromkeys(
            call_ids, "trying"
        )
