# SPDX-License-Identifier: GPL-2.0-or-later
"""RTP streams: loss, order and jitter by RFC 3550, and the call that they belong to."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.packet.packet import Packet
from collector import quality
from collector.hep import Hep
from tests.sdp_text import description
from tests.sip_text import request
from webapi.imports import rtp
from webapi.imports.rtp import MAX_STREAMS, PROBATION, Rtp

A = b"\x0a\0\0\x01"
B = b"\x0a\0\0\x02"
END = 1 << 62
START = 1_800_000_000_000_000


def _packet(
    number: int,
    *,
    at: int | None = None,
    ssrc: int = 7,
    sequence: int | None = None,
    stamp: int | None = None,
    kind: int = 8,
) -> Packet:
    """The ``number``-th of a stream from A:40000 to B:50000, every 20 ms."""
    payload = (
        bytes((0x80, kind))
        + ((number if sequence is None else sequence) & 0xFFFF).to_bytes(2)
        + ((160 * number if stamp is None else stamp) & 0xFFFFFFFF).to_bytes(4)
        + ssrc.to_bytes(4)
        + bytes(160)
    )
    time = START + 20_000 * number if at is None else at
    return Packet(time, 17, A, B, 40_000, 50_000, 0, payload)


def _invite(call_id: str = "call@example", *, media: str = "", ip: str = "10.0.0.1") -> bytes:
    line = media or "m=audio 40000 RTP/AVP 8"
    return request("INVITE", call_id, body=description(line, ip=ip))


def _known(message: bytes | None = None) -> Rtp:
    made = Rtp(b"import/x", 2003, b"")
    made.learn(A, message or _invite())
    return made


def _report(made: Rtp) -> dict[str, Any]:
    (found,) = made.expire(END)
    assert isinstance(found, Hep)
    assert found.correlation_id == b"call@example"
    assert (found.src_ip, found.src_port, found.dst_port) == (A, 40_000, 50_000)
    document: dict[str, Any] = orjson.loads(found.payload)
    return document


def test_a_perfect_stream() -> None:
    """Nothing lost, no jitter; what the quality reports read of it."""
    made = _known()
    for number in range(100):
        made.add(_packet(number))
    (packet,) = made.expire(END)
    (report,) = quality.parse(packet.payload)
    assert (packet.type, packet.node_name, packet.capture_id) == (34, b"import/x", 2003)
    assert (packet.seconds, packet.microseconds) == divmod(START + 99 * 20_000, 1_000_000)
    assert (report.packets, report.packets_lost, report.fraction_lost) == (100, 0, 0.0)
    assert (report.jitter_ms, report.max_jitter_ms, report.octets) == (0.0, 0.0, 16_000)
    assert report.fault is None
    assert (made.packets, made.streams, made.without_call) == (100, 1, 0)


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.integers(1, 198), unique=True, max_size=60),
    st.lists(st.integers(1, 198), unique=True, max_size=20),
)
def test_lost_packets_are_counted_from_any_sequence_number(
    first: int, lost: list[int], swapped: list[int]
) -> None:
    """Also where it wraps, and where packets change places."""
    order = list(range(200))
    for index in swapped:
        order[index], order[index - 1] = order[index - 1], order[index]
    # The first and the last are there: what is lost beyond them nobody can know.
    kept = [0, *(number for number in order[1:-1] if number not in (*lost, 0, 199)), 199]
    made = _known()
    for place, number in enumerate(kept):
        made.add(_packet(number, at=START + place * 20_000, sequence=first + number))
    document = _report(made)
    assert document["TOTAL_PK"] == len(kept)
    assert document["EXPECTED_PK"] == 200
    assert document["PACKET_LOSS"] == 200 - len(kept)
    highest = -1
    late = 0
    for number in kept:
        late += number < highest
        highest = max(highest, number)
    assert document["OUT_ORDER"] == late


def test_jitter_is_that_of_rfc_3550() -> None:
    """Compared with A.8 written out in timestamp units."""
    chance = random.Random(3)
    arrivals = [START + 20_000 * n + chance.randrange(30_000) for n in range(300)]
    made = _known()
    jitter = 0.0
    seen: list[float] = []
    for number, at in enumerate(arrivals):
        made.add(_packet(number, at=at))
        if number:
            step = (at - arrivals[number - 1]) * 8000 / 1e6 - 160
            jitter += (abs(step) - jitter) / 16
            seen.append(jitter / 8)
    document = _report(made)
    assert document["MAX_JITTER"] == pytest.approx(max(seen), abs=0.02)
    assert document["JITTER"] == pytest.approx(sum(seen) / len(seen), abs=0.02)


def test_the_clock_of_a_dynamic_payload_type_is_in_the_sdp() -> None:
    """Opus counts in 48 kHz; events stand still and say nothing about jitter."""
    media = (
        "m=audio 40000 RTP/AVP 96 101\na=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/48000"
    )
    made = _known(_invite(media=media))
    for number in range(50):
        made.add(_packet(number, kind=96, stamp=960 * number))
    for number in range(50, 60):
        made.add(_packet(number, kind=101, stamp=960 * 50))
    document = _report(made)
    assert (document["CLOCK"], document["CODEC_PT"]) == (48_000, 96)
    assert document["MAX_JITTER"] == 0


def test_the_timestamp_wraps() -> None:
    """And begins anywhere."""
    made = _known()
    for number in range(20):
        made.add(_packet(number, stamp=(1 << 32) - 1600 + 160 * number))
    assert _report(made)["MAX_JITTER"] < 0.01


def test_a_sequence_number_that_begins_anew_is_no_loss() -> None:
    """RFC 3550 A.1: the sender was restarted."""
    made = _known()
    for number in range(100):
        made.add(_packet(number, sequence=number if number < 50 else 30_000 + number))
    document = _report(made)
    assert (document["EXPECTED_PK"], document["PACKET_LOSS"]) == (100, 0)


def test_audio_before_the_answer_finds_its_call() -> None:
    """Early media comes before anybody has named its addresses."""
    made = Rtp(b"import/x", 2003, b"")
    for number in range(PROBATION):
        made.add(_packet(number))
    made.learn(A, _invite())
    assert _report(made)["RTP_SIP_CALL_ID"] == "call@example"


def test_behind_a_translation_audio_comes_from_where_sip_came_from() -> None:
    """The SDP names a private address."""
    made = _known(_invite(ip="192.168.1.2"))
    for number in range(10):
        made.add(_packet(number))
    assert _report(made)["TOTAL_PK"] == 10


def test_what_no_sdp_names_is_counted_and_not_sent() -> None:
    """It may be anything; a few packets are not even a stream."""
    made = Rtp(b"import/x", 2003, b"")
    for number in range(10):
        made.add(_packet(number, ssrc=1))
    for number in range(PROBATION - 1):
        made.add(_packet(number, ssrc=2))
    assert made.expire(END) == []
    assert (made.streams, made.without_call) == (1, 1)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet may be a stream of its own; the oldest one is ended."""
    monkeypatch.setattr(rtp, "MAX_STREAMS", 10)
    made = _known()
    assert MAX_STREAMS > 10
    for number in range(PROBATION):
        made.add(_packet(number, ssrc=1))
    for ssrc in range(2, 12):
        made.add(_packet(0, ssrc=ssrc))
    assert len(made.expire(0)) == 1


@given(st.binary(max_size=60), st.integers(0, 1 << 60))
def test_no_bytes_raise(payload: bytes, at: int) -> None:
    """Whatever follows the two bits."""
    made = _known()
    for number in range(PROBATION):
        made.add(Packet(at - number, 17, A, B, 40_000, 50_000, 0, b"\x80" + payload))
    for packet in made.expire(END):
        assert quality.parse(packet.payload)
