# SPDX-License-Identifier: GPL-2.0-or-later
"""What agents measured of RTP streams on their way, as JSON: rtpagent and horaclifix.

rtpagent (HEP type 34; Kamailio stores the same form as 32 and 99) reports one stream:
``TOTAL_PK``, ``PACKET_LOSS``, ``JITTER``, ``MOS`` …, times in ms. horaclifix (38) reports both
sides of a session border controller, each name with ``INC_`` or ``OUT_`` before it, MOS and
R-value times 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collector.quality.report import Report, Values, ratio

_RTPAGENT: Final = frozenset(
    {"TOTAL_PK", "EXPECTED_PK", "PACKET_LOSS", "JITTER", "MEAN_JITTER", "MOS", "MEAN_MOS", "DELTA"}
)
_SIDES: Final = {"INC_": "in", "OUT_": "out"}
_HORACLIFIX: Final = (
    *("RTP_PK", "RTP_PK_LOSS", "RTP_AVG_JITTER", "RTCP_PK", "RTCP_PK_LOSS", "RTCP_AVG_JITTER"),
    *("MOS", "RVAL"),
)
_HUNDREDTHS: Final = 100


def read(document: Mapping[str, Any]) -> list[Report]:
    """The reports of one object; none when it has neither form."""
    sides = [
        _side(document, prefix, direction)
        for prefix, direction in _SIDES.items()
        if any(prefix + name in document for name in _HORACLIFIX)
    ]
    if sides or _RTPAGENT.isdisjoint(document):
        return sides
    return [_rtpagent(document)]


def _rtpagent(document: Mapping[str, Any]) -> Report:
    values = Values(document)
    lost = values.lost("PACKET_LOSS")
    report = Report(
        packets=values.counter("TOTAL_PK"),
        octets=values.counter("TL_BYTE"),
        packets_lost=lost,
        fraction_lost=ratio(lost, values.counter("EXPECTED_PK")),
        jitter_ms=_first(values.milliseconds("JITTER"), values.milliseconds("MEAN_JITTER")),
        max_jitter_ms=values.milliseconds("MAX_JITTER"),
        delta_ms=values.milliseconds("DELTA"),
        mos=_first(values.mos("MOS"), values.mos("MEAN_MOS")),
        r_factor=_first(values.r_factor("RFACTOR"), values.r_factor("MEAN_RFACTOR")),
    )
    return report._replace(fault=values.fault)


def _side(document: Mapping[str, Any], prefix: str, direction: str) -> Report:
    """One direction; what was counted from RTP goes before what RTCP said of it."""
    values = Values(document)
    way = "RTP_" if prefix + "RTP_PK" in document else "RTCP_"
    packets = values.counter(prefix + way + "PK")
    lost = values.lost(prefix + way + "PK_LOSS")
    report = Report(
        packets=packets,
        octets=values.counter(prefix + way + "BYTE"),
        packets_lost=lost,
        fraction_lost=ratio(lost, (packets or 0) + (lost or 0)),
        jitter_ms=values.milliseconds(prefix + way + "AVG_JITTER"),
        max_jitter_ms=values.milliseconds(prefix + way + "MAX_JITTER"),
        latency_ms=values.milliseconds(prefix + "RTCP_AVG_LAT"),
        mos=values.mos(prefix + "MOS", _HUNDREDTHS),
        r_factor=values.r_factor(prefix + "RVAL", _HUNDREDTHS),
        direction=direction,
    )
    return report._replace(fault=values.fault)


def _first(one: float | None, other: float | None) -> float | None:
    return other if one is None else one
