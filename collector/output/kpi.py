# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures out of packets: what is sent by whom, how fast it is answered, how good it sounds."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from collector import forms, hep, quality
from collector.hep import Hep
from collector.journal.record import Record
from collector.output import label
from collector.output.admission import admit
from collector.output.fate import Fate
from collector.output.rtp_stat import parse_rtp_stat
from collector.output.series import Count, Histogram, Series
from collector.peers import Peers
from collector.quality import Report
from collector.selection import Selection
from collector.sip import Sip

MAX_PENDING: Final = 100_000
"""Requests that wait for their answer; the oldest make room."""
QUALITY: Final = ("loss", "jitter", "jitter_units", "round_trip", "latency", "mos", "r_factor")
"""Shares 0 … 1, seconds, RTP timestamp units, seconds, seconds, 1 … 5, 0 … 120."""
PENDING_S: Final = 180.0
"""Timer C of RFC 3261 §16.6: nobody waits longer for an answer to an INVITE."""

_REASON: Final = re.compile(rb"^reason[ \t]*:([^\r\n]{0,500})", re.IGNORECASE | re.MULTILINE)
_CAUSE: Final = re.compile(rb";[ \t]*cause[ \t]*=[ \t]*(\d{1,3})")
_Pending: TypeAlias = tuple[bytes, int, bytes, bytes]
"""Call-ID, CSeq number, source and destination: one hop of one request."""


class Figures:
    """All figures since the start of the process."""

    def __init__(self, peers: Peers, selection: Selection, max_series: int) -> None:
        self._peers = peers
        self._selection = selection
        self.packets = Series(Count, max_series, 0)
        """Count and payload bytes, by node and HEP type."""
        self.messages = Series(Count, max_series, 2)
        """By peer, direction, method and response."""
        self.causes = Series(Count, max_series, 2)
        """Q.850 causes in Reason headers, by peer, direction, cause and method."""
        self.session_delays = Series(Histogram, max_series, 2)
        """Session Request Delay (RFC 6076 §4.3.1): INVITE to 18x or 2xx, by peer, direction."""
        self.registration_delays = Series(Histogram, max_series, 2)
        """Registration Request Delay (RFC 6076 §4.1): REGISTER to 2xx, by peer, direction."""
        self.quality = {name: Series(Count, max_series, 2) for name in QUALITY}
        """What reports say, by peer, direction and form of the report."""
        self._pending: dict[_Pending, float] = {}

    def add(self, found: Record) -> Fate:
        """Count one record; filters and sampling do not apply."""
        packet = admit(found, self._selection)
        if isinstance(packet, Fate):
            return packet
        node = label.text(packet.node)
        self.packets.at((node, label.type_name(packet.type))).add(len(packet.payload))
        packet, message = forms.extract(packet)
        if message:
            self._add_message(found, packet, message)
        elif packet.type in hep.TYPES_QUALITY:
            form = label.type_name(packet.type)
            for report in quality.parse(packet.payload):
                self._add_quality(packet, form, _figures(report))
        return Fate.DELIVERED

    def sides(self, packet: Hep) -> list[tuple[str, str]]:
        """The named peers of a packet, each with its direction; ``other`` when there is none."""
        source, destination = self._peers.name(packet.src_ip), self._peers.name(packet.dst_ip)
        sides = []
        if source:
            sides.append((source, "src"))
        if destination:
            sides.append((destination, "dst"))
        return sides or [(label.OTHER, "")]

    def _add_message(self, found: Record, packet: Hep, message: Sip) -> None:
        sides = self.sides(packet)
        method, response = label.method_name(message), label.response_name(message)
        for side in sides:
            self.messages.at((*side, method, response)).count += 1
        if message.method in (b"INVITE", b"REGISTER"):
            self._time(found, packet, message)
        payload = packet.payload
        cause = q850_cause(payload) if b".850" in payload else None
        if cause is not None:
            for side in sides:
                self.causes.at((*side, str(cause), method)).count += 1
        if message.method == b"BYE":
            self._add_quality(packet, "x-rtp-stat", parse_rtp_stat(payload))

    def _add_quality(self, packet: Hep, form: str, figures: dict[str, float]) -> None:
        for side in self.sides(packet) if figures else ():
            for name, value in figures.items():
                self.quality[name].at((*side, form)).add(value)

    def _time(self, found: Record, packet: Hep, message: Sip) -> None:
        at = packet.seconds + packet.microseconds / 1e6 or found.id / 1e9
        if not message.status:
            key = (message.call_id, message.cseq, packet.src_ip, packet.dst_ip)
            if self._pending.setdefault(key, at) == at:
                self._forget(at)
            return
        if message.status == 100:
            return
        # The answer goes the other way.
        sent_at = self._pending.pop(
            (message.call_id, message.cseq, packet.dst_ip, packet.src_ip), None
        )
        is_register = message.method == b"REGISTER"
        if sent_at is None or message.status >= 300 or (is_register and message.status < 200):
            return
        delays = self.registration_delays if is_register else self.session_delays
        for peer, direction in self.sides(packet):
            # As the request was sent.
            swapped = {"src": "dst", "dst": "src"}.get(direction, "")
            delays.at((peer, swapped)).add(max(0.0, at - sent_at))

    def _forget(self, now: float) -> None:
        """Requests that nobody will answer any more."""
        while self._pending:
            oldest = next(iter(self._pending))
            late = abs(now - self._pending[oldest]) > PENDING_S
            if not late and len(self._pending) <= MAX_PENDING:
                return
            del self._pending[oldest]


def _figures(report: Report) -> dict[str, float]:
    """What a report has measured; totals since the beginning of a stream cannot be summed up."""
    ms = {
        "jitter": report.jitter_ms,
        "round_trip": report.rtt_ms,
        "latency": report.latency_ms,
    }
    figures = {
        "loss": report.fraction_lost,
        "jitter_units": report.jitter,
        "mos": report.mos,
        "r_factor": report.r_factor,
        **{name: value / 1000 for name, value in ms.items() if value is not None},
    }
    return {name: value for name, value in figures.items() if value is not None}


def q850_cause(message: bytes) -> int | None:
    """The Q.850 cause in a Reason header (RFC 3326), None without one. Linear in any input."""
    for header in _REASON.finditer(message):
        _, found, parameters = header[1].lower().partition(b"q.850")
        cause = _CAUSE.search(parameters) if found else None
        if cause:
            return int(cause[1])
    return None
