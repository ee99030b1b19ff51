# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls between two phones through an example proxy, with every message that a trace must show."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from tests.system.edge import V4, Edge, Message
from tests.system.phone import Phone, header, reply

ANSWERS: Final = "4015"
"""The callee of the conversations; its last digit is added to CALLEE_PORT."""
_DIGIT: Final = int(ANSWERS[-1])


class Seen(NamedTuple):
    """A message as it must arrive: what it is, from whom, to whom."""

    what: str
    source: str
    destination: str


class Conversation:
    """A caller, a proxy and a callee on one address."""

    def __init__(self, edge: Edge, caller: Phone, callee: Phone) -> None:
        self._edge = edge
        self.caller = caller
        self.callee = callee
        self.call_id = edge.new_call_id()
        self._port = edge.tls_port if caller.transport == "TLS" else edge.port
        self._dialog: dict[str, str | int] = {}
        self._invite = ""

    def _request(self, method: str, **fields: str | int) -> str:
        return self.caller.request(method, ANSWERS, **{"call_id": self.call_id} | fields)

    def begin(self, *, again: bool = False) -> str:
        """INVITE and 180; ``again`` repeats the INVITE before. Returns what the callee got."""
        self._invite = self._request("INVITE")
        self.caller.send(self._invite)
        self.caller.receive("SIP/2.0 100")
        received = self.callee.receive("INVITE")
        if again:
            self.caller.send(self._invite)
            self.caller.receive("SIP/2.0 100")
        self.ring(received)
        return received

    def ring(self, invite: str) -> None:
        """One more 180."""
        self.callee.send(reply(invite, "180 Ringing", self.callee, tag="callee"))
        self.caller.receive("SIP/2.0 180")

    def answer(self, invite: str, *, again: bool = False, acknowledged: bool = True) -> None:
        """200 and, unless told otherwise, ACK; ``again`` repeats the 200 before."""
        answer = reply(invite, "200 OK", self.callee, tag="callee")
        for _ in range(1 + again):
            self.callee.send(answer)
            accepted = self.caller.receive("SIP/2.0 200")
        contact = header(accepted, "Contact").strip("<>")
        self._dialog = {
            "uri": contact,
            "to": header(accepted, "To"),
            "headers": f"Route: {header(accepted, 'Record-Route')}\r\n",
        }
        if acknowledged:
            self._acknowledge(1)

    def invite_again(self) -> None:
        """A re-INVITE of the caller."""
        self.caller.send(self._request("INVITE", cseq=2, **self._dialog))
        received = self.callee.receive("INVITE")
        self.callee.send(reply(received, "200 OK", self.callee))
        self.caller.receive("SIP/2.0 200")
        self._acknowledge(2)

    def hang_up(self) -> None:
        """BYE of the caller."""
        self.caller.send(self._request("BYE", cseq=3, **self._dialog))
        self.callee.send(reply(self.callee.receive("BYE"), "200 OK", self.callee))
        self.caller.receive("SIP/2.0 200")

    def cancel(self, invite: str) -> None:
        """CANCEL of the caller, up to the ACK to 487."""
        self.caller.send(self._request("CANCEL", branch="1INVITE"))
        self.caller.receive("SIP/2.0 200")
        self.callee.send(reply(self.callee.receive("CANCEL"), "200 OK", self.callee, tag="callee"))
        self.callee.send(reply(invite, "487 Request Terminated", self.callee, tag="callee"))
        ended = self.caller.receive("SIP/2.0 487")
        self.callee.receive("ACK")
        self.caller.send(self._request("ACK", branch="1INVITE", to=header(ended, "To")))

    def _acknowledge(self, cseq: int) -> None:
        self.caller.send(self._request("ACK", cseq=cseq, **self._dialog))
        self.callee.receive("ACK")

    # What must have been seen of it.

    def seen(self, *steps: str) -> list[Seen]:
        """``>`` before a message: from the caller's side to the callee's; ``<`` back.

        A message that passes the proxy is written once and seen twice: ``>INVITE``. ``>|`` and
        ``|>`` are the halves before and behind the proxy, ``<|`` and ``|<`` those of what comes
        back (``|<`` callee to proxy).
        """
        return [Seen(*found) for step in steps for found in self._sides(step)]

    def _sides(self, step: str) -> Iterator[tuple[str, str, str]]:
        host = self.caller.host
        caller, callee = (f"{host}:{phone.port}" for phone in (self.caller, self.callee))
        proxy = f"{host}:{self._port}"
        # siptrace tells the socket that it listens on where it sends, the connection where not.
        connection = f"{host}:{self.callee.proxy_port or self._port}"
        sign = step[:2] if "|" in step[:2] else step[:1]
        what = step[len(sign) :]
        if sign in (">", ">|"):
            yield what, caller, proxy
        if sign in (">", "|>"):
            yield what, proxy, callee
        if sign in ("<", "|<"):
            yield what, callee, connection
        if sign in ("<", "<|"):
            yield what, proxy, caller


def as_seen(messages: list[Message]) -> list[Seen]:
    """What and between whom, in any order: two workers send what they trace."""
    return sorted(Seen(*message[:3]) for message in messages)


@contextmanager
def conversation(edge: Edge, transport: str = "UDP", host: str = V4) -> Iterator[Conversation]:
    """A new one. Phones are closed at the end."""
    context = None
    if transport == "TLS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(edge.certificate.certificate, edge.certificate.key)
    with Phone(transport, host) as callee, edge.calls(transport, host) as caller:
        callee.listen(edge.callee_port + _DIGIT, context)
        yield Conversation(edge, caller, callee)
