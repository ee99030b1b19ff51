# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of senders: the exact bytes of each, and the rows that must come of them.

Kamailio's are recordings (``tests/data/senders``); where the machine that recorded them lacked a
module, and for all other programs, the bytes are put together by ``tests.hep_bytes``, chunk by
chunk in the order and with the mistakes of that program. Nothing here uses our own encoder.
"""

from __future__ import annotations

import zlib
from typing import Final

from tests import quality_json
from tests.hep_bytes import (
    DST4,
    SRC4,
    chunk,
    hep1,
    hep2,
    hep3,
    kamailio3,
    ports_and_time,
    ports_first,
    u8,
    u16,
    u32,
)
from tests.sender import (
    SENT_US,
    UNKNOWN,
    V6,
    Sender,
    event,
    invite,
    recorded,
    recording,
    report,
    sip,
    stored,
)

KAMAILIO: Final = (
    recording("Kamailio v1 UDP, recorded", "kamailio-v1-udp", None, (52238, 48648), node="0"),
    recording("Kamailio v1 TCP, recorded", "kamailio-v1-tcp", None, (60862, 48648), node="0"),
    recording("Kamailio v1 IPv6, recorded", "kamailio-v1-ipv6", None, (35806, 37511), node="0"),
    recording(
        "Kamailio v2 UDP, recorded", "kamailio-v2-udp", 1_795_407_465_821_584, (59443, 56700)
    ),
    recording(
        "Kamailio v2 TCP, recorded", "kamailio-v2-tcp", 1_795_407_467_325_252, (53008, 56700)
    ),
    recording(
        "Kamailio v2 IPv6, recorded", "kamailio-v2-ipv6", 1_795_407_469_331_786, (34983, 51914)
    ),
    recording(
        "Kamailio v3 UDP, recorded", "kamailio-v3-udp", 1_795_407_472_340_656, (58480, 48068)
    ),
    recording(
        "Kamailio v3 TCP, recorded", "kamailio-v3-tcp", 1_795_407_473_845_325, (57268, 48068)
    ),
    recording(
        "Kamailio v3 IPv6, recorded", "kamailio-v3-ipv6", 1_795_407_475_851_839, (54758, 40586)
    ),
    recording(
        *("Kamailio v3 with a correlation id, recorded", "kamailio-v3-correlation"),
        *(1_795_407_472_842_318, (45223, 48068)),
        correlation_id="aleg@recorded",
    ),
    Sender(
        "Kamailio hlog, recorded",
        recorded("kamailio-hlog"),
        "hep_event",
        (
            {
                "type": 100,
                "call_id": "hlog-udp@recorded",
                "node": "4660",
                "fault": None,
                "src_ip": "127.0.0.1",
                "dst_ip": "127.0.0.1",
                "src_port": 48068,
                "dst_port": 50879,
                "payload": b"route: no dispatcher for hlog",
            },
        ),
        1_795_407_473_343_721,
    ),
    # TLS, WS and WSS have no number of their own: all are 22, and the Via says which.
    *(
        sip(
            f"Kamailio v{version} {transport}",
            make(invite(f"k{version}-{transport}", transport), protocol=protocol),
            stored(f"k{version}-{transport}", transport, node=node),
            sent_at=sent_at,
        )
        for version, make, node, sent_at in (
            (1, hep1, "0", None),
            (2, hep2, "4660", SENT_US),
            (3, kamailio3, "7", SENT_US),
        )
        for transport, protocol in (("TLS", 22), ("WS", 22), ("WSS", 22), ("SCTP", 132))
    ),
    sip(
        "Kamailio v3 TLS, relayed from a phone behind UDP",
        kamailio3(invite("k3-udp-tls", "UDP"), protocol=22),
        stored("k3-udp-tls", "UDP", transport="TLS", node="7"),
    ),
)

ASTERISK: Final = (
    sip(
        "Asterisk UDP",
        ports_first(17, 1, 1, False, chunk(0x11, b"ast-udp"), chunk(0x0F, invite("ast-udp"))),
        stored("ast-udp", node="1"),
    ),
    *(
        sip(
            f"Asterisk {transport}, which it reports as TCP",
            ports_first(
                *(6, 1, 1, True, chunk(0x0E, b"secret"), chunk(0x11, b"PJSIP/alice-1")),
                *(chunk(0x13, b"pbx"), chunk(0x0F, invite(f"ast-{transport}", transport))),
            ),
            stored(
                *(f"ast-{transport}", transport),
                **V6,
                node="pbx",
                correlation_id="PJSIP/alice-1",
            ),
        )
        for transport in ("TCP", "TLS", "WS", "WSS")
    ),
    report(
        "Asterisk RTCP, sender report",
        ports_first(17, 5, 1, False, chunk(0x11, b"a"), chunk(0x0F, quality_json.ASTERISK_SR)),
        {"packet_type": 200, "packets": 252, "octets": 40_320, "source_ssrc": 2_654_650_687}
        | {"packets_lost": 3, "fraction_lost": 0.25, "jitter": 44, "highest_seq": 992}
        | {"payload": quality_json.ASTERISK_SR},
        type=5,
        call_id="a",
        node="1",
        ssrc=1_814_766_290,
    ),
    report(
        "Asterisk RTCP, receiver report over IPv6",
        ports_first(17, 5, 1, True, chunk(0x11, b"a"), chunk(0x0F, quality_json.ASTERISK_RR)),
        {"packet_type": 201, "packets": None, "octets": None, "source_ssrc": 7, "lsr": None},
        **V6,
        type=5,
        call_id="a",
        node="1",
        ssrc=1_814_766_290,
    ),
)

# sofia-sip copies 4 bytes of an IPv6 address, and those from the place of the flow label.
_SOFIA6: Final = bytes(4) + b"of the stack"
FREESWITCH: Final = (
    sip(
        *("FreeSWITCH v1", hep1(invite("fs-1")), stored("fs-1")),
        sent_at=None,
    ),
    sip(
        "FreeSWITCH v2, time block counted into the header",
        hep2(invite("fs-2"), counts_time=True),
        stored("fs-2", node="4660"),
    ),
    sip(
        "FreeSWITCH v3",
        ports_first(17, 1, 200, False, chunk(0x0F, invite("fs-3"))),
        stored("fs-3", node="200"),
    ),
    sip(
        "FreeSWITCH v3 WSS, which it reports as TCP",
        ports_first(6, 1, 200, False, chunk(0x0F, invite("fs-ws", "WSS"))),
        stored("fs-ws", "WSS", node="200"),
    ),
    sip(
        "FreeSWITCH v1 IPv6",
        hep1(invite("fs-1-6"), ipv6=True, pair=bytes(32)),
        stored("fs-1-6", **UNKNOWN),
        sent_at=None,
    ),
    sip(
        "FreeSWITCH v2 IPv6",
        hep2(invite("fs-2-6"), ipv6=True, pair=bytes(32), counts_time=True),
        stored("fs-2-6", node="4660", **UNKNOWN),
    ),
    sip(
        "FreeSWITCH v3 IPv6 with what was in memory",
        hep3(
            *(u8(1, 10), u8(2, 17), ports_and_time(1, 200), chunk(5, _SOFIA6), chunk(6, _SOFIA6)),
            chunk(0x0F, invite("fs-3-6")),
        ),
        stored("fs-3-6", node="200", **UNKNOWN),
    ),
)

RTPENGINE: Final = (
    report(
        "rtpengine RTCP",
        ports_first(17, 5, 2001, False, chunk(0x11, b"r"), chunk(0x0F, quality_json.RTPENGINE_SR)),
        {"source_ssrc": 2_954_871, "jitter": 12, "packets_lost": 0, "fraction_lost": 0.0}
        | {"payload": quality_json.RTPENGINE_SR},
        {"source_ssrc": 2_954_872, "jitter": 160, "packets_lost": 17, "fraction_lost": 13 / 256}
        | {"payload": None},
        type=5,
        call_id="r",
        node="2001",
        ssrc=3_298_104_112,
        packet_type=200,
        packets=1500,
        octets=240_000,
    ),
    event(
        "rtpengine NG",
        ports_first(17, 0x3D, 2001, False, chunk(0x11, b"r"), chunk(0x0F, b"d7:command5:offere")),
        *(61, b"d7:command5:offere"),
        call_id="r",
        node="2001",
    ),
)


def _cjson(**members: bytes) -> bytes:
    """An object as cJSON_Print writes it."""
    escape = {b"\\": b"\\\\", b'"': b'\\"', b"\r": b"\\r", b"\n": b"\\n"}
    lines = []
    for name, value in members.items():
        text = value
        for plain, escaped in escape.items():
            text = text.replace(plain, escaped)
        lines.append(b'\t"%b":\t"%b"' % (name.encode(), text))
    return b"{\n" + b",\n".join(lines) + b"\n}"


_OS_BOTH: Final = _cjson(net=b"7012", sip=b"os-0")
_OS_NET: Final = _cjson(net=b"7012")
_OS_LOG: Final = _cjson(level=b"NOTICE", text=b"no gateway")
OPENSIPS: Final = (
    sip(
        "OpenSIPS homer5_on=1",
        ports_first(17, 1, 1, False, chunk(0x0F, invite("os-1")), chunk(0x11, b"os-1")),
        stored("os-1", node="1"),
    ),
    sip(
        "OpenSIPS homer5_on=0",
        ports_first(
            17, 1, 1, False, chunk(0x0F, _cjson(payload=invite("os-0"))), chunk(0x65, _OS_BOTH)
        ),
        stored("os-0", node="1", chunks={"0x0065": _OS_BOTH.decode()}),
    ),
    sip(
        "OpenSIPS homer5_on=0 without the SIP correlation",
        ports_first(
            6, 1, 1, True, chunk(0x0F, _cjson(payload=invite("os-0n", "TCP"))), chunk(0x65, _OS_NET)
        ),
        stored("os-0n", "TCP", **V6, node="1", chunks={"0x0065": _OS_NET.decode()}),
    ),
    sip(
        "OpenSIPS homer5_on=0 without any correlation",
        ports_first(17, 1, 1, False, chunk(0x0F, _cjson(payload=invite("os-00")))),
        stored("os-00", node="1"),
    ),
    event(
        "OpenSIPS homer5_on=0, xlog",
        ports_first(6, 100, 1, False, chunk(0x0F, _OS_LOG), chunk(0x65, _OS_BOTH)),
        *(100, _OS_LOG),
        call_id="os-0",
        node="1",
        chunks={"0x0065": _OS_BOTH.decode()},
    ),
    sip(
        "OpenSIPS with a compressed payload",
        ports_first(
            17, 1, 1, False, chunk(0x10, zlib.compress(invite("os-z"))), chunk(0x11, b"os-z")
        ),
        stored("os-z", node="1"),
    ),
)

_CAPTAGENT_RTCP: Final = b'{"ssrc":1,"type":201,"report_blocks":[{"source_ssrc":2}]}'
CAPTAGENT: Final = (
    sip(
        "captagent compressed, with MOS, R-factor and tags",
        ports_first(
            *(17, 1, 2002, True, chunk(0x0E, b"myhep"), chunk(0x11, b"leg-a")),
            *(u16(0x20, 440), u16(0x21, 93), chunk(0x26, b"blue")),
            chunk(0x10, zlib.compress(invite("capt"))),
        ),
        stored(
            *("capt",),
            **V6,
            node="2002",
            correlation_id="leg-a",
            chunks={"mos": 440, "r_factor": 93, "tags": "blue"},
        ),
    ),
    report(
        "captagent RTCP compressed, with MOS and R-factor",
        ports_first(
            *(17, 5, 2002, False, chunk(0x0E, b"myhep"), chunk(0x11, b"capt")),
            *(u16(0x20, 440), u16(0x21, 93), chunk(0x10, zlib.compress(_CAPTAGENT_RTCP))),
        ),
        {"packet_type": 201, "ssrc": 1, "source_ssrc": 2, "mos": 4.4, "r_factor": 93.0}
        | {"payload": _CAPTAGENT_RTCP, "chunks": {"mos": 440, "r_factor": 93}},
        type=5,
        call_id="capt",
        node="2002",
    ),
    report(
        "captagent RTCP with an unescaped source description",
        ports_first(17, 5, 2002, False, chunk(0x11, b"c"), chunk(0x0F, quality_json.CAPTAGENT_SR)),
        {"ssrc": 10, "packets": 500, "source_ssrc": 20, "packets_lost": None, "fault": "value"},
        type=5,
        call_id="c",
        node="2002",
    ),
)


def _heplify(kind: int, payload: bytes, *rest: bytes, last: bytes = b"") -> bytes:
    """1.66.7: the payload before the correlation id, the VLAN always."""
    return hep3(
        *(u8(1, 2), u8(2, 17), chunk(3, SRC4), chunk(4, DST4), ports_and_time(kind, 2001)),
        *(chunk(0x0E, b"secret"), chunk(0x0F, payload), *rest, last),
    )


_DNS: Final = b'{"id":7,"qr":0,"questions":[{"name":"example.com","type":"NAPTR"}]}'
HEPLIFY: Final = (
    sip(
        "heplify with VLAN and name",
        _heplify(1, invite("hl"), u16(0x12, 742), chunk(0x13, b"edge-1")),
        stored("hl", node="edge-1", vlan=742),
    ),
    sip(
        "heplify without VLAN",
        _heplify(1, invite("hl-0"), u16(0x12, 0)),
        stored("hl-0", node="2001"),
    ),
    sip(
        "heplify 1.66.10, the payload last, with TCP flags and TOS",
        hep3(
            *(u8(1, 2), u8(2, 6), chunk(3, SRC4), chunk(4, DST4), ports_and_time(1, 2001)),
            *(u16(0x12, 7), u8(0x17, 24), u8(0x18, 96), chunk(0x0F, invite("hl-10", "TCP"))),
        ),
        stored("hl-10", "TCP", node="2001", vlan=7, chunks={"tcp_flags": 24, "ip_tos": 96}),
    ),
    Sender(
        "heplify ping",
        hep3(
            *(u8(1, 0), u8(2, 0), u16(7, 0), u16(8, 0), u32(9, 0), u32(10, 0), u8(11, 0)),
            *(u32(12, 2001), chunk(0x0E, b"secret"), chunk(0x0F, b"HEP3\x03\x0a")),
            *(u16(0x12, 0), chunk(0x13, b"edge-1")),
        ),
        *("", ()),
    ),
    report(
        "heplify RTCP",
        _heplify(5, quality_json.HEPLIFY_SR, chunk(0x11, b"hl"), u16(0x12, 0)),
        {"packet_type": 202, "ssrc": 5, "packets": 10, "octets": 1600, "source_ssrc": None},
        type=5,
        call_id="hl",
        node="2001",
    ),
    report(
        "heplify RTCP with VoIP metrics",
        _heplify(5, quality_json.HEPLIFY_XR, chunk(0x11, b"hl"), u16(0x12, 742)),
        {"source_ssrc": 9, "jitter": 4, "fraction_lost": 0.0, "rtt_ms": None},
        {"source_ssrc": 9, "jitter": None, "fraction_lost": 0.5, "fraction_discarded": 0.125}
        | {"rtt_ms": 48.0, "rtt_source": "report", "burst_ms": 120, "end_system_delay_ms": 80},
        type=5,
        call_id="hl",
        node="2001",
        vlan=742,
        packet_type=207,
    ),
    event(
        "heplify DNS, which has no correlation id",
        _heplify(53, _DNS, u16(0x12, 0)),
        *(53, _DNS),
        node="2001",
    ),
    event(
        "heplify log",
        _heplify(100, b"INFO: [call-9 port 40000]: ok", chunk(0x11, b"call-9"), u16(0x12, 5)),
        *(100, b"INFO: [call-9 port 40000]: ok"),
        call_id="call-9",
        node="2001",
        vlan=5,
    ),
)


def _agent(kind: int, payload: bytes) -> bytes:
    return ports_first(17, kind, 2002, False, chunk(0x11, b"q"), chunk(0x0F, payload))


_Q: Final = {"call_id": "q", "node": "2002"}
REPORTS: Final = (
    *(
        report(
            f"rtpagent as type {kind}",
            _agent(kind, quality_json.RTPAGENT),
            {"packets": 1512, "packets_lost": 88, "fraction_lost": 0.055, "jitter_ms": 0.017}
            | {"delta_ms": 19.983, "mos": 4.032, "r_factor": 80.2, "direction": None},
            **_Q,
            type=kind,
        )
        for kind in (34, 32, 99)
    ),
    report(
        "VQ tokens",
        _agent(35, quality_json.VQ_TOKENS),
        {"fraction_lost": 0.005, "fraction_discarded": 0.0125, "jitter_ms": 12.0, "mos": 4.1}
        | {"mos_cq": 3.9},
        **_Q,
        type=35,
    ),
    report(
        "VQ session report",
        _agent(35, quality_json.VQ_SESSION_REPORT),
        {"direction": "local", "ssrc": 4_209_273_062, "mos": 4.2, "rtt_ms": 200.0, "r_factor": 85.0}
        | {"rtt_source": "report", "latency_ms": 170.0, "burst_density": 0.25, "gap_ms": 500},
        {"direction": "remote", "ssrc": 0x1A3B5C7D, "mos": None, "jitter_ms": 1.0}
        | {"fault": "value"},
        **_Q,
        type=35,
    ),
    report(
        "horaclifix",
        _agent(38, quality_json.HORACLIFIX),
        {"direction": "in", "mos": 4.2, "r_factor": 85.0, "packets_lost": 50, "latency_ms": 30.0},
        {"direction": "out", "mos": None, "r_factor": 83.0, "packets_lost": 0, "fault": "value"},
        **_Q,
        type=38,
    ),
    event(
        "RTCP that cannot be read",
        _agent(5, b'{"ssrc":1,"type":20'),
        *(5, b'{"ssrc":1,"type":20'),
        call_id="q",
        node="2002",
        fault="payload",
    ),
    *(
        event(f"type {kind}", _agent(kind, payload), kind, payload, call_id="q", node="2002")
        for kind, payload in (
            (54, b'{"cic":5,"opc":1,"dpc":2,"msg_name":"IAM"}'),
            (60, b'{"duration":12,"caller":"alice"}'),
            (255, b"\0\xff of a type that nobody has named"),
        )
    ),
)

SENDERS: Final = (
    *KAMAILIO,
    *ASTERISK,
    *FREESWITCH,
    *RTPENGINE,
    *OPENSIPS,
    *CAPTAGENT,
    *HEPLIFY,
    *REPORTS,
)
