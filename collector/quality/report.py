# SPDX-License-Identifier: GPL-2.0-or-later
"""One quality report, and how numbers from senders become its values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

MAX_LOST: Final = (1 << 23) - 1
"""RFC 3550 §6.4.1 counts lost packets in 24 bits with a sign."""
MAX_JITTER: Final = 10_000_000
"""RTP timestamp units: almost two minutes at 90 kHz."""
MAX_MS: Final = 65_535
"""Longest time in a report: RFC 3611 and RFC 6035 have 16 bits for milliseconds."""
MAX_R_FACTOR: Final = 120
"""Wideband; narrowband ends at 100. RFC 3611 writes 127 for unavailable."""

_UNSIGNED: Final = 1 << 32
_ALL_ONES: Final = _UNSIGNED - 1
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,20}(?P<places>\.[0-9]{0,20})?\Z")
_HEXADECIMAL: Final = re.compile(r"0[xX][0-9A-Fa-f]{1,16}\Z")
_MOS_DIVISORS: Final = (1, 10, 100, 1000)
_MOS_UNAVAILABLE: Final = (127, 12.7)
"""RFC 3611 §4.7.5: 127 tenths."""


class ReportFault(StrEnum):
    """What is wrong with a stored report; the column ``fault`` of its row."""

    VALUE = "value"
    """A value that cannot be: its column is null, the payload has it."""
    PAYLOAD = "payload"
    """The payload is none of the known forms: it is kept in hep_event."""


class Report(NamedTuple):
    """One report block or direction; units as in ``columns.RTCP_REPORT``, None where unknown."""

    packet_type: int | None = None
    ssrc: int | None = None
    source_ssrc: int | None = None
    packets: int | None = None
    octets: int | None = None
    packets_lost: int | None = None
    fraction_lost: float | None = None
    fraction_discarded: float | None = None
    highest_seq: int | None = None
    jitter: int | None = None
    jitter_ms: float | None = None
    max_jitter_ms: float | None = None
    delta_ms: float | None = None
    rtt_ms: float | None = None
    rtt_source: str | None = None
    latency_ms: float | None = None
    end_system_delay_ms: int | None = None
    lsr: int | None = None
    dlsr: int | None = None
    mos: float | None = None
    mos_cq: float | None = None
    r_factor: float | None = None
    burst_density: float | None = None
    gap_density: float | None = None
    burst_ms: int | None = None
    gap_ms: int | None = None
    direction: str | None = None
    fault: str | None = None


RTT_REPORTED: Final = "report"
RTT_FROM_LSR: Final = "lsr"


class Values:
    """Reads named values as numbers within limits.

    What is absent, null or empty is None. What is no number, or cannot be, is None too, and
    ``fault`` says so from then on. Numbers may be text, decimal or ``0x…``.
    """

    __slots__ = ("_source", "fault")

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = source
        self.fault: ReportFault | None = None

    def counter(self, name: str, high: int = _ALL_ONES - 1) -> int | None:
        """A number of 32 bits; with a sign where a sender has it wrong, as Asterisk has.

        All bits set is what senders write for unknown.
        """
        value = self._number(name)
        if value is not None and -_UNSIGNED / 2 <= value < 0:
            value += _UNSIGNED
        return self._whole(value, 0, high)

    def whole(self, name: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``."""
        return self._whole(self._number(name), low, high)

    def lost(self, name: str) -> int | None:
        """Packets lost. RFC 3550 has less than none for duplicates: no loss that can be counted."""
        return self._whole(self._number(name), 0, MAX_LOST)

    def real(self, name: str, high: float, divisor: float = 1) -> float | None:
        """A number from 0 to ``high``, after it was divided."""
        value = self._number(name)
        return None if value is None else self._within(value / divisor, 0, high)

    def milliseconds(self, name: str) -> float | None:
        """A time up to ``MAX_MS``."""
        return self.real(name, MAX_MS)

    def measured_ms(self, name: str) -> float | None:
        """The same where 0 stands for not measured (RFC 3611 §4.7.3)."""
        return self.milliseconds(name) or None

    def mos(self, name: str, divisor: float = 0) -> float | None:
        """A mean opinion score, which senders write as 4.1, 41, 410 or 4100."""
        value = self._number(name)
        if value is None:
            return None
        if divisor or value not in _MOS_UNAVAILABLE:
            for candidate in (divisor,) if divisor else _MOS_DIVISORS:
                if 1 <= value / candidate <= 5:
                    return value / candidate
        self.fault = ReportFault.VALUE
        return None

    def r_factor(self, name: str, divisor: float = 0) -> float | None:
        """An R-factor, which senders write as 93.2 or 9320."""
        value = self._number(name)
        if value is None:
            return None
        return self._within(value / (divisor or (100 if value >= 1000 else 1)), 0, MAX_R_FACTOR)

    def _number(self, name: str) -> int | float | None:
        value = self._source.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            value = _from_text(value.strip())
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self.fault = ReportFault.VALUE
        return None

    def _whole(self, value: float | None, low: int, high: int) -> int | None:
        found = None if value is None else self._within(value, low, high)
        return None if found is None else round(found)

    def _within(self, value: float, low: float, high: float) -> float | None:
        if low <= value <= high:
            return value
        self.fault = ReportFault.VALUE
        return None


def ratio(part: int | None, whole: int | None) -> float | None:
    """``part`` of ``whole`` as 0 … 1; None when one is unknown, or more is lost than there was."""
    if part is None or not whole or part > whole:
        return None
    return part / whole


def _from_text(text: str) -> int | float | None:
    found = _DECIMAL.match(text)
    if found:
        return float(text) if found["places"] else int(text)
    return int(text, 16) if _HEXADECIMAL.match(text) else None
