# SPDX-License-Identifier: GPL-2.0-or-later
"""The traffic of the benchmarks: what a registrar and proxy sees, 500 to 1,400 bytes a message.

One unit is a call (INVITE, 100, 180, 200, ACK, BYE, 200), a registration (REGISTER, 401, REGISTER,
200) and a ping (OPTIONS, 200): thirteen messages, each unit with Call-IDs of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector import hep
from collector.hep import Hep

UNIT: Final = b"@UNIT@@@@@@@@@@@"
NUMBER: Final = b"@NUMBER@@@@@@@@@"
CALLER: Final = b"@FROM@"
CALLEE: Final = b"@CALL@"
"""Places that the sender fills: the unit's name, the number of the packet, two subscribers."""

_PLACES: Final = (UNIT, NUMBER, CALLER, CALLEE)
"""In the order of the kinds in sender.c."""

SPREAD: Final = 300
"""Units between two messages of one unit: see sender.c. At 20,000 packets/s a call takes 1.2 s."""

_CALLER: Final = f"+4930{CALLER.decode()}"
_CALLEE: Final = f"+4989{CALLEE.decode()}"

CAPTURE_ID: Final = 2001
_SOURCE: Final = bytes((10, 1, 2, 3))
_DESTINATION: Final = bytes((10, 4, 5, 6))

_SDP: Final = (
    "v=0\r\no=- 3926754321 3926754321 IN IP4 10.1.2.3\r\ns=call\r\nc=IN IP4 10.1.2.3\r\nt=0 0\r\n"
    "m=audio 40012 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    "a=ptime:20\r\na=rtcp:40013\r\na=sendrecv\r\n"
    "a=candidate:1 1 UDP 2130706431 10.1.2.3 40012 typ host\r\n"
    "a=candidate:1 2 UDP 2130706430 10.1.2.3 40013 typ host\r\n"
)
_USER_AGENT: Final = "Example-Phone/7.2.1 (build 20260114; rev 3)"
_ALLOW: Final = "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO, MESSAGE, UPDATE"


_CALL, _REGISTRATION, _PING = "c", "r", "o"
"""First letter of the Call-ID."""


def _message(
    start: str, cseq: str, call: str, to_tag: str = "", *headers: str, body: str = ""
) -> bytes:
    unit, number = UNIT.decode(), NUMBER.decode()
    lines = [
        start,
        f"Via: SIP/2.0/UDP 10.1.2.3:5060;rport;branch=z9hG4bK-{number}",
        "Server: Example-Proxy 5.6.3" if start.startswith("SIP/2.0") else "Max-Forwards: 68",
        "Record-Route: <sip:10.4.5.6;lr=on;ftag=5f3a>",
        f'From: "Alice Example" <sip:{_CALLER}@sip.example.com>;tag=f{unit}',
        f"To: <sip:{_CALLER if call == _REGISTRATION else _CALLEE}@sip.example.com>{to_tag}",
        f"Call-ID: {call}-{unit}@10.1.2.3",
        f"CSeq: {cseq}",
        *headers,
        f"Allow: {_ALLOW}",
        "Supported: replaces, timer, outbound, path, gruu",
        "Organization: Example",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def messages() -> list[tuple[bytes, bool]]:
    """The SIP messages of one unit, and for each whether it goes back to the caller."""
    unit = UNIT.decode()
    tag = f";tag=t{unit}"
    contact = f"Contact: <sip:{_CALLER}@10.1.2.3:5060;transport=udp;ob>"
    answer = f"Contact: <sip:{_CALLEE}@10.7.8.9:5060;transport=udp>"
    sdp = "Content-Type: application/sdp"
    agent = f"User-Agent: {_USER_AGENT}"
    identity = f"P-Asserted-Identity: <sip:{_CALLER}@sip.example.com>"
    callee = f"sip:{_CALLEE}@sip.example.com;user=phone"
    challenge = (
        f'WWW-Authenticate: Digest realm="sip.example.com", nonce="{unit}{unit}", '
        'qop="auth", algorithm=MD5'
    )
    credentials = (
        f'Authorization: Digest username="{_CALLER}", realm="sip.example.com", '
        f'nonce="{unit}{unit}", uri="sip:sip.example.com", qop=auth, nc=00000001, '
        f'cnonce="{unit}", response="{unit}{unit}", algorithm=MD5'
    )
    expires = "Expires: 3600"
    call, reg, ping = _CALL, _REGISTRATION, _PING
    invite, bye = "1 INVITE", "2 BYE"
    return [
        (
            _message(
                *(f"INVITE {callee} SIP/2.0", invite, call, "", contact, agent, identity, sdp),
                *("Session-Expires: 1800;refresher=uac", "Min-SE: 90"),
                "Via: SIP/2.0/UDP 192.168.178.21:5062;rport=5062;branch=z9hG4bK-phone",
                f"Session-ID: {unit}{unit};remote=00000000000000000000000000000000",
                "Accept: application/sdp, application/dtmf-relay, text/plain",
                body=_SDP,
            ),
            False,
        ),
        (_message("SIP/2.0 100 Trying", invite, call), True),
        (_message("SIP/2.0 180 Ringing", invite, call, tag, answer, agent), True),
        (_message("SIP/2.0 200 OK", invite, call, tag, answer, agent, sdp, body=_SDP), True),
        (_message(f"ACK {callee} SIP/2.0", "1 ACK", call, tag, agent), False),
        (_message(f"BYE {callee} SIP/2.0", bye, call, tag, agent, contact), False),
        (_message("SIP/2.0 200 OK", bye, call, tag, agent), True),
        (
            _message(
                "REGISTER sip:sip.example.com SIP/2.0",
                "1 REGISTER",
                reg,
                "",
                contact,
                agent,
                expires,
            ),
            False,
        ),
        (_message("SIP/2.0 401 Unauthorized", "1 REGISTER", reg, tag, challenge), True),
        (
            _message(
                "REGISTER sip:sip.example.com SIP/2.0",
                "2 REGISTER",
                reg,
                "",
                contact,
                agent,
                credentials,
                expires,
            ),
            False,
        ),
        (
            _message("SIP/2.0 200 OK", "2 REGISTER", reg, tag, contact + ";expires=3600", agent),
            True,
        ),
        (_message("OPTIONS sip:10.4.5.6 SIP/2.0", "7 OPTIONS", ping, "", contact, agent), False),
        (_message("SIP/2.0 200 OK", "7 OPTIONS", ping, tag, answer, agent), True),
    ]


def packets() -> list[bytes]:
    """The HEP3 packets of one unit, with places."""
    return [
        hep.encode(
            Hep(
                version=3,
                protocol=hep.PROTOCOL_UDP,
                src_ip=_DESTINATION if back else _SOURCE,
                dst_ip=_SOURCE if back else _DESTINATION,
                src_port=5060,
                dst_port=5060,
                seconds=1,
                microseconds=1,
                type=hep.TYPE_SIP,
                capture_id=CAPTURE_ID,
                payload=message,
            )
        )
        for message, back in messages()
    ]


def fill(packets: list[bytes], number: int) -> bytes:
    """Packet ``number`` of a stream of ``packets``, as sender.c would send it, but for its time."""
    per_unit = len(packets)
    unit = unit_of(number, per_unit)
    # Not sender.c's mixing function, but as unlike for neighbours.
    scrambled = unit * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    return (
        packets[number % per_unit]
        .replace(UNIT, b"%016x" % scrambled)
        .replace(NUMBER, b"%016d" % number)
        .replace(CALLER, b"%06d" % ((scrambled >> 32) % 1_000_000))
        .replace(CALLEE, b"%06d" % ((scrambled & 0xFFFFFFFF) % 1_000_000))
    )


def unit_of(number: int, per_unit: int) -> int:
    """The unit that packet ``number`` belongs to: see sender.c."""
    return number // per_unit + SPREAD * (per_unit - 1 - number % per_unit)


def sip_sizes() -> tuple[int, float, int]:
    """Smallest, mean and largest SIP message of the mix, bytes."""
    sizes = [len(message) for message, _ in messages()]
    return min(sizes), sum(sizes) / len(sizes), max(sizes)


def write_templates(path: Path) -> None:
    """Write the file that sender.c reads."""
    unit = packets()
    parts = [struct.pack("<II", len(unit), SPREAD)]
    for packet in unit:
        seconds = packet.index(struct.pack(">HHHI", 0, 9, 10, 1)) + 6
        places = [
            (offset, kind)
            for kind, word in enumerate(_PLACES)
            for offset in _find_all(packet, word)
        ]
        parts.append(struct.pack("<IIII", len(packet), seconds, seconds + 10, len(places)))
        parts += [struct.pack("<II", offset, kind) for offset, kind in places]
        parts.append(packet)
    path.write_bytes(b"".join(parts))


def _find_all(packet: bytes, word: bytes) -> Iterator[int]:
    offset = packet.find(word)
    while offset >= 0:
        yield offset
        offset = packet.find(word, offset + 1)
