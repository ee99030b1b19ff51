# SPDX-License-Identifier: GPL-2.0-or-later
"""The filter of each mode, compiled by libpcap and run over frames of each link type."""

from __future__ import annotations

import struct
from functools import cache
from ipaddress import ip_address
from typing import Final, NamedTuple

import cypcap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture.filter import COOKED, ETHERNET, MODES, capture_filter
from agent.packet.link import IPV4, IPV6
from agent.packet.tunnel import GRE
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP

SLL, SLL2 = sorted(COOKED)
LINKS: Final = {"ethernet": ETHERNET, "sll": SLL, "sll2": SLL2}
PORTS: Final = "5060-5090"
QOS: Final = ("SIPDNS", "SIPLOG", "SIPRTCP", "SIPRTP")
"""The modes that see RTCP."""
_ICMP, _FRAGMENT = 1, 44
_MORE: Final = 0x2000
_TYPES: Final = {4: IPV4, 6: IPV6}


class Case(NamedTuple):
    """An IP packet and the modes that capture it."""

    packet: bytes
    modes: tuple[str, ...] = ()
    with_erspan: bool = False


def _ip(
    version: int, protocol: int, payload: bytes, offset: int = 0, options: bytes = b""
) -> bytes:
    """``offset`` is the field of IPv4 with the flags; of IPv6 it makes a fragment header."""
    if version == 4:
        first = 0x45 + len(options) // 4
        head = struct.pack(">BBHHHBBH", first, 0, 0, 1, offset, 64, protocol, 0)
        return head + ip_address("192.0.2.1").packed + bytes((198, 51, 100, 2)) + options + payload
    if offset:
        payload = struct.pack(">BBHI", protocol, 0, offset, 1) + payload
        protocol = _FRAGMENT
    address = ip_address("2001:db8::1").packed
    return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + 2 * address + payload


def _udp(src_port: int, dst_port: int, payload: bytes) -> bytes:
    return struct.pack(">HHHH", src_port, dst_port, 8 + len(payload), 0) + payload


def _tcp(src_port: int, dst_port: int, payload: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", src_port, dst_port, 1, 0, 0x50, 16, 1, 0, 0) + payload


def _sctp(src_port: int, dst_port: int, payload: bytes) -> bytes:
    return struct.pack(">HHII", src_port, dst_port, 1, 0) + payload


def _media(second: int, size: int = 60) -> bytes:
    return bytes((0x80, second)) + bytes(size)


_SIP: Final = b"OPTIONS sip:192.0.2.2 SIP/2.0\r\n".ljust(200)
_MARKER: Final = 0x80


def _cases(version: int) -> dict[str, Case]:
    def ip(protocol: int, payload: bytes, offset: int = 0) -> bytes:
        return _ip(version, protocol, payload, offset)

    def udp(src_port: int, dst_port: int, payload: bytes) -> bytes:
        return ip(PROTOCOL_UDP, _udp(src_port, dst_port, payload))

    sip = _udp(40000, 5060, _SIP)
    # IPv6 has its offset in units of 8 bytes, with the flag at the other end.
    later = 185 if version == 4 else 185 << 3
    return {
        "sip_to_the_first_port": Case(udp(40000, 5060, _SIP), MODES),
        "sip_to_the_last_port": Case(udp(40000, 5090, _SIP), MODES),
        "sip_from_a_port": Case(udp(5075, 40000, _SIP), MODES),
        "sip_below": Case(udp(40000, 5059, _SIP)),
        "sip_above": Case(udp(40000, 5091, _SIP)),
        "keep_alive": Case(udp(5060, 5060, b"\r\n\r\n")),
        "tcp": Case(ip(PROTOCOL_TCP, _tcp(40000, 5060, _SIP)), MODES),
        "tcp_without_payload": Case(ip(PROTOCOL_TCP, _tcp(5061, 40000)), MODES),
        "tcp_elsewhere": Case(ip(PROTOCOL_TCP, _tcp(40000, 80, _SIP))),
        "sctp": Case(ip(PROTOCOL_SCTP, _sctp(40000, 5060, _SIP)), MODES),
        "sctp_elsewhere": Case(ip(PROTOCOL_SCTP, _sctp(40000, 80, _SIP))),
        "later_fragment": Case(ip(PROTOCOL_UDP, _SIP, later), MODES),
        "later_fragment_of_another_protocol": Case(ip(_ICMP, _SIP, later), MODES),
        "first_fragment": Case(ip(PROTOCOL_UDP, sip, _MORE if version == 4 else 1), MODES),
        "first_fragment_elsewhere": Case(
            ip(PROTOCOL_UDP, _udp(40000, 80, _SIP), _MORE if version == 4 else 1),
            () if version == 4 else MODES,
        ),
        "rtcp_sender_report": Case(udp(40001, 40003, _media(200)), QOS),
        "rtcp_receiver_report": Case(udp(40001, 40003, _media(201)), QOS),
        "rtcp_app": Case(udp(40001, 40003, _media(204)), QOS),
        "rtcp_extended_report_first": Case(udp(40001, 40003, _media(207)), QOS),
        "rtcp_beside_rtp": Case(udp(40000, 40002, _media(201, 6)), QOS),
        "rtcp_padded": Case(udp(40001, 40003, b"\xa1" + _media(201)[1:]), QOS),
        "rtcp_feedback": Case(udp(40001, 40003, _media(205)), ("SIPRTP",)),
        "rtp": Case(udp(40000, 40002, _media(8, 170)), ("SIPRTP",)),
        "rtp_with_marker": Case(udp(40000, 40002, _media(_MARKER | 0, 170)), ("SIPRTP",)),
        "rtp_dynamic_with_marker": Case(udp(40000, 40002, _media(_MARKER | 96, 170)), ("SIPRTP",)),
        "stun": Case(udp(40000, 40002, bytes(180))),
        "dtls": Case(udp(40000, 40002, bytes((22, 254, 253)) + bytes(180))),
        "dns_query": Case(udp(40000, 53, bytes(30)), ("SIPDNS",)),
        "dns_answer": Case(udp(53, 40000, bytes(30))),
        "syslog": Case(udp(40000, 514, _SIP), ("SIPLOG",)),
        "syslog_short": Case(udp(40000, 514, b"<13>short")),
        "syslog_from": Case(udp(514, 40000, _SIP)),
        "rtpengine": Case(udp(40000, 2223, _SIP), ("SIPLOG",)),
        "rtpengine_from": Case(udp(2223, 40000, _SIP), ("SIPLOG",)),
        "gre": Case(ip(GRE, bytes(100)), (), with_erspan=True),
        "icmp": Case(ip(_ICMP, bytes(100))),
        "nothing_behind_the_header": Case(ip(PROTOCOL_UDP, b"")),
    }


CASES: Final = {
    f"{name}_ipv{version}": (version, case)
    for version in (4, 6)
    for name, case in _cases(version).items()
}


def _frame(link: int, ethertype: int, packet: bytes, tags: tuple[int, ...] = ()) -> bytes:
    """``tags`` are the types of VLAN tags, the outermost first."""
    types = struct.pack(">H", ethertype)
    for number, tag in enumerate(reversed(tags)):
        types = struct.pack(">HH", tag, 100 + number) + types
    if link == ETHERNET:
        return bytes(12) + types + packet
    if link == SLL:
        return bytes(14) + types + packet
    return types[:2] + bytes(18) + types[2:] + packet


@cache
def _program(mode: str, vlan: bool, erspan: bool, link: int, ports: str) -> cypcap.BpfProgram:
    text = capture_filter(mode, ports, vlan=vlan, erspan=erspan, linktype=link)
    return cypcap.compile(link, 65_535, text, True, cypcap.NETMASK_UNKNOWN)


def _passes(
    frame: bytes,
    mode: str,
    link: int,
    *,
    vlan: bool = False,
    erspan: bool = False,
    ports: str = PORTS,
) -> bool:
    header = cypcap.Pkthdr(0.0, len(frame), len(frame))
    return _program(mode, vlan, erspan, link, ports).offline_filter(header, frame)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("name", CASES)
def test_what_passes(name: str, link: int) -> None:
    """The table of cases, with each mode and switch, for each link type."""
    version, case = CASES[name]
    frame = _frame(link, _TYPES[version], case.packet)
    for mode in MODES:
        wanted = mode in case.modes
        assert _passes(frame, mode, link) == wanted, mode
        assert _passes(frame, mode, link, vlan=True) == wanted, mode
        assert _passes(frame, mode, link, erspan=True) == (wanted or case.with_erspan), mode


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("name", CASES)
def test_vlan_tags(name: str, link: int) -> None:
    """One tag or two (QinQ), of each of the types there are: only with -vlan."""
    version, case = CASES[name]
    for tags in ((0x8100,), (0x88A8, 0x8100), (0x8100, 0x8100), (0x9100, 0x8100)):
        frame = _frame(link, _TYPES[version], case.packet, tags)
        for mode in MODES:
            wanted = mode in case.modes
            assert not _passes(frame, mode, link), mode
            assert _passes(frame, mode, link, vlan=True) == wanted, mode
            both = _passes(frame, mode, link, vlan=True, erspan=True)
            assert both == (wanted or case.with_erspan), mode


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_three_vlan_tags_do_not_pass(link: int) -> None:
    """The limit; what is decoded has one, too."""
    packet = CASES["sip_from_a_port_ipv4"][1].packet
    assert not _passes(_frame(link, IPV4, packet, 3 * (0x8100,)), "SIP", link, vlan=True)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("tags", [(), (0x8100,)], ids=["plain", "tagged"])
def test_ipv4_options(link: int, tags: tuple[int, ...]) -> None:
    """The ports stand behind a header of any length."""
    for payload, modes in (
        (_udp(40000, 5060, _SIP), MODES),
        (_udp(40001, 40003, _media(200)), QOS),
    ):
        packet = _ip(4, PROTOCOL_UDP, payload, options=bytes(8))
        for mode in MODES:
            frame = _frame(link, IPV4, packet, tags)
            assert _passes(frame, mode, link, vlan=True) == (mode in modes)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_what_is_not_ip_does_not_pass(link: int) -> None:
    """ARP, and tags with something else behind them."""
    for tags in ((), (0x8100,)):
        frame = _frame(link, 0x0806, bytes(200), tags)
        assert not any(_passes(frame, mode, link, vlan=True, erspan=True) for mode in MODES)


@pytest.mark.parametrize(("dst_port", "mode"), [(5060, "SIP"), (5060, "SIPRTCP"), (514, "SIPLOG")])
def test_the_least_length_of_a_udp_frame(dst_port: int, mode: str) -> None:
    """128 bytes, link header and all."""
    for size in (127, 128):
        empty = len(_frame(ETHERNET, IPV4, _ip(4, PROTOCOL_UDP, _udp(0, 0, b""))))
        udp = _udp(40000, dst_port, bytes(size - empty))
        frame = _frame(ETHERNET, IPV4, _ip(4, PROTOCOL_UDP, udp))
        assert len(frame) == size
        assert _passes(frame, mode, ETHERNET) == (size == 128)


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_one_port(link: int) -> None:
    """-pr takes a single port, too."""
    for port, passes in ((5060, True), (5061, False)):
        for tags in ((), (0x8100,)):
            frame = _frame(link, IPV4, _ip(4, PROTOCOL_UDP, _udp(40000, port, _SIP)), tags)
            assert _passes(frame, "SIP", link, vlan=True, ports="5060") == passes


@pytest.mark.parametrize("vlan", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_other_link_types_compile(mode: str, vlan: bool) -> None:
    """Loopback of BSD and bare IP, out of files: no VLAN there."""
    packet = _ip(4, PROTOCOL_UDP, _udp(40000, 5060, _SIP))
    for link, frame in ((0, struct.pack("=I", 2) + packet), (12, packet)):
        assert _passes(frame, mode, link, vlan=vlan, erspan=True)


@given(
    link=st.sampled_from([*LINKS.values()]),
    tags=st.sampled_from([(), (0x8100,), (0x88A8, 0x8100)]),
    version=st.sampled_from([4, 6]),
    src_port=st.integers(0, 65_535),
    dst_port=st.integers(0, 65_535) | st.integers(5055, 5095),
)
def test_ports_of_any_value(
    link: int, tags: tuple[int, ...], version: int, src_port: int, dst_port: int
) -> None:
    """A message passes when one of its ports is in the range."""
    packet = _ip(version, PROTOCOL_UDP, _udp(src_port, dst_port, _SIP))
    frame = _frame(link, _TYPES[version], packet, tags)
    wanted = 5060 <= src_port <= 5090 or 5060 <= dst_port <= 5090
    assert _passes(frame, "SIP", link, vlan=True) == wanted


@given(st.binary(max_size=120), st.sampled_from([*LINKS.values()]), st.sampled_from(MODES))
def test_any_bytes_are_judged(frame: bytes, link: int, mode: str) -> None:
    """What is shorter than a header says passes only as the mode with everything would see it."""
    passed = _passes(frame, mode, link, vlan=True)
    assert passed <= _passes(frame, mode, link, vlan=True, erspan=True)
