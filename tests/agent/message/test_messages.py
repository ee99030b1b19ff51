# SPDX-License-Identifier: GPL-2.0-or-later
"""From payloads to HEP packets, in each mode of -m."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.count import Count, Outcome, Unit
from agent.message.held import HOLD_US, MAX_HELD
from agent.message.media import Media
from agent.message.messages import Messages
from agent.message.script import Script
from agent.message.share import Share
from agent.packet.packet import Packet
from collector import hep, quality
from collector.hep import Hep
from tests import dns_bytes, rtcp_bytes
from tests.sdp_text import description, multipart
from tests.sip_text import DESTINATION, SOURCE, request

TIME = 1_700_000_000_123_456
FIGURES = (1, 2, 3, 4, 5)
REPORT = rtcp_bytes.sender_report(5, FIGURES, rtcp_bytes.block()) + rtcp_bytes.description(5)
RTP = b"\x80\x08" + bytes(170)
NG = b"7_1 d7:call-id4:call7:command5:offere"
LOG = b"<134>rtpengine: INFO: [call port 30000]: RTP"
QUERY = dns_bytes.message([dns_bytes.question(dns_bytes.name("example.com"), dns_bytes.NAPTR)])
MODES = ("SIP", "SIPRTCP", "SIPDNS", "SIPLOG", "SIPRTP", "anything")

MakeMessages = Callable[..., Messages]


@pytest.fixture
def counts() -> memoryview[int]:
    return memoryview(bytearray(8 * len(Count))).cast("Q")


@pytest.fixture
def messages(counts: memoryview[int]) -> Messages:
    return Messages(counts, Media(counts))


def _packet(
    payload: bytes,
    *,
    time: int = 0,
    protocol: int = hep.PROTOCOL_UDP,
    src: bytes = SOURCE,
    dst: bytes = DESTINATION,
    ports: tuple[int, int] = (5060, 5080),
    vlan: int = 0,
) -> Packet:
    return Packet(TIME + time, protocol, src, dst, *ports, vlan, payload)


def _invite(*, call_id: str = "call", ip: str = "192.0.2.1", time: int = 0) -> Packet:
    body = description("m=audio 40000 RTP/AVP 8", ip=ip)
    return _packet(request(call_id=call_id, body=body), time=time)


def _rtcp(
    payload: bytes = REPORT, *, time: int = 0, ports: tuple[int, int] = (40001, 30001)
) -> Packet:
    return _packet(payload, time=time, ports=ports)


def _counted(counts: memoryview[int]) -> dict[Count, int]:
    return {count: counts[count] for count in Count if counts[count]}


@pytest.mark.parametrize("mode", MODES)
def test_sip_in_every_mode(counts: memoryview[int], mode: str) -> None:
    """All fields of the HEP packet; time is that of the capture."""
    messages = Messages(
        *(counts, Media(counts)),
        mode=mode,
        capture_id=2003,
        node_name=b"node",
        auth_key=b"secret",
    )
    message = messages.read(_packet(request(), vlan=42))
    assert message == Hep(
        *(3, 17, SOURCE, DESTINATION, 5060, 5080, 1_700_000_000, 123_456, 1, 2003, request()),
        *(b"", b"node", b"secret", 42),
    )
    assert hep.decode(hep.encode(message)) == message
    assert _counted(counts) == {}, "the worker counts frames, and messages that it gets"


@pytest.mark.parametrize("protocol", [hep.PROTOCOL_TCP, hep.PROTOCOL_SCTP, hep.PROTOCOL_UDP])
def test_the_protocol_is_that_of_ip(messages: Messages, protocol: int) -> None:
    """Over IPv6, too."""
    src, dst = ip_address("2001:db8::1").packed, ip_address("2001:db8::2").packed
    message = messages.read(_packet(request(), protocol=protocol, src=src, dst=dst))
    assert message is not None
    assert (message.protocol, message.src_ip, message.dst_ip) == (protocol, src, dst)


def test_what_stands_before_sip_is_cut(messages: Messages) -> None:
    """Up to "Sip0"; SDP behind it is learnt."""
    invite = _invite()
    message = messages.read(invite._replace(payload=bytes(20) + b"Sip0" + invite.payload))
    assert message is not None
    assert message.payload == invite.payload
    assert messages.read(_rtcp()) is not None


def test_rtcp_has_the_call_id_of_its_call(messages: Messages) -> None:
    """As JSON, type 5, and the collector reads it."""
    messages.read(_invite())
    message = messages.read(_rtcp(time=5))
    assert message is not None
    assert (message.type, message.correlation_id) == (hep.TYPE_RTCP, b"call")
    assert (message.src_port, message.dst_port, message.microseconds) == (40001, 30001, 123_461)
    (report,) = quality.parse(message.payload)
    assert (report.ssrc, report.packets) == (5, 4)


def test_rtcp_over_ipv6(messages: Messages) -> None:
    """heplify's filter does not capture it."""
    messages.read(_invite(ip="2001:db8::1"))
    src, dst = ip_address("2001:db8::1").packed, ip_address("2001:db8::2").packed
    message = messages.read(_packet(REPORT, src=src, dst=dst, ports=(40001, 9)))
    assert message is not None
    assert message.correlation_id == b"call"


def test_rtcp_that_begins_with_an_extended_report(messages: Messages) -> None:
    """The same."""
    messages.read(_invite())
    extended = rtcp_bytes.extended_report(5, rtcp_bytes.voip_metrics())
    message = messages.read(_rtcp(extended))
    assert message is not None
    assert orjson.loads(message.payload)["report_blocks_xr"]["type"] == 7


def test_rtcp_on_the_port_of_rtp(messages: Messages) -> None:
    """RFC 5761: ports need not be odd, as heplify demands."""
    body = description("m=audio 40000 RTP/AVP 8\na=rtcp-mux")
    messages.read(_packet(request(call_id="mux", body=body)))
    message = messages.read(_rtcp(ports=(40000, 30000)))
    assert message is not None
    assert message.correlation_id == b"mux"


def test_multipart_sdp_is_accepted(messages: Messages) -> None:
    """heplify never does, because of a typing error."""
    body = multipart(
        ("application/isup", b"\1\0"),
        ("application/sdp", description("m=audio 40000 RTP/AVP 8")),
    )
    header = 'c: MULTIPART/mixed; boundary="b1"\r\n'
    messages.read(_packet(request(call_id="multi", body=body, headers=header)))
    message = messages.read(_rtcp())
    assert message is not None
    assert message.correlation_id == b"multi"


def test_sdp_over_tcp_is_learnt(messages: Messages) -> None:
    """From whole messages of a stream."""
    messages.read(_invite()._replace(protocol=hep.PROTOCOL_TCP))
    assert messages.read(_rtcp()) is not None


def test_rtcp_waits_for_its_call(messages: Messages, counts: memoryview[int]) -> None:
    """Early media, or another worker has the SDP: it keeps its time, and counts once."""
    assert messages.read(_rtcp()) is None
    assert messages.outcome == Count.USED
    assert messages.expire(TIME + 10) == []
    messages.read(_invite(time=100))
    (message,) = messages.expire(TIME + 200)
    assert (message.type, message.correlation_id) == (hep.TYPE_RTCP, b"call")
    assert message.microseconds == 123_456
    assert messages.expire(TIME + 10 * HOLD_US) == []
    assert _counted(counts) == {}


def test_rtcp_without_a_call_is_given_up(messages: Messages, counts: memoryview[int]) -> None:
    """After a second, and not before."""
    messages.read(_rtcp())
    assert messages.expire(TIME + HOLD_US - 1) == []
    assert _counted(counts) == {}
    assert messages.expire(TIME + HOLD_US) == []
    assert _counted(counts) == {Count.FOUND: 1, Count.RTCP_NO_CALL: 1}
    messages.read(_invite(time=HOLD_US + 1))
    assert messages.expire(1 << 62) == []
    assert _counted(counts) == {Count.FOUND: 1, Count.RTCP_NO_CALL: 1}


def test_what_waits_is_bounded(messages: Messages, counts: memoryview[int]) -> None:
    """The oldest makes room."""
    for number in range(MAX_HELD + 3):
        messages.read(_rtcp(time=number, ports=(1001 + 2 * number, 3)))
    assert _counted(counts) == {Count.FOUND: 3, Count.RTCP_NO_CALL: 3}
    assert messages.expire(1 << 62) == []
    assert counts[Count.RTCP_NO_CALL] == MAX_HELD + 3


def test_rtcp_in_another_worker(counts: memoryview[int]) -> None:
    """What the other one has learnt is looked for before a report has to wait."""
    shares = Share.mesh(2)
    first, second = (Messages(counts, Media(counts, share)) for share in shares)
    first.read(_invite())
    message = second.read(_rtcp())
    assert message is not None
    assert message.correlation_id == b"call"
    assert second.read(_rtcp(time=1, ports=(50001, 9))) is None
    body = description("m=audio 50000 RTP/AVP 8")
    first.read(_packet(request(call_id="later", body=body)))
    assert [found.correlation_id for found in second.expire(TIME + 2)] == [b"later"]
    for share in shares:
        share.close()


@pytest.mark.parametrize(
    ("mode", "payload", "ports", "outcome"),
    [
        ("SIPRTCP", b"\r\n\r\n", (5060, 5060), Count.TOO_SHORT),
        ("SIPRTCP", 15 * b"x", (5060, 5060), Count.TOO_SHORT),
        ("SIPRTCP", 16 * b"x", (5060, 5060), Count.UNKNOWN),
        ("SIPRTCP", RTP, (40000, 30000), Count.RTP),
        ("SIPRTP", RTP, (40000, 30000), Count.RTP),
        ("SIPRTCP", RTP, (40001, 30001), Count.RTP),
        ("SIP", RTP, (40000, 30000), Count.UNKNOWN),
        ("SIP", REPORT, (40001, 30001), Count.UNKNOWN),
        ("SIPRTCP", REPORT + b"\0", (40001, 30001), Count.RTCP_EMPTY),
        ("SIPRTCP", rtcp_bytes.goodbye(5) * 2, (40001, 30001), Count.RTCP_EMPTY),
        ("SIPRTCP", QUERY, (1053, 53), Count.UNKNOWN),
        ("SIPDNS", QUERY[:-1], (1053, 53), Count.DNS_MALFORMED),
        ("SIPRTCP", LOG, (1514, 514), Count.UNKNOWN),
        ("SIPLOG", b"<134>nothing of a call", (1514, 514), Count.LOG_EMPTY),
        ("SIPLOG", b"7_1 d4:pinge4:ping4:ping", (1223, 2223), Count.LOG_EMPTY),
        ("SIPLOG", LOG, (514, 1514), Count.UNKNOWN),
    ],
)
def test_what_is_ignored_says_why(
    counts: memoryview[int], mode: str, payload: bytes, ports: tuple[int, int], outcome: Count
) -> None:
    """What its frame counts as; the worker counts it."""
    messages = Messages(counts, Media(counts), mode=mode)
    assert messages.read(_packet(payload, ports=ports)) is None
    assert messages.outcome == outcome
    assert outcome.unit is Unit.FRAME
    assert outcome.outcome in {Outcome.IGNORED, Outcome.MALFORMED}
    assert messages.expire(1 << 62) == []
    assert _counted(counts) == {}


def test_unknown_in_sctp(messages: Messages) -> None:
    """As over UDP."""
    assert messages.read(_packet(b"x", protocol=hep.PROTOCOL_SCTP)) is None
    assert messages.outcome == Count.UNKNOWN


@pytest.mark.parametrize("ports", [(1053, 53), (53, 1053)])
def test_dns(counts: memoryview[int], ports: tuple[int, int]) -> None:
    """Queries and responses, type 53, without a correlation id."""
    message = Messages(counts, Media(counts), mode="SIPDNS").read(_packet(QUERY, ports=ports))
    assert message is not None
    assert (message.type, message.correlation_id) == (hep.TYPE_DNS, b"")
    assert orjson.loads(message.payload)["questions"][0]["name"] == "example.com"


@pytest.mark.parametrize("payload", [LOG, LOG + b"\xff\0\x80"])
def test_log_lines(counts: memoryview[int], payload: bytes) -> None:
    """Type 100, byte by byte."""
    message = Messages(counts, Media(counts), mode="SIPLOG").read(_packet(payload, ports=(9, 514)))
    assert message is not None
    assert (message.type, message.correlation_id) == (hep.TYPE_LOG, b"call")
    assert message.payload == payload


def test_control_of_rtpengine(counts: memoryview[int]) -> None:
    """A request and its reply, which only the cookie ties to the call."""
    messages = Messages(counts, Media(counts), mode="SIPLOG")
    reply = b"7_1 d6:result2:oke"
    for payload, ports in ((NG, (9, 2223)), (reply, (2223, 9))):
        message = messages.read(_packet(payload, ports=ports))
        assert message is not None
        assert (message.type, message.correlation_id) == (hep.TYPE_LOG, b"call")
        assert message.payload == payload


def _script(tmp_path: Path, counts: memoryview[int], text: str) -> Script:
    file = tmp_path / "script.lua"
    file.write_text(text)
    return Script(file, (hep.TYPE_SIP, hep.TYPE_RTCP), counts)


def test_a_script_changes_messages(tmp_path: Path, counts: memoryview[int]) -> None:
    """After the SDP was read, so that it cannot break the correlation."""
    text = "function f() if GetHEPProtoType() == 1 then SetRawMessage('hidden') end end"
    messages = Messages(counts, Media(counts), script=_script(tmp_path, counts, text))
    message = messages.read(_invite())
    assert message is not None
    assert message.payload == b"hidden"
    report = messages.read(_rtcp())
    assert report is not None
    assert report.correlation_id == b"call"


def test_a_script_discards_messages(tmp_path: Path, counts: memoryview[int]) -> None:
    """Found and filtered; of reports that waited, too."""
    script = _script(tmp_path, counts, "function f() SetRawMessage('') end")
    messages = Messages(counts, Media(counts), script=script)
    assert messages.read(_rtcp()) is None
    assert messages.read(_invite(time=1)) is None
    assert messages.outcome == Count.USED
    assert _counted(counts) == {Count.FOUND: 1, Count.SCRIPT_DISCARDED: 1}
    assert messages.expire(TIME + 2) == []
    assert _counted(counts) == {Count.FOUND: 2, Count.SCRIPT_DISCARDED: 2}


PAYLOADS = st.sampled_from(
    [request(), _invite().payload, REPORT, REPORT[:-1], RTP, QUERY, LOG, NG, b"", b"\r\n\r\n"]
) | st.binary(max_size=80)
PORTS = st.sampled_from([53, 514, 2223, 5060, 40000, 40001, 30001])


@given(
    st.sampled_from(MODES),
    st.lists(
        st.tuples(PAYLOADS, PORTS, PORTS, st.sampled_from([6, 17, 132]), st.booleans()),
        max_size=30,
    ),
)
def test_both_balances_hold(mode: str, sent: list[tuple[bytes, int, int, int, bool]]) -> None:
    """A worker that does as told: each frame has one outcome, each message another."""
    counts = memoryview(bytearray(8 * len(Count))).cast("Q")
    messages = Messages(counts, Media(counts), mode=mode)
    returned = 0
    for at, (payload, src_port, dst_port, protocol, is_late) in enumerate(sent):
        packet = _packet(payload, time=at, protocol=protocol, ports=(src_port, dst_port))
        counts[Count.CAPTURED] += 1
        if messages.read(packet):
            returned += 1
            counts[Count.USED] += 1
        else:
            counts[messages.outcome] += 1
        returned += len(messages.expire(TIME + at + is_late * HOLD_US))
    returned += len(messages.expire(1 << 62))
    counts[Count.FOUND] += returned
    counts[Count.JOURNALED] += returned
    for unit in (Unit.FRAME, Unit.MESSAGE):
        total = [counts[c] for c in Count if c.unit is unit and c.outcome is Outcome.TOTAL]
        rest = [counts[c] for c in Count if c.unit is unit and c.outcome is not Outcome.TOTAL]
        assert sum(total) == sum(rest)
