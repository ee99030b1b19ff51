# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture filter of each mode, as text for libpcap's compiler (pcap-filter(7)).

What passes: TCP and SCTP frames of at least 42 bytes and UDP frames of at least 128 bytes from or
to the ports of SIP, and all fragments of IP but the first of IPv4, which has ports of its own;
then, as the mode says, RTCP, DNS or syslog, whatever ports they use or on theirs. RTP stays in the
kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from agent.packet.link import IPV4, IPV6, TYPE_AND_IP
from agent.packet.tunnel import GRE
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP

MODES: Final = ("SIP", "SIPDNS", "SIPLOG", "SIPRTCP", "SIPRTP")
DEFAULT_MODE: Final = "SIPRTCP"

ETHERNET: Final = 1
COOKED: Final = {link: places for link, places in TYPE_AND_IP.items() if link != ETHERNET}
"""Linux' cooked link types, SLL and SLL2: libpcap's compiler has no ``vlan`` for them."""

_FRAGMENT: Final = 44
"""The next header of IPv6 that is a fragment's."""
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
"""The Ethernet types that libpcap's ``vlan`` stands for."""
_TAG_BYTES: Final = 4


class _Words(NamedTuple):
    """How the compiler names what is in a packet of one version of IP."""

    family: str
    """A condition, as the next four."""
    fragment: str
    streams: str
    udp: str
    gre: str
    first: str
    """A byte: the first of the UDP payload."""
    second: str
    src_port: str = ""
    """A number; empty where the compiler's own words for ports are used, as for the next."""
    dst_port: str = ""

    def sent_to(self, ports: str) -> str:
        """The destination port is in the range, or is the one port."""
        return _between(self.dst_port, ports) if self.dst_port else f"dst portrange {ports}"

    def uses(self, ports: str) -> str:
        """One of the ports is."""
        if not self.dst_port:
            return f"portrange {ports}"
        return _any(_between(port, ports) for port in (self.src_port, self.dst_port))


_IPV4: Final = _Words(
    "ip",
    "ip[6:2] & 0x1fff != 0",
    "(tcp or sctp)",
    "udp",
    f"proto {GRE}",
    # These stand for the IPv4 packets only, and not for fragments.
    "udp[8]",
    "udp[9]",
)
_IPV6: Final = _IPV4._replace(
    family="ip6", fragment=f"ip6[6] = {_FRAGMENT}", first="ip6[48]", second="ip6[49]"
)


def capture_filter(
    mode: str, ports: str, *, vlan: bool = False, erspan: bool = False, linktype: int = ETHERNET
) -> str:
    """The filter for frames of this link type.

    ``mode`` is one of ``MODES``, ``ports`` a range or one port. With ``vlan``, frames with one or
    two tags pass, too, if the link type has them. With ``erspan``, all of GRE does.
    """
    plain = _any(_frames(mode, ports, erspan, words) for words in (_IPV4, _IPV6))
    if not vlan:
        return plain
    if linktype == ETHERNET:
        # ``vlan`` moves the offsets of all that follows it.
        return f"{plain} or (vlan and ({plain} or (vlan and {plain})))"
    if linktype in COOKED:
        at, begin = COOKED[linktype]
        inner, innermost = begin + _TAG_BYTES - 2, begin + 2 * _TAG_BYTES - 2
        once, twice = (
            _any(_frames(mode, ports, erspan, words) for words in _behind(place))
            for place in (inner, innermost)
        )
        return f"{plain} or ({_is_tag(at)} and ({once} or ({_is_tag(inner)} and {twice})))"
    return plain


def _frames(mode: str, ports: str, erspan: bool, words: _Words) -> str:
    """What passes of one version of IP."""
    wanted = [
        words.fragment,
        f"{words.streams} and greater 42 and {words.uses(ports)}",
        f"{words.udp} and greater 128 and {words.uses(ports)}",
    ]
    if mode == "SIPRTP":
        wanted.append(f"{words.udp} and {words.first} & 0xc0 = 0x80")
    elif mode != "SIP":
        # RTP has its payload type there: 72 to 76 and 79 with the marker bit are left free for
        # this (RFC 3551 §6, RFC 3611 §2). 205 and 206 would be feedback of video, often and with
        # nothing to report.
        kinds = f"({_between(words.second, '200-204')} or {words.second} = 207)"
        wanted.append(f"{words.udp} and {words.first} & 0xc0 = 0x80 and {kinds}")
    if mode == "SIPDNS":
        wanted.append(f"{words.udp} and greater 32 and {words.sent_to('53')}")
    if mode == "SIPLOG":
        log = _any((words.sent_to("514"), words.uses("2223")))
        wanted.append(f"{words.udp} and greater 128 and {log}")
    if erspan:
        wanted.append(words.gre)
    return f"{words.family} and {_any(wanted)}"


def _behind(place: int) -> Iterator[_Words]:
    """Words for a packet behind tags, by its offset from the beginning of the frame.

    ``place`` is that of the type field before it.
    """
    ip = place + 2
    after_ipv4 = f"{ip} + ((link[{ip}] & 0xf) << 2)"
    for family, protocol, fragment, after in (
        (IPV4, ip + 9, f"link[{ip + 6}:2] & 0x1fff != 0", after_ipv4),
        (IPV6, ip + 6, f"link[{ip + 6}] = {_FRAGMENT}", f"{ip + 40}"),
    ):
        kind = f"link[{protocol}]"
        yield _Words(
            f"link[{place}:2] = {family:#06x}",
            fragment,
            f"({kind} = {PROTOCOL_TCP} or {kind} = {PROTOCOL_SCTP})",
            f"{kind} = {PROTOCOL_UDP}",
            f"{kind} = {GRE}",
            f"link[{after} + 8]",
            f"link[{after} + 9]",
            f"link[{after}:2]",
            f"link[{after} + 2:2]",
        )


def _is_tag(place: int) -> str:
    return _any(f"link[{place}:2] = {tag:#06x}" for tag in _TAGS)


def _between(number: str, ports: str) -> str:
    low, _, high = ports.partition("-")
    return f"({number} >= {low} and {number} <= {high or low})"


def _any(conditions: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """One of them; ``and`` does not bind closer than ``or`` in libpcap's language."""
    return f"({' or '.join(f'({condition})' for condition in conditions)})"
