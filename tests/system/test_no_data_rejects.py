# SPDX-License-Identifier: GPL-2.0-or-later
"""No data because packets are rejected: for every such cause ``doctor`` names it and the sender."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from collector.causes import CAUSES, Cause, Outcome
from stack.trial import Trial
from tests.hep_bytes import SIP, chunk, hep1, hep3, u8
from tests.sip_text import packet, request
from tests.system.diagnosis import wait_for

SENDER, STRANGER, FLOOD, MANY = "127.0.0.2", "127.0.0.1", "127.0.0.3", "127.0.0.4"
PASSWORD: Final = b"capture-secret"
POISON: Final = "poison@reject"
MOST_CONNECTIONS: Final = 2


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """A node that rejects for every cause there is."""
    settings: dict[str, dict[str, Any]] = {
        "senders": {
            "networks": [f"{address}/32" for address in (SENDER, FLOOD, MANY)],
            "max_rate": 100,
            "passwords": [f"2001:{PASSWORD.decode()}"],
        },
        "hep": {"max_peer_connections": MOST_CONNECTIONS},
    }
    trial = Trial(tmp_path_factory.mktemp("strict"), settings, streams=("ws",))
    try:
        trial.start_database()
        with trial.connect() as connection:
            connection.execute(f"ALTER TABLE sip_message_call ADD CHECK (call_id <> '{POISON}')")
        trial.start_capture()
        yield trial
    finally:
        trial.stop()


def _good(call_id: str = "good@reject", auth_key: bytes = PASSWORD) -> bytes:
    return packet(request(call_id=call_id), auth_key=auth_key)


def _send(source: str, *packets: bytes) -> Callable[[Trial], None]:
    def send(trial: Trial) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            for data in packets:
                sender.sendto(data, ("127.0.0.1", trial.hep_port))

    return send


def _connect(source: str, port: int) -> socket.socket:
    client = socket.socket()
    client.settimeout(10)
    client.bind((source, 0))
    client.connect(("127.0.0.1", port))
    return client


def _one_connection_too_many(trial: Trial) -> None:
    clients = [_connect(MANY, trial.hep_port) for _ in range(MOST_CONNECTIONS + 1)]
    for client in clients:
        client.close()


def _no_websocket(trial: Trial) -> None:
    with _connect(SENDER, trial.ports["ws"]) as client:
        client.sendall(b"INVITE sip:not@websocket SIP/2.0\r\n\r\n")
        client.recv(1 << 16)


def _half_a_packet(trial: Trial) -> None:
    with _connect(SENDER, trial.hep_port) as client:
        client.sendall(_good()[:-5])


PROVOKED: Final[dict[Cause, tuple[str, Callable[[Trial], None]]]] = {
    Cause.NOT_HEP: (SENDER, _send(SENDER, request())),
    Cause.HEP_LENGTH: (SENDER, _send(SENDER, _good()[:-3])),
    Cause.HEP_CHUNK: (SENDER, _send(SENDER, hep3(chunk(0x0F, SIP), b"\0\0\0\x0f\0\x03"))),
    Cause.HEP_FIELD: (SENDER, _send(SENDER, hep3(chunk(0x01, b"xx"), chunk(0x0F, SIP)))),
    Cause.HEP_FAMILY: (SENDER, _send(SENDER, hep1(family=7))),
    Cause.HEP_INFLATE: (SENDER, _send(SENDER, hep3(u8(11, 1), chunk(0x10, b"not zlib" * 8)))),
    Cause.PASSWORD: (SENDER, _send(SENDER, _good(auth_key=b"wrong"))),
    Cause.STORE_REFUSED: (SENDER, _send(SENDER, _good(POISON))),
    Cause.SENDER_NETWORK: (STRANGER, _send(STRANGER, _good())),
    Cause.SENDER_RATE: (FLOOD, _send(FLOOD, *[_good()] * 1000)),
    Cause.STREAM_LIMIT: (MANY, _one_connection_too_many),
    Cause.STREAM_PROTOCOL: (SENDER, _no_websocket),
    Cause.STREAM_INCOMPLETE: (SENDER, _half_a_packet),
}
"""By cause: who sends, and what."""
_AT_THE_DOOR: Final = frozenset(
    cause for cause in PROVOKED if cause.label.startswith(("sender", "stream"))
)


def test_every_reject_cause_is_provoked_here() -> None:
    """A new one needs its line above."""
    assert set(PROVOKED) == {cause for cause in CAUSES if cause.outcome is Outcome.REJECTED}


@pytest.mark.parametrize("cause", PROVOKED, ids=lambda cause: cause.label)
def test_doctor_names_the_cause_and_who_sent_it(strict: Trial, cause: Cause) -> None:
    """With what to do about it."""
    peer, provoke = PROVOKED[cause]
    provoke(strict)
    if cause in _AT_THE_DOOR:
        report = wait_for(strict, "refused", "warn", f"{peer}: ", f" {cause.label}", cause.help)
    else:
        wait_for(strict, "quarantine", "warn", f" {cause.label} ", f"from {peer}")
        report = wait_for(strict, "balance", "warn", f" {cause.label}: {cause.help}")
    about = [found for found in report.findings if f" {cause.label}" in found["text"]]
    assert any(found["advice"] for found in about)
    assert not report.says("balance", "fail"), "nothing is unaccounted for"
