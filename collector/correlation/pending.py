# SPDX-License-Identifier: GPL-2.0-or-later
"""What messages have said since the last time that it was written."""

from __future__ import annotations

from collections.abc import Iterable

from collector.copy_binary import clean_text
from collector.correlation import leg, links, registration, streams
from collector.correlation.encode import MAX_TEXT_BYTES
from collector.correlation.fact import Fact, ReportFact
from collector.correlation.leg import Leg
from collector.correlation.links import Edge, Reason
from collector.correlation.registration import Registration
from collector.correlation.streams import Stream, StreamKey
from collector.sip import Kind


class Pending:
    """Facts about legs, registrations and streams, merged as far as one process knows them.

    Nothing here depends on the order of the messages: what several of these say about one leg is
    merged in the database by the same rules.
    """

    def __init__(self) -> None:
        self.legs: dict[bytes, Leg] = {}
        """By Call-ID."""
        self.registrations: dict[tuple[bytes, bytes], Registration] = {}
        """By Call-ID and address of record."""
        self.edges: dict[tuple[bytes, bytes, Reason], Edge] = {}
        """By Call-ID, linked id and reason."""
        self.streams: dict[StreamKey, Stream] = {}

    def __len__(self) -> int:
        """Rows to write, about."""
        return len(self.legs) + len(self.registrations) + len(self.streams)

    def add(self, facts: Iterable[Fact | ReportFact]) -> None:
        """Take messages and reports into account."""
        for fact in facts:
            if isinstance(fact, ReportFact):
                streams.add(self.streams, fact)
            elif fact.message.kind is Kind.REGISTRATION:
                key = fact.call_id, registration.aor(fact)
                self.registrations[key] = registration.add(self.registrations.get(key), fact)
            elif fact.message.method in leg.METHODS:
                call_id = fact.call_id
                self.legs[call_id] = leg.add(self.legs.get(call_id), fact)
                self._add_edges(fact)

    def add_edges(self, facts: Iterable[Fact]) -> None:
        """Take over only what messages of calls say about other legs."""
        for fact in facts:
            self._add_edges(fact)

    def _add_edges(self, fact: Fact) -> None:
        for said in links.edges(fact):
            # As they are written: what is cut or mended to the same is the same edge.
            edge = said._replace(
                linked_id=clean_text(said.linked_id, MAX_TEXT_BYTES),
                detail=clean_text(said.detail, MAX_TEXT_BYTES),
            )
            key = fact.call_id, edge.linked_id, edge.reason
            have = self.edges.get(key)
            if have is None or edge.detail < have.detail:
                self.edges[key] = edge

    def halves(self) -> tuple[Pending, Pending]:
        """The same in two parts, each leg with its edges."""
        parts = Pending(), Pending()
        for number, (call_id, found) in enumerate(self.legs.items()):
            parts[number % 2].legs[call_id] = found
        for number, (key, known) in enumerate(self.registrations.items(), len(self.legs)):
            parts[number % 2].registrations[key] = known
        for number, (stream, said) in enumerate(
            self.streams.items(), len(self.legs) + len(self.registrations)
        ):
            parts[number % 2].streams[stream] = said
        for place, edge in self.edges.items():
            part = parts[0] if place[0] in parts[0].legs else parts[1]
            part.edges[place] = edge
        return parts
