# SPDX-License-Identifier: GPL-2.0-or-later
"""One leg: its messages sorted into transactions, hops, attempts and a dialog (RFC 3261 §12, §17).

A transaction is told by branch, CSeq number and method, so each hop has its own. The Via entries
below the top one say which hop a request came over before: they hold the way back.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Final

from collector.explain.message import Endpoint, Message

CHALLENGES: Final = frozenset((401, 407))
_Key = tuple[str | frozenset[Endpoint], int, str]
MAX_HOPS: Final = 70
"""Hops that are followed back; RFC 3261 §8.1.1.6."""


class Transaction:
    """A request over one hop, and what came back."""

    def __init__(self, method: str, cseq: int) -> None:
        self.method = method
        self.cseq = cseq
        self.requests: list[Message] = []
        self.responses: list[Message] = []
        self.acks: list[Message] = []
        """ACKs to a response from 300 on; that to a 2xx is a transaction of its own."""
        self.parent: Transaction | None = None
        """The hop before; None when it was not captured, or there is none."""
        self.children: list[Transaction] = []
        """The hops after; several when the element between forks or tries again."""
        self.cancel: Transaction | None = None
        """The CANCEL of an INVITE."""
        self.cancelled: Transaction | None = None
        """The INVITE of a CANCEL."""

    @property
    def messages(self) -> list[Message]:
        """All of them."""
        return [*self.requests, *self.responses, *self.acks]

    @cached_property
    def first(self) -> Message:
        """The message that was captured first."""
        return min(self.messages, key=lambda m: m.order)

    @property
    def src(self) -> Endpoint:
        """Where the request comes from."""
        return self.first.src if self.first.is_request else self.first.dst

    @property
    def dst(self) -> Endpoint:
        """Where it goes to."""
        return self.first.dst if self.first.is_request else self.first.src

    @cached_property
    def finals(self) -> list[Message]:
        """Final responses, retransmissions included."""
        return [message for message in self.responses if message.is_final]

    @cached_property
    def provisional(self) -> list[Message]:
        """Provisional responses but 100."""
        return [message for message in self.responses if 100 < message.status < 200]

    @cached_property
    def final(self) -> Message | None:
        """What the transaction ended with: a 2xx if there is any, else the first final response."""
        return min(self.finals, key=lambda m: (m.status >= 300, m.order), default=None)

    @property
    def refusal(self) -> Message | None:
        """The final response if it is from 300 on."""
        return self.final if self.final and self.final.status >= 300 else None

    def final_before(self, message: Message) -> Message | None:
        """The final response if it came before that message."""
        return self.final if self.final and self.final.order < message.order else None

    @property
    def branches(self) -> list[str]:
        """As of a message: the same in all of its messages."""
        return self.first.branches

    @property
    def to_tag(self) -> str:
        """Of the request: empty outside of a dialog."""
        return next((m.to_tag for m in self.requests if m.to_tag), "")


class Attempt:
    """What became of one INVITE of the caller (one CSeq number), over all of its hops."""

    def __init__(self, hops: list[Transaction]) -> None:
        self.hops = hops
        """In the order in which they were captured, those nearer to the caller first."""
        within = {id(hop) for hop in hops}
        self.entries = [hop for hop in hops if id(hop.parent) not in within]
        """The hops that come from outside of what was captured; mostly one, never none."""

    @property
    def entry(self) -> Transaction:
        """The hop nearest to the caller."""
        return self.entries[0]

    @cached_property
    def final(self) -> Message | None:
        """The final response as it came to the caller."""
        finals = [hop.final for hop in self.entries if hop.final]
        answers = [message for message in finals if message.status < 300]
        if answers:
            return answers[0]
        return finals[-1] if len(finals) == len(self.entries) else None

    @property
    def request(self) -> Message:
        """The first message of the entry hop."""
        return self.entry.first

    @property
    def responses(self) -> list[Message]:
        """All over all hops, in order of capture."""
        return sorted((m for hop in self.hops for m in hop.responses), key=lambda m: m.order)

    def answer(self) -> Message | None:
        """The 2xx as it came to the caller; where that hop has none, one from further on."""
        if self.final and self.final.status < 300:
            return self.final
        answers = (hop.final for hop in self.hops if hop.final and hop.final.status < 300)
        return min(answers, key=lambda m: (len(m.branches), m.order), default=None)


class Leg:
    """All messages with one Call-ID, none of them twice."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages
        """In order of capture."""
        self.transactions = _transactions(messages)
        self.acks = [message for message in messages if message.method == "ACK"]
        self.caller_tag = self._caller_tag()
        self.attempts = self._attempts()
        """By CSeq: the first INVITE, then those after a challenge or a redirection."""

    def of(self, *methods: str) -> list[Transaction]:
        """Transactions of these methods that no other hop leads to, in order."""
        return [t for t in self.transactions if t.method in methods and t.parent is None]

    @cached_property
    def initial(self) -> list[Transaction]:
        """INVITE transactions that begin a dialog."""
        invites = [t for t in self.transactions if t.method == "INVITE"]
        begun = [t for t in invites if any(m.is_request and not m.to_tag for m in t.requests)]
        lowest = min((t.cseq for t in begun or invites), default=-1)
        numbers = {t.cseq for t in begun} or {lowest}
        # A hop whose request was not captured belongs to the attempt with the same number.
        return begun + [t for t in invites if not t.requests and t.cseq in numbers]

    @cached_property
    def changes(self) -> list[Transaction]:
        """re-INVITE and UPDATE: what changes a session that there is."""
        known = {id(t) for t in self.initial}
        return [t for t in self.of("INVITE", "UPDATE") if id(t) not in known]

    @property
    def last(self) -> Attempt | None:
        """The attempt that decides; None when no INVITE was captured, nor a response to one."""
        return self.attempts[-1] if self.attempts else None

    @cached_property
    def answer(self) -> Message | None:
        """The 2xx to the INVITE."""
        found = (attempt.answer() for attempt in reversed(self.attempts))
        return next((message for message in found if message), None)

    @cached_property
    def callee_end(self) -> Endpoint | None:
        """Where the callee is: from there came the answer, or else the first 180."""
        if self.answer:
            return self.origin(self.answer).src
        hops = (hop for attempt in self.attempts for hop in attempt.hops)
        ringing = next((m for hop in hops for m in hop.provisional if m.status == 180), None)
        return self.origin(ringing).src if ringing else None

    @cached_property
    def caller(self) -> str:
        """Whom the call comes from: number or name, else "the caller"."""
        users = (m.from_user or m.pai_user for m in self._setup if m.from_user or m.pai_user)
        return next(users, "") or "the caller"

    @cached_property
    def callee(self) -> str:
        """Whom it goes to."""
        users = (m.ruri_user or m.to_user for m in self._setup if m.ruri_user or m.to_user)
        return next(users, "") or "the callee"

    @property
    def _setup(self) -> list[Message]:
        """What the names of caller and callee are taken from."""
        if self.attempts:
            return self.attempts[0].entry.messages
        return [m for m in self.messages if m.from_tag == self.caller_tag]

    def origin(self, response: Message) -> Message:
        """The same response where it was captured nearest to the one who made it."""
        if response.id not in self._hop_of:
            return response
        hop = self._hop_of[response.id]
        for _ in range(MAX_HOPS):
            further = next(
                (
                    message
                    for child in hop.children
                    for message in child.responses
                    if message.status == response.status and message.to_tag == response.to_tag
                ),
                None,
            )
            if further is None:
                break
            response, hop = further, self._hop_of[further.id]
        return response

    def hop_of(self, message: Message) -> Transaction | None:
        """The transaction that a message belongs to; None for an ACK to a 2xx."""
        return self._hop_of.get(message.id)

    @cached_property
    def _hop_of(self) -> dict[int, Transaction]:
        return {m.id: t for t in self.transactions for m in t.messages}

    def _caller_tag(self) -> str:
        invites = [m for m in self.messages if m.method == "INVITE"]
        first = next((m for m in invites if m.is_request and not m.to_tag), None)
        return (first or next(iter(invites or self.messages))).from_tag if self.messages else ""

    def _attempts(self) -> list[Attempt]:
        numbered: dict[int, list[Transaction]] = {}
        for hop in self.initial:
            if hop.first.from_tag == self.caller_tag:
                numbered.setdefault(hop.cseq, []).append(hop)
        return [
            Attempt(sorted(hops, key=lambda t: (len(t.branches), t.first.order)))
            for _, hops in sorted(numbered.items())
        ]


def _transactions(messages: Iterable[Message]) -> list[Transaction]:
    """In the order of their first messages, each with the hop before it."""
    found: dict[_Key, Transaction] = {}
    by_ends: dict[_Key, Transaction] = {}
    # What has lost its Via belongs to the transaction between the same addresses, if there is one.
    for message in sorted(messages, key=lambda m: not m.branch):
        if message.method and message.method != "ACK":
            key, ends = _keys(message, message.method)
            have = found.get(key) if message.branch else by_ends.get(ends)
            transaction = have or Transaction(message.method, message.cseq)
            by_ends[ends] = transaction
            if have is None:
                found[key] = transaction
            (transaction.requests if message.is_request else transaction.responses).append(message)
    for transaction in found.values():
        transaction.requests.sort(key=lambda m: m.order)
        transaction.responses.sort(key=lambda m: m.order)
    for message in messages:
        if message.method == "ACK" and message.is_request:
            key, ends = _keys(message, "INVITE")
            invite = found.get(key) if message.branch else by_ends.get(ends)
            if invite:
                invite.acks.append(message)
    for (branch, cseq, method), transaction in found.items():
        invite = found.get((branch, cseq, "INVITE")) if method == "CANCEL" else None
        if invite:
            transaction.cancelled, invite.cancel = invite, transaction
    ordered = sorted(found.values(), key=lambda t: t.first.order)
    for key, transaction in found.items():
        _join(transaction, _by_via(transaction, key, found))
    latest: dict[tuple[str, int, str, Endpoint], Transaction] = {}
    for transaction in ordered:
        # An element that hides where a request came from leaves no Via: its address tells.
        ends = (transaction.method, transaction.cseq, transaction.first.from_tag)
        if transaction.parent is None and transaction.src.ip:
            _join(transaction, latest.get((*ends, transaction.src)))
        latest[(*ends, transaction.dst)] = transaction
    return ordered


def _keys(message: Message, method: str) -> tuple[_Key, _Key]:
    """What tells transactions apart (RFC 3261 §17.1.3), and what does without a branch."""
    ends = frozenset((message.src, message.dst)), message.cseq, method
    return (message.branch, message.cseq, method) if message.branch else ends, ends


def _by_via(
    transaction: Transaction,
    key: _Key,
    found: dict[_Key, Transaction],
) -> Transaction | None:
    """The hop before: its branch is that of a Via below the top one."""
    hops = (found.get((branch, key[1], key[2])) for branch in transaction.branches[1:])
    return next((hop for hop in hops if hop), None)


def _join(transaction: Transaction, before: Transaction | None) -> None:
    if before and not _leads_to(transaction, before):
        transaction.parent = before
        before.children.append(transaction)


def _leads_to(above: Transaction, below: Transaction) -> bool:
    """Whether the way back from ``below`` goes over ``above``: hostile branches make circles."""
    hop: Transaction | None = below
    for _ in range(MAX_HOPS):
        if hop is None or hop is above:
            break
        hop = hop.parent
    return hop is not None
