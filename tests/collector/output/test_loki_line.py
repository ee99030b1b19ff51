# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines: their streams are few, their times go forward, their text is valid."""

from __future__ import annotations

import json
from typing import Any

import pytest

from collector import settings
from collector.journal.record import Record
from collector.output.loki_line import Line, LineMaker, body
from collector.selection import Selection
from tests.sip_text import packet, request

NOW_NS = 1_800_000_000_000_000_000


def _maker(**environment: str) -> LineMaker:
    variables = {f"KEMISCOPE_{name}": value for name, value in environment.items()}
    loaded = settings.load(None, {"KEMISCOPE_CONFIG": "/dev/null", **variables})
    return LineMaker(loaded, Selection(loaded))


def _line(maker: LineMaker, message: bytes, at: float = NOW_NS / 1e9, **fields: Any) -> Line:
    data = packet(message, at=at, **fields)
    line = maker.make(Record(NOW_NS, bytes(16), 9060, 0, data, 0))
    assert isinstance(line, Line)
    return line


def test_metadata_and_further_labels() -> None:
    """As far as they are asked for; what a packet does not have is left out."""
    maker = _maker(LOKI_LABELS="type,from,to,src_ip", LOKI_METADATA="call_id,dst_ip,dst_port")
    line = _line(maker, request(call_id="call-1"))
    assert line.labels == ("sip", "alice@example.com", "bob@example.com", "192.0.2.1")
    assert line.metadata == {"call_id": "call-1", "dst_ip": "198.51.100.2", "dst_port": "5060"}
    other = _line(maker, b"a line", type=100, correlation_id=b"call-2")
    assert other.labels == ("log", "", "", "192.0.2.1")
    assert other.metadata["call_id"] == "call-2"
    document = json.loads(body(("type", "from", "to", "src_ip"), [line, other]))
    assert [stream["stream"] for stream in document["streams"]] == [
        {
            "type": "sip",
            "from": "alice@example.com",
            "to": "bob@example.com",
            "src_ip": "192.0.2.1",
        },
        {"type": "log", "src_ip": "192.0.2.1"},
    ]
    assert document["streams"][1]["values"] == [
        [str(NOW_NS), "a line", {"call_id": "call-2", "dst_ip": "198.51.100.2", "dst_port": "5060"}]
    ]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (1_800_000_000.000001, NOW_NS + 1000),
        (1_799_999_000.5, NOW_NS - 999_500_000_000),
        (0, NOW_NS),
        (1_500_000_000, NOW_NS),
        (1_900_000_000, NOW_NS),
    ],
)
def test_the_time_is_the_senders_unless_it_is_far_off(at: float, expected: int) -> None:
    """As in the database: then it is that of arrival."""
    assert _line(_maker(), request(), at).ts == expected


@pytest.mark.parametrize(("window", "late"), [("30m", 1800), ("0", 0), ("10s", 10)])
def test_lines_that_are_too_old_for_their_stream_get_the_oldest_time_it_takes(
    window: str, late: int
) -> None:
    """Loki would refuse them; 0 is for a Loki that wants strict order. Other streams differ."""
    maker = _maker(LOKI_OUT_OF_ORDER=window)
    now = NOW_NS // 10**9
    assert _line(maker, request(), now).ts == NOW_NS
    assert _line(maker, request(), now - 5000).ts == NOW_NS - late * 10**9
    assert _line(maker, request(method="BYE"), now - 5000).ts == NOW_NS - 5000 * 10**9
    assert _line(maker, request(), now + 1).ts == NOW_NS + 10**9
    assert _line(maker, request(), now).ts == NOW_NS + (10**9 if late == 0 else 0)


def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can invent nodes; those that were silent for an hour make room."""
    clock = [1000.0]
    monkeypatch.setattr("collector.output.loki_line.time.monotonic", lambda: clock[0])
    maker = _maker(LOKI_MAX_STREAMS="10", LOKI_LABELS="type,node")
    found = [_line(maker, request(), node_name=b"n%d" % n).labels for n in range(15)]
    assert found == [*(("sip", f"n{n}") for n in range(10)), *([("sip", "other")] * 5)]
    assert _line(maker, request(), node_name=b"n3").labels == ("sip", "n3")
    clock[0] += 3000
    assert _line(maker, request(), node_name=b"n3").labels == ("sip", "n3")
    clock[0] += 1000
    assert _line(maker, request(), node_name=b"new").labels == ("sip", "new")
    assert _line(maker, request(), node_name=b"n3").labels == ("sip", "n3")


def test_text_and_labels_are_valid_whatever_comes() -> None:
    """NUL, bad UTF-8, unknown methods and codes, names without end."""
    maker = _maker(LOKI_METADATA="from,call_id")
    message = request(method="X" * 500, call_id="a\0b").replace(b"alice", b"\xff\xfe\r\n")
    line = _line(maker, message, node_name=b"\xff\0" * 500, correlation_id=b"\xff")
    text = body(("job", "hostname", "node", "type", "method", "response", "protocol"), [line])
    stream = json.loads(text)["streams"][0]
    assert stream["stream"]["method"] == stream["stream"]["response"] == "other"
    assert len(stream["stream"]["node"]) <= 128
    assert all(value.isprintable() for value in stream["stream"].values())
    assert stream["values"][0][1] == message.decode("utf-8", "replace")
    assert stream["values"][0][2]["call_id"] == "ab"
