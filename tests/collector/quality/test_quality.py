# SPDX-License-Identifier: GPL-2.0-or-later
"""Any payload: reports or none, never an exception, and quickly."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import quality
from collector.columns import RTCP_REPORT
from collector.hep import MAX_INFLATED
from collector.quality import Report
from tests import quality_json

PAYLOADS = [value for value in vars(quality_json).values() if isinstance(value, bytes)]
COLUMNS = {column.name: column.type for column in RTCP_REPORT}
LIMITS = {"bigint": 2**32, "integer": 2**31, "smallint": 2**15, "real": 10**6}


def _check(payload: bytes) -> list[Report]:
    reports = quality.parse(payload)
    assert len(reports) <= 62
    for report in reports:
        for name, value in report._asdict().items():
            kind = COLUMNS[name]
            if kind == "text":
                assert value in (None, "report", "in", "out", "local", "remote", "value")
            elif value is not None:
                assert type(value) is int or kind == "real"
                assert 0 <= value < LIMITS[kind]
    return reports


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_senders_emit(payload: bytes) -> None:
    """Also between white space and with the NUL of a C string; VoIP metrics of zeros excepted."""
    reports = _check(payload)
    assert _check(b" \r\n" + payload + b"\n\0") == reports
    assert bool(reports) == (payload is not quality_json._NO_XR)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "filler",
    [
        *(b"{", b"[", b'{"report_blocks":', b'{"report_blocks":[', b'"sdes_', b'{"sdes_', b"NLR="),
        *(
            b"NLR=1 ",
            b"LocalMetrics:",
            b"LocalMetrics ",
            b"SSRC=1",
            b"{}",
            b" ",
            b"\\",
            b"9",
            b"\xff",
        ),
        *(b'{"a":1,', b"Metrics \t", b":", b"BLD=BD="),
    ],
)
def test_no_payload_takes_for_ever(filler: bytes) -> None:
    """A quarter of a megabyte, the most that can be inflated."""
    count = MAX_INFLATED // len(filler)
    for payload in (filler * count, b"{" + filler * count, b'{"ssrc":"' + filler * count + b'"}'):
        _check(payload)


def test_a_payload_beyond_the_limit_is_no_report() -> None:
    """It was inflated; nobody has so much to say about one stream."""
    payload = b'{"ssrc":1,"x":"%s"}'
    room = quality.MAX_PAYLOAD - len(payload) + 2
    assert len(_check(payload % (b"x" * room))) == 1
    assert _check(payload % (b"x" * (room + 1))) == []


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *("ssrc", "type", "sender_information", "report_blocks", "report_blocks_xr"),
                    *("packets", "octets", "fraction_lost", "packets_lost", "ia_jitter", "lsr"),
                    *("dlsr", "MOS", "JITTER", "TOTAL_PK", "PACKET_LOSS", "INC_MOS", "OUT_RTP_PK"),
                ]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=20,
)


@given(_json)
def test_any_json(document: object) -> None:
    """Members of every type in every place."""
    try:
        _check(orjson.dumps(document))
    except TypeError:  # an integer that JSON cannot say
        _check(repr(document).encode())


@given(st.one_of(st.binary(max_size=300), st.sampled_from(PAYLOADS)), st.data())
def test_any_bytes(payload: bytes, data: st.DataObject) -> None:
    """Alone, cut off, and put into what senders emit."""
    _check(payload)
    place = data.draw(st.integers(0, len(payload)))
    _check(payload[:place])
    _check(payload[:place] + data.draw(st.binary(max_size=20)) + payload[place:])
