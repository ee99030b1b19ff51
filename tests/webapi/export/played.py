# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls to export: SIP messages with everything that belongs to them, as HEP packets."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

from tests.sip_text import packet

START: Final = 1_790_000_000.0
CALLER: Final = bytes((192, 0, 2, 1))
PROXY: Final = bytes((203, 0, 113, 9))
CALLEE: Final = bytes((198, 51, 100, 2))
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=[file name=/etc/hostname]\r\nc=IN IP4 192.0.2.1\r\n"
    "t=0 0\r\nm=audio 49170 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtcp:49171 IN IP4 192.0.2.1\r\nm=video 0 RTP/AVP 31\r\n"
)


class Sent(NamedTuple):
    """A message: when it was sent after the beginning, and by whom to whom."""

    after_s: float
    source: bytes
    destination: bytes
    raw: bytes

    def packet(self, **fields: object) -> bytes:
        """As HEP."""
        ends = {"src_ip": self.source, "dst_ip": self.destination}
        return packet(self.raw, at=START + self.after_s, **(ends | fields))


class Call:
    """Messages between caller and callee, the request-URI with hostile text beside it."""

    def __init__(self, call_id: str = "played@example", hops: int = 1) -> None:
        self.call_id = call_id
        self.messages: list[Sent] = []
        self._hosts = [CALLER, PROXY, CALLEE] if hops == 2 else [CALLER, CALLEE]

    def request(
        self,
        after_s: float,
        method: str,
        number: int,
        *,
        back: bool = False,
        in_dialog: bool = True,
        sdp: str = "",
        headers: str = "",
    ) -> None:
        """Sent over all hops, 1 ms each; ``back`` is from the callee."""
        tags = (";tag=a", ";tag=b" if in_dialog else "")
        local, remote = "<sip:alice@example.com>", "<sip:bob@example.com>"
        from_, to = (
            (remote + tags[1], local + tags[0]) if back else (local + tags[0], remote + tags[1])
        )
        user = "alice" if back else "bob"
        self._send(
            after_s,
            f"{method} sip:{user}@198.51.100.2 SIP/2.0",
            [f"From: {from_}", f"To: {to}", f"CSeq: {number} {method}", headers],
            sdp,
            back=back,
            branch=f"{method}-{number}",
        )

    def response(
        self, after_s: float, status: int, method: str, number: int, *, back: bool = True,
        sdp: str = "", tag: str = ";tag=b", headers: str = "",
    ) -> None:  # fmt: skip
        """Likewise; ``back`` is from the callee, which is usual."""
        parties = ("<sip:alice@example.com>;tag=a", f"<sip:bob@example.com>{tag}")
        from_, to = parties if back else parties[::-1]
        self._send(
            after_s,
            f"SIP/2.0 {status} Reason of {status}",
            [f"From: {from_}", f"To: {to}", f"CSeq: {number} {method}", headers],
            sdp,
            back=back,
            branch=f"{method}-{number}",
        )

    def _send(
        self, after_s: float, start: str, lines: list[str], sdp: str, *, back: bool, branch: str
    ) -> None:
        hosts = self._hosts[::-1] if back else self._hosts
        user = "bob" if back else "alice"
        for hop, (source, destination) in enumerate(pairwise(hosts)):
            text = [
                start,
                f"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{branch}-{hop}",
                *filter(None, lines),
                f"Call-ID: {self.call_id}",
                f"Contact: <sip:{user}@192.0.2.1:5060>",
                "User-Agent: \\x41 [authentication] ]]> <b> & $1 [$local] \\[call_id]",
                *(["Content-Type: application/sdp"] if sdp else []),
                f"Content-Length: {len(sdp)}",
                "",
                sdp,
            ]
            raw = "\r\n".join(text).encode()
            self.messages.append(Sent(after_s + hop / 1000, source, destination, raw))


def answered(call_id: str = "played@example", hops: int = 1) -> Call:
    """INVITE, answer, a hold and its end, BYE by the caller."""
    call = Call(call_id, hops)
    call.request(0, "INVITE", 1, in_dialog=False, sdp=SDP)
    call.response(0.01, 100, "INVITE", 1, tag="")
    call.response(0.1, 180, "INVITE", 1)
    call.response(0.3, 200, "INVITE", 1, sdp=SDP)
    call.request(0.32, "ACK", 1)
    call.request(0.5, "INVITE", 2, sdp=SDP + "a=sendonly\r\n")
    call.response(0.52, 200, "INVITE", 2, sdp=SDP)
    call.request(0.54, "ACK", 2)
    call.request(0.8, "BYE", 3)
    call.response(0.82, 200, "BYE", 3)
    return call


def cancelled() -> Call:
    """The caller gives up while it rings."""
    call = Call()
    call.request(0, "INVITE", 1, in_dialog=False, sdp=SDP)
    call.response(0.1, 180, "INVITE", 1)
    call.request(0.4, "CANCEL", 1, in_dialog=False)
    call.response(0.41, 200, "CANCEL", 1)
    call.response(0.42, 487, "INVITE", 1)
    call.request(0.44, "ACK", 1)
    return call


def challenged_and_refused() -> Call:
    """Credentials, then busy."""
    call = Call()
    asked = 'WWW-Authenticate: Digest realm="example.com",nonce="abc",algorithm=MD5'
    given = 'Authorization: Digest username="alice",realm="example.com",nonce="abc",response="x"'
    call.request(0, "INVITE", 1, in_dialog=False, sdp=SDP)
    call.response(0.05, 401, "INVITE", 1, headers=asked)
    call.request(0.06, "ACK", 1)
    call.request(0.1, "INVITE", 2, in_dialog=False, sdp=SDP, headers=given)
    call.response(0.15, 100, "INVITE", 2, tag="")
    call.response(0.3, 486, "INVITE", 2)
    call.request(0.31, "ACK", 2)
    return call


def ended_by_callee() -> Call:
    """Answered at once; the callee hangs up with a request of its own."""
    call = Call()
    call.request(0, "INVITE", 1, in_dialog=False, sdp=SDP)
    call.response(0.1, 200, "INVITE", 1, sdp=SDP)
    call.request(0.12, "ACK", 1)
    call.request(0.4, "BYE", 7, back=True)
    call.response(0.42, 200, "BYE", 7, back=False)
    return call


def registered() -> Call:
    """No call at all: a phone registers, and is asked for credentials."""
    call = Call("register@example")
    asked = 'WWW-Authenticate: Digest realm="example.com",nonce="abc",algorithm=MD5'
    given = 'Authorization: Digest username="alice",realm="example.com",nonce="abc",response="x"'
    call.request(0, "REGISTER", 1, in_dialog=False)
    call.response(0.05, 401, "REGISTER", 1, headers=asked)
    call.request(0.1, "REGISTER", 2, in_dialog=False, headers=given)
    call.response(0.15, 200, "REGISTER", 2)
    return call
