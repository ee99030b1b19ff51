# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call RTCP belongs to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from agent.count import Count
from agent.message import media as media_module
from agent.message.media import ADDRESS_US, STREAM_US, Media, find_call_id
from agent.message.share import Share
from tests.sdp_text import description
from tests.sip_text import DESTINATION, SOURCE, request, with_headers

SSRC = b"\1\2\3\4"
PHONE = bytes((198, 51, 100, 77))
"""Where a phone behind an address translation is seen."""


@pytest.fixture
def counts() -> memoryview[int]:
    return memoryview(bytearray(8 * len(Count))).cast("Q")


@pytest.fixture
def media(counts: memoryview[int]) -> Media:
    return Media(counts)


def _at(ip: str | bytes, port: int) -> bytes:
    return ip_address(ip).packed + port.to_bytes(2)


ELSEWHERE = _at("203.0.113.9", 9)


def _learn(
    media: Media, *, time: int = 0, call_id: str = "a", ip: str = "192.0.2.1", port: int = 40000
) -> None:
    body = description(f"m=audio {port} RTP/AVP 0", ip=ip)
    media.learn(time, SOURCE, request(call_id=call_id, body=body))


def _find(
    media: Media, src: bytes, dst: bytes = ELSEWHERE, time: int = 1, ssrc: bytes = SSRC
) -> bytes:
    return media.find(time, src, dst, ssrc)


def test_by_source_and_by_destination(media: Media) -> None:
    """Whichever side an SDP has named."""
    _learn(media)
    assert _find(media, _at("192.0.2.1", 40001)) == b"a"
    assert _find(media, ELSEWHERE, _at("192.0.2.1", 40001)) == b"a"
    assert _find(media, _at("192.0.2.1", 40003)) == b""


def test_rtcp_over_ipv6(media: Media) -> None:
    """heplify does not capture it."""
    _learn(media, ip="2001:db8::1")
    assert _find(media, _at("2001:db8::1", 40001)) == b"a"


def test_responses_name_addresses_too(media: Media) -> None:
    """The answer is in them."""
    body = description("m=audio 30000 RTP/AVP 0")
    response = with_headers(b"Content-Type: application/sdp", start=b"SIP/2.0 200 OK") + body
    media.learn(0, SOURCE, response)
    assert _find(media, _at("192.0.2.1", 30001)) == b"c"


def test_behind_an_address_translation(media: Media) -> None:
    """SDP has a private address: RTCP comes from where the message came from."""
    body = description("m=audio 40000 RTP/AVP 0", ip="10.0.0.5")
    media.learn(0, PHONE, request(call_id="nat", body=body))
    assert _find(media, _at(PHONE, 40001)) == b"nat"
    assert _find(media, _at("10.0.0.5", 40001)) == b"nat"


def test_a_guess_never_replaces_what_an_sdp_names(media: Media) -> None:
    """A proxy passes SDP on: its own address with that port may be media of another call."""
    _learn(media, call_id="named", ip=str(ip_address(DESTINATION)))
    media.learn(
        1, DESTINATION, request(call_id="other", body=description("m=audio 40000 RTP/AVP 0"))
    )
    assert _find(media, _at(DESTINATION, 40001)) == b"named"
    _learn(media, time=2, call_id="later", ip=str(ip_address(DESTINATION)))
    assert _find(media, _at(DESTINATION, 40001)) == b"later"


def test_an_address_is_forgotten_after_20_minutes(media: Media) -> None:
    """Unless an INVITE names it again."""
    src = _at("192.0.2.1", 40001)
    _learn(media)
    assert _find(media, src, time=ADDRESS_US, ssrc=b"none") == b""
    _learn(media, time=ADDRESS_US - 1)
    assert _find(media, src, time=ADDRESS_US, ssrc=b"some") == b"a"


def test_a_stream_keeps_its_call_for_12_hours(media: Media) -> None:
    """Long calls send no SDP; another stream from there is not known any more."""
    src = _at("192.0.2.1", 40001)
    _learn(media)
    assert _find(media, src) == b"a"
    assert _find(media, src, time=STREAM_US) == b"a"
    assert _find(media, src, time=STREAM_US, ssrc=b"else") == b""
    assert _find(media, src, time=STREAM_US + 1) == b""


def test_a_port_in_its_next_call(media: Media) -> None:
    """Devices with a fixed SSRC: the SDP that came later is right."""
    src = _at("192.0.2.1", 40001)
    _learn(media)
    assert _find(media, src) == b"a"
    _learn(media, time=10, call_id="b")
    assert _find(media, src, time=11) == b"b"


def test_memory_is_bounded(
    media: Media, counts: memoryview[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest address makes room, and is counted; one that has expired is not."""
    monkeypatch.setattr(media_module, "MAX_ADDRESSES", 3)
    monkeypatch.setattr(media_module, "MAX_STREAMS", 2)
    for number in range(4):
        _learn(media, call_id=str(number), port=1000 + 2 * number)
    found = [_find(media, _at("192.0.2.1", 1001 + 2 * number)) for number in range(4)]
    assert found == [b"", b"1", b"2", b"3"]
    assert counts[Count.ADDRESS_EVICTED] == 2, "an address and a stream"
    _learn(media, time=2 * ADDRESS_US, port=2000)
    assert counts[Count.ADDRESS_EVICTED] == 2


def test_a_message_without_call_id_teaches_nothing(media: Media) -> None:
    """As one whose Call-ID is as long as a datagram."""
    body = description("m=audio 40000 RTP/AVP 0")
    media.learn(0, SOURCE, b"INVITE sip:b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n" + body)
    media.learn(0, SOURCE, request(call_id=5000 * "x", body=body))
    assert _find(media, _at("192.0.2.1", 40001)) == b""
    assert media.changes == 0


@pytest.mark.parametrize(
    "line", [b"Call-ID: x y", b"call-id:x y ", b"i: x y", b"CALL-ID :x y", b"Call-ID:\r\n x y"]
)
def test_call_id_in_any_spelling(line: bytes) -> None:
    """Compact, folded, in any case."""
    assert find_call_id(b"INVITE sip:b SIP/2.0\r\nTo: <sip:b>\r\n" + line + b"\r\n\r\n") == b"x y"


def test_call_id_of_a_message_inside_the_body() -> None:
    """A SIP fragment is not the message."""
    message = request(body=b"SIP/2.0 200 OK\r\nCall-ID: inside\r\n").replace(
        b"Call-ID: call", b"i: call"
    )
    assert find_call_id(message) == b"call@example"


def test_workers_tell_each_other(counts: memoryview[int]) -> None:
    """With -fw, RTCP comes to another worker than SIP."""
    shares = Share.mesh(3)
    first, second, third = (Media(counts, share) for share in shares)
    body = description("m=audio 40000 RTP/AVP 0", ip="10.0.0.5")
    first.learn(0, PHONE, request(call_id="nat", body=body))
    assert second.fileno() >= 0
    for worker in (second, third):
        worker.poll()
        assert _find(worker, _at("10.0.0.5", 40001)) == b"nat"
        assert _find(worker, _at(PHONE, 40001)) == b"nat"
    _learn(third, call_id="back", ip=str(ip_address(PHONE)))
    first.poll()
    assert _find(first, _at(PHONE, 40001), ssrc=b"next") == b"back", "named, not guessed"
    for share in shares:
        share.close()
    assert Media(counts).fileno() == -1
