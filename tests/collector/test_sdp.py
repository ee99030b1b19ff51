# SPDX-License-Identifier: GPL-2.0-or-later
"""SDP: address, port, codecs and direction of the audio, whatever is around it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector import sdp
from collector.sdp import MAX_CODEC_BYTES, MAX_CODECS, Audio, Direction

SESSION = (
    "v=0",
    "o=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com",
    "s=-",
    "c=IN IP4 192.0.2.101",
    "t=0 0",
)
IP = bytes((192, 0, 2, 101))


def body(*media: str, session: tuple[str, ...] = SESSION, end: str = "\r\n") -> bytes:
    return "".join(line + end for line in (*session, *media)).encode()


def audio(*media: str, session: tuple[str, ...] = SESSION) -> Audio:
    found = sdp.parse(body(*media, session=session))
    assert found is not None
    return found


def test_offer_of_rfc_3264() -> None:
    """RFC 3264 §10.1, the first offer."""
    offer = (
        "m=audio 49170 RTP/AVP 0 8 97",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:97 iLBC/8000",
        "m=video 51372 RTP/AVP 31 32",
        "a=rtpmap:31 H261/90000",
    )
    assert audio(*offer) == Audio(IP, 49170, b"PCMU,PCMA,iLBC", Direction.SENDRECV)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_static_types_need_no_rtpmap(end: str) -> None:
    found = sdp.parse(body("m=audio 4000 RTP/AVP 9 18 8 101", end=end))
    assert found == Audio(IP, 4000, b"G722,G729,PCMA", Direction.SENDRECV)


def test_the_last_line_may_have_no_end() -> None:
    found = sdp.parse(body("m=audio 4000 RTP/AVP 8", "a=sendonly").rstrip())
    assert found is not None
    assert found.direction is Direction.SENDONLY


def test_rtpmap_goes_before_the_static_type() -> None:
    assert audio("m=audio 4000 RTP/AVP 18", "a=rtpmap:18 opus/48000/2").codecs == b"opus"


def test_events_and_comfort_noise_are_no_codecs() -> None:
    found = audio(
        "m=audio 4000 RTP/SAVPF 13 101 96 8 102",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:101 Telephone-Event/8000",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:102 telephone-event/48000",
    )
    assert found.codecs == b"opus,PCMA"


def test_names_count_without_regard_to_case_and_once() -> None:
    found = audio(
        "m=audio 4000 RTP/AVP 8 96 97 98",
        "a=rtpmap:8 pcma/8000",
        "a=rtpmap:96 SPEEX/16000",
        "a=rtpmap:97 speex/8000",
        "a=rtpmap:98 x-own/8000",
    )
    assert found.codecs == b"PCMA,speex,x-own"


def test_a_dynamic_type_without_a_name_is_left_out() -> None:
    assert audio("m=audio 4000 RTP/AVP 96 0").codecs == b"PCMU"


def test_codecs_are_bounded() -> None:
    numbers = range(200, 300)
    found = audio(
        "m=audio 4000 RTP/AVP " + " ".join(map(str, numbers)),
        *(f"a=rtpmap:{number} {number}{'x' * 100}/8000" for number in numbers),
    )
    names = found.codecs.split(b",")
    assert len(names) == MAX_CODECS
    assert {len(name) for name in names} == {MAX_CODEC_BYTES}


def test_a_name_is_a_token() -> None:
    found = audio("m=audio 4000 RTP/AVP 96 97", "a=rtpmap:96 a,b\0é/8000", "a=rtpmap:97 bare")
    assert found.codecs == b"a_b___,bare"


def test_media_that_is_not_rtp_has_no_codecs() -> None:
    assert audio("m=audio 4000 udp 0 8").codecs == b""


@pytest.mark.parametrize(
    ("line", "ip"),
    [
        ("c=IN IP4 198.51.100.7", ip_address("198.51.100.7").packed),
        ("c=IN IP4 224.2.1.1/127/3", ip_address("224.2.1.1").packed),
        ("c=IN IP6 2001:db8::9 ", ip_address("2001:db8::9").packed),
    ],
)
def test_the_connection_of_the_media_goes_first(line: str, ip: bytes) -> None:
    assert audio("m=audio 4000 RTP/AVP 0", line).ip == ip
    assert audio("m=audio 4000 RTP/AVP 0", session=("v=0", line)).ip == ip
    assert audio("m=audio 4000 RTP/AVP 0", "m=video 4 RTP/AVP 31", line).ip == IP


@pytest.mark.parametrize(
    "line", ["c=IN IP4 media.example.com", "c=IN IP4 \x001.2.3.4", "c=IN IP5 1.2.3.4", "c=", "a=x"]
)
def test_no_address(line: str) -> None:
    assert audio("m=audio 4000 RTP/AVP 0", session=("v=0", line)).ip == b""


@pytest.mark.parametrize("direction", Direction)
def test_direction(direction: Direction) -> None:
    line = f"a={direction}"
    assert audio("m=audio 4000 RTP/AVP 0", line).direction is direction
    assert audio("m=audio 4000 RTP/AVP 0", session=("v=0", line)).direction is direction
    both = audio("m=audio 4000 RTP/AVP 0", "a=sendrecv", session=("v=0", line))
    assert both.direction is Direction.SENDRECV
    assert audio("m=audio 4000 RTP/AVP 0", line + "x").direction is Direction.SENDRECV
    hold = direction in (Direction.SENDONLY, Direction.INACTIVE)
    assert audio("m=audio 4000 RTP/AVP 0", line).is_hold is hold


@pytest.mark.parametrize("line", ["c=IN IP4 0.0.0.0", "c=IN IP6 ::"])
def test_hold_as_before_rfc_3264(line: str) -> None:
    assert audio("m=audio 4000 RTP/AVP 0", line).is_hold


def test_a_refused_stream_gives_way_to_one_that_is_not() -> None:
    refused = ("m=audio 0 RTP/SAVP 0", "a=inactive")
    assert audio(*refused).port == 0
    found = audio(*refused, "m=audio 4000/2 RTP/AVP 8")
    assert found == Audio(IP, 4000, b"PCMA", Direction.SENDRECV)


@pytest.mark.parametrize("port", ["", "x", "65536", "-1", "99999999999"])
def test_a_port_that_cannot_be(port: str) -> None:
    assert audio(f"m=audio {port} RTP/AVP 0").port == 0


@pytest.mark.parametrize("kind", ["mixed", "related"])
def test_multipart(kind: str) -> None:
    parts = (
        b"preamble\r\n--b\r\nContent-Type: application/isup\r\n\r\n\x01\x00\xff\r\n"
        b"--b\r\nContent-Type: application/sdp\r\n\r\n"
        + body("m=audio 4000 RTP/AVP 8")
        + f"--b\r\nX: {kind}\r\n\r\nm=audio 9 RTP/AVP 0\r\na=inactive\r\n--b--\r\n".encode()
    )
    assert sdp.parse(parts) == Audio(IP, 4000, b"PCMA", Direction.SENDRECV)


@pytest.mark.parametrize(
    "text", [b"", b"v=0", b"m=audio 4000 RTP/AVP 0", b"<xml/>", body("m=image 9 udptl t38")]
)
def test_no_audio(text: bytes) -> None:
    assert sdp.parse(text) is None


LINES = st.sampled_from(
    (
        *(b"v=0", b"c=IN IP4 ", b"c=IN IP6 ", b"m=audio ", b"m=audio 1 RTP/AVP 0", b"m=video "),
        *(b"a=rtpmap:", b"a=sendonly", b"--", b"\0", b"\xff", b" ", b"/", b",", b"\n", b"\r\n"),
    )
)


@given(st.lists(LINES | st.binary(max_size=20)))
@example([b"v=0\nm=audio 1 RTP/AVP 96\na=rtpmap:96"])
def test_nothing_raises(parts: list[bytes]) -> None:
    for separator in (b"", b"\n"):
        found = sdp.parse(b"v=0\n" + separator.join(parts))
        if found:
            assert len(found.ip) in (0, 4, 16)
            assert 0 <= found.port <= 0xFFFF
            names = found.codecs.split(b",")
            assert len(names) <= MAX_CODECS
            assert all(len(name) <= MAX_CODEC_BYTES for name in names)
            assert found.codecs.decode("ascii").isprintable()


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "filler",
    [
        *(b"\nm=audio 0 RTP/AVP 0", b"\na=rtpmap:", b"\na=rtpmap:1 a/8000", b"\nc=IN IP4 ", b" 0"),
        *(b"\nm=", b"\n--", b"\nv=0", b"\na=inactivex", b",", b"\xff"),
    ],
)
def test_nothing_takes_for_ever(filler: bytes) -> None:
    """Megabytes, of which a body has one sixteenth at most: 0.01 s when the time is linear."""
    for start in (
        b"v=0",
        b"v=0\nm=audio 1 RTP/AVP 96",
        b"",
        b"v=0\nm=audio 1 RTP/AVP 96\na=rtpmap:",
    ):
        sdp.parse(start + filler * (1_000_000 // len(filler)))
