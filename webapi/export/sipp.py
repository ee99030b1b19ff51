# SPDX-License-Identifier: GPL-2.0-or-later
"""A SIPp scenario that plays a captured call again, from the caller's or the callee's side.

Its requests and responses are those of the capture with SIPp's own addresses, Call-ID, tags and
branches; pauses are the real ones. What several hops or capture nodes saw, and retransmissions,
are there once. Credentials are made anew: run it with ``-au`` and ``-ap``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from collector.explain.message import Message
from collector.log import one_line
from webapi.export import template
from webapi.export.ladder import Arrow, Ladder

CALLER: Final = "caller"
CALLEE: Final = "callee"
SIDES: Final = (CALLER, CALLEE)
_REMOTE: Final = "[remote_ip]:[remote_port]"
_TAG: Final = ";tag=[pid]SIPpTag0{}[call_number]"
_CHALLENGES: Final = (401, 407)
_RETRANSMITTED: Final = ' retrans="500"'
"""T1, ms: SIPp repeats it over UDP until it is answered."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One message as the side sees it."""

    message: Message
    sent: bool

    @property
    def transaction(self) -> tuple[int, str]:
        """What a response has in common with its request."""
        return self.message.cseq, self.message.method

    @property
    def is_provisional(self) -> bool:
        return 100 <= self.message.status < 200


def scenario(rows: Iterable[Mapping[str, Any]], side: str, *, complete: bool) -> str:
    """The scenario of one call leg. ``complete`` is whether ``rows`` has all its messages.

    Raises:
        ValueError: the capture has no request that the side begins with.
    """
    ladder = Ladder.of(rows)
    host = _host(ladder.arrows, side)
    steps = [
        _Step(arrow.message, sent=arrow.source == host)
        for arrow in ladder.arrows
        if arrow.source != arrow.destination
        and host in (arrow.source, arrow.destination)
        and (arrow.message.method or arrow.message.status)
    ]
    while steps and not _is_initial(steps[0].message):
        steps.pop(0)
    if not steps:
        message = f"the capture has no request with which the {side} begins"
        raise ValueError(message)
    name = f"{side} of {one_line(ladder.legs[0])}"
    left_out = (
        "" if complete else "\n<!-- The call has more messages than web.max_call_messages. -->"
    )
    lines = "\n".join(_Scenario(steps).elements())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name={quoteattr(name)}>'
        f"{left_out}\n{lines}\n</scenario>\n"
    )


def _is_initial(message: Message) -> bool:
    return message.is_request and not message.to_tag and message.method != "ACK"


def _host(arrows: Sequence[Arrow], side: str) -> str:
    """The caller sends the first request. The callee gets it and does not pass it on: the one that
    answered, if there are several."""
    first = next((arrow for arrow in arrows if _is_initial(arrow.message)), None)
    if first is None:
        message = "the capture has no request that begins a call"
        raise ValueError(message)
    if side == CALLER:
        return first.source
    method = first.message.method
    requests = [a for a in arrows if a.message.method == method and _is_initial(a.message)]
    passing_on = {arrow.source for arrow in requests}
    ends = [arrow.destination for arrow in requests if arrow.destination not in passing_on]
    answering = [
        arrow.source
        for arrow in arrows
        if arrow.source in ends
        and arrow.message.method == method
        and 200 <= arrow.message.status < 300
    ]
    return next(iter([*answering, *ends, first.destination]))


class _Scenario:
    """Writes the elements; their numbers are what SIPp counts branches by."""

    def __init__(self, steps: list[_Step]) -> None:
        self._steps = steps
        self._is_caller = steps[0].sent
        self._number = 0
        self._invites: dict[int, int] = {}
        """CSeq of each INVITE that was sent → number of its element."""
        self._received: _Step | None = None
        self._refused: set[int] = set()
        """CSeq of the INVITEs that were answered from 300 on."""
        self._challenged = False
        self._kept = self._find_kept()
        self._followed = self._find_followed()
        self._last_credentials = self._find_last_credentials()

    def elements(self) -> Iterator[str]:
        """The elements in their order."""
        before = self._steps[0].message
        for position, step in enumerate(self._steps):
            if step.sent:
                gap_ms = round((step.message.ts - before.ts).total_seconds() * 1000)
                if gap_ms > 0:
                    yield self._count(f'  <pause milliseconds="{gap_ms}"/>')
                yield self._count(self._send(position))
                yield from self._maybe_trying(position)
            else:
                yield self._count(self._receive(position))
                self._received = step
            before = step.message

    def _count(self, element: str) -> str:
        self._number += 1
        return element

    def _find_kept(self) -> set[tuple[int, str]]:
        """Requests whose Via and CSeq must be remembered, because something else was received
        between them and a response."""
        kept = set()
        known = set()
        received: _Step | None = None
        for step in self._steps:
            if not step.sent:
                received = step
                known |= {step.transaction} if step.message.is_request else set()
            elif (
                not step.message.is_request
                and step.transaction in known
                and (received is None or received.transaction != step.transaction)
            ):
                kept.add(step.transaction)
        return kept

    def _send(self, position: int) -> str:
        step = self._steps[position]
        message = step.message
        found = template.headers(message.raw)
        lines = self._request(message, found) if message.is_request else self._response(step, found)
        content = template.body(found, message.body)
        kinds = ("content-type", "content-encoding", "content-disposition")
        kept = found if content else [header for header in found if header.key not in kinds]
        text = "\n".join(
            [
                *lines,
                *template.copied(kept),
                f"Content-Length: {'[len]' if content else 0}",
                "",
                *content,
            ]
        )
        repeated = _RETRANSMITTED if self._is_repeated(position) else ""
        return f"  <send{repeated}><![CDATA[\n\n{text}\n\n]]></send>"

    def _is_repeated(self, position: int) -> bool:
        """RFC 3261 §17.1, §17.2.1. SIPp does nothing else until something is received."""
        message = self._steps[position].message
        after = self._steps[position + 1 : position + 2]
        if message.is_request:
            waits = message.method != "ACK"
        else:
            waits = message.method == "INVITE" and message.status >= 200
        return waits and bool(after) and not after[0].sent

    def _request(self, message: Message, found: list[template.Header]) -> Iterator[str]:
        branch = "[branch]"
        if message.method == "INVITE":
            self._invites[message.cseq] = self._number
        elif message.cseq in self._invites and (
            message.method == "CANCEL"
            or (message.method == "ACK" and message.cseq in self._refused)
        ):
            # RFC 3261 §9.1, §17.1.1.3: the branch of the INVITE.
            branch = f"[branch-{self._number - self._invites[message.cseq]}]"
        method = template.literal(message.method)
        yield f"{method} {template.uri(message.ruri_user, _REMOTE)} SIP/2.0"
        yield f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}"
        yield "Max-Forwards: 70"
        if self._is_caller:
            remote_tag = "[peer_tag_param]" if message.to_tag else ""
            yield f"From: {template.party(found, 'from', _TAG.format(0))}"
            yield f"To: {template.party(found, 'to', remote_tag)}"
        else:
            yield f"From:[$local]{_TAG.format(1)}"
            yield "To:[$remote]"
        yield "Call-ID: [call_id]"
        yield f"CSeq: {max(message.cseq, 0)} {method}"
        yield from template.contact(found)
        if self._challenged and message.auth_user:
            yield "[authentication]"

    def _response(self, step: _Step, found: list[template.Header]) -> Iterator[str]:
        message = step.message
        if message.status >= 300 and message.method == "INVITE":
            self._refused.add(message.cseq)
        yield f"SIP/2.0 {message.status} {template.literal(message.reason)}"
        is_last = self._received is not None and self._received.transaction == step.transaction
        if not is_last and step.transaction in self._kept:
            name = _variable(step.transaction)
            yield f"Via:[$via{name}]"
            yield f"CSeq:[$cseq{name}]"
        else:
            yield "[last_Via:]"
            yield "[last_CSeq:]"
        yield "[last_Record-Route:]"
        yield "[last_From:]"
        request = self._received.message if self._received else None
        in_dialog = is_last and request is not None and request.to_tag
        yield f"[last_To:]{_TAG.format(1) if message.to_tag and not in_dialog else ''}"
        yield "[last_Call-ID:]"
        yield from template.contact(found)

    def _receive(self, position: int) -> str:
        step = self._steps[position]
        message = step.message
        if message.is_request:
            actions = "".join(self._actions(position))
            begin = f'  <recv request={quoteattr(one_line(message.method))} crlf="true"'
            return (
                f"{begin}>\n    <action>{actions}</action>\n  </recv>" if actions else f"{begin}/>"
            )
        options = ""
        if message.status >= 300 and message.method == "INVITE":
            self._refused.add(message.cseq)
        if message.status in _CHALLENGES and position < self._last_credentials:
            self._challenged = True
            options += ' auth="true"'
        if step.is_provisional and position in self._followed:
            options += ' optional="true"'
        return f'  <recv response="{message.status}"{options}/>'

    def _actions(self, position: int) -> Iterator[str]:
        step = self._steps[position]
        if step.transaction in self._kept:
            name = _variable(step.transaction)
            yield _keep("Via:", f"via{name}")
            yield _keep("CSeq:", f"cseq{name}")
        if position == 0 and any(s.sent and s.message.is_request for s in self._steps):
            yield _keep("From:", "remote")
            yield _keep("To:", "local")

    def _maybe_trying(self, position: int) -> Iterator[str]:
        """A 100 that was not captured may come all the same: any hop may send one."""
        message = self._steps[position].message
        if (
            message.is_request
            and message.method == "INVITE"
            and position in self._followed
            and self._steps[position + 1].message.status != 100
        ):
            yield self._count('  <recv response="100" optional="true"/>')

    def _find_followed(self) -> set[int]:
        """Positions behind which something that must come is received before anything is sent."""
        followed = set()
        is_followed = False
        for position in range(len(self._steps) - 1, -1, -1):
            if is_followed:
                followed.add(position)
            step = self._steps[position]
            is_followed = not step.sent and (is_followed or not step.is_provisional)
        return followed

    def _find_last_credentials(self) -> int:
        """Position of the last request that is sent with credentials; -1 when there is none."""
        for position in range(len(self._steps) - 1, -1, -1):
            step = self._steps[position]
            if step.sent and step.message.is_request and step.message.auth_user:
                return position
        return -1


def _variable(transaction: tuple[int, str]) -> str:
    number, method = transaction
    return f"{max(number, 0)}{''.join(c for c in method if c.isascii() and c.isalpha())}"


def _keep(header: str, variable: str) -> str:
    return f'<ereg regexp=".*" search_in="hdr" header="{header}" assign_to="{variable}"/>'
