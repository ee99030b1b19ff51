# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may send, at every socket of the real node: what is refused is counted by cause and peer."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.request import urlopen

from collector.doctor import examine
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.sip_text import packet, request
from tests.system.counts import node, wait_until_all_stored

ALLOWED, STRANGER = "127.0.0.2", "127.0.0.1"


def _send(trial: Trial, source: str, packets: Iterable[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for number, data in enumerate(packets):
            sender.sendto(data, ("127.0.0.1", trial.hep_port))
            if number % 50 == 49:
                time.sleep(0.002)


def _packets(name: str, count: int) -> list[bytes]:
    return [packet(request(call_id=f"{n}@{name}", number=n + 1)) for n in range(count)]


def _status(trial: Trial) -> Any:
    with urlopen(f"http://127.0.0.1:{trial.web_port}/api/v1/status", timeout=5) as answer:
        return json.load(answer)


def test_a_network_that_may_not_send_is_refused_and_shown(make_trial: MakeTrial) -> None:
    """Datagrams are not journaled, connections are closed at once; API and doctor say who it is."""
    trial = make_trial(senders={"networks": ["127.0.0.2/32", "192.0.2.0/24"]})
    trial.start_database()
    trial.start_capture()
    trial.start_webapi()
    before = node(trial)
    _send(trial, STRANGER, _packets("stranger", 500))
    _send(trial, ALLOWED, _packets("allowed", 500))
    for _ in range(20):
        with socket.socket() as client:
            client.connect(("127.0.0.1", trial.hep_port))
            client.settimeout(5)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
    with socket.socket() as client:
        client.bind((ALLOWED, 0))
        client.connect(("127.0.0.1", trial.hep_port))
        client.sendall(b"".join(_packets("stream", 500)))
        wait_until_all_stored(trial, before["received"] + 1520)
    after = node(trial)
    assert after["stored"] - before["stored"] == 1000
    refused = after["sender_network"]
    # The trial itself has knocked at the TCP socket to see whether it is there.
    assert refused >= 520
    assert after["received"] == 1000 + refused
    assert after["unaccounted"] == 0

    def shown() -> dict[tuple[str, str], int]:
        return {(one["peer"], one["cause"]): one["packets"] for one in _status(trial)["refused"]}

    trial.wait(lambda: shown() == {(STRANGER, "sender_network"): refused}, "the refused peer")
    texts = [
        found.text for found in asyncio.run(examine(trial.settings)) if found.check == "refused"
    ]
    assert [text.partition(",")[0] for text in texts] == [f"{STRANGER}: {refused} sender_network"]


def test_a_peer_that_sends_too_much_is_held_to_its_rate(make_trial: MakeTrial) -> None:
    """Over UDP the rest is rejected, by all workers together; a stream is read more slowly and
    loses nothing; another peer is not concerned.
    """
    trial = make_trial(senders={"max_rate": 1000}, hep={"workers": 3})
    trial.start_database()
    trial.start_capture()
    started = time.monotonic()
    _send(trial, STRANGER, _packets("flood", 10_000))
    seconds = time.monotonic() - started
    _send(trial, ALLOWED, _packets("calm", 500))
    wait_until_all_stored(trial, 10_500)
    counts = node(trial)
    flooded = counts["stored"] - 500
    assert counts["sender_rate"] == 10_000 - flooded
    assert counts["unaccounted"] == 0
    # Workers that count in the same instant may let a few more through.
    assert 1000 <= flooded <= 1000 * (1 + seconds + 0.5) * 1.5

    with socket.socket() as client:
        client.bind((ALLOWED, 0))
        client.connect(("127.0.0.1", trial.hep_port))
        started = time.monotonic()
        client.sendall(b"".join(_packets("stream", 4000)))
        wait_until_all_stored(trial, 14_500)
        # A second's worth at once, and what one read takes; the others at their rate.
        assert time.monotonic() - started > 2
    counts = node(trial)
    assert counts["stored"] == flooded + 4500
    assert counts["unaccounted"] == 0
