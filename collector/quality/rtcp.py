# SPDX-License-Identifier: GPL-2.0-or-later
"""RTCP as JSON (HEP type 5), as Asterisk, rtpengine, captagent and heplify write it.

One object for a compound packet: ``ssrc``, ``type``, ``sender_information`` (absent, null or all 0
in a receiver report), ``report_blocks`` and, from heplify, ``report_blocks_xr`` with the VoIP
metrics of RFC 3611 §4.7. Fractions and densities are in 1/256.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from collector.quality.report import (
    MAX_JITTER,
    MAX_MS,
    RTT_REPORTED,
    Report,
    ReportFault,
    Values,
)

MAX_BLOCKS: Final = 31
"""RFC 3550 §6.4.1 has 5 bits for their number; what follows more than that is left out."""
EXTENDED: Final = 207
"""RTCP packet type of extended reports."""

_MARKS: Final = frozenset({"sender_information", "report_blocks", "report_blocks_xr", "ssrc"})
_MARKS_SDES: Final = "sdes_ssrc"
_XR_FIGURES: Final = (
    *("fraction_lost", "fraction_discard", "burst_density", "gap_density", "burst_duration"),
    *("gap_duration", "round_trip_delay", "end_system_delay", "mos_lq", "mos_cq", "r_factor"),
)


def read(document: Mapping[str, Any]) -> list[Report]:
    """The reports of one object; none when it is not RTCP."""
    if _MARKS.isdisjoint(document) and _MARKS_SDES not in document:
        return []
    top = Values(document)
    packet_type = top.whole("type", 192, 223)
    ssrc = top.counter("ssrc")
    if ssrc is None:
        ssrc = top.counter(_MARKS_SDES)
    sender, packets, octets = _sender(document.get("sender_information"))
    blocks, odd = _objects(document.get("report_blocks"))
    if odd or len(blocks) > MAX_BLOCKS:
        top.fault = ReportFault.VALUE
    common = Report(packet_type, ssrc, packets=packets, octets=octets)
    fault = top.fault or sender
    reports = [_block(common, block, fault) for block in blocks[:MAX_BLOCKS]]
    extended, odd = _objects(document.get("report_blocks_xr"))
    if odd or len(extended) > MAX_BLOCKS:
        fault = ReportFault.VALUE
    reports += [
        _extended(ssrc, block, fault)
        for block in extended[:MAX_BLOCKS]
        if any(block.get(name) not in (None, 0) for name in _XR_FIGURES)
    ]
    return reports or [common._replace(fault=fault)]


def _sender(value: Any) -> tuple[ReportFault | None, int | None, int | None]:
    """Fault, packets and octets of the sender information."""
    if value is None:
        return None, None, None
    if not isinstance(value, dict):
        return ReportFault.VALUE, None, None
    values = Values(value)
    packets, octets = values.counter("packets"), values.counter("octets")
    if not (packets or octets or values.fault or value.get("ntp_timestamp_sec")):
        return None, None, None  # heplify writes the object with zeros into receiver reports
    return values.fault, packets, octets


def _objects(value: Any) -> tuple[list[dict[str, Any]], bool]:
    """The objects in an array, or the one in its place; and whether there is something else."""
    if value is None:
        return [], False
    if isinstance(value, dict):
        return [value], False
    if not isinstance(value, list):
        return [], True
    found = [item for item in value if isinstance(item, dict)]
    return found, len(found) < len(value)


def _block(common: Report, block: dict[str, Any], fault: ReportFault | None) -> Report:
    values = Values(block)
    report = common._replace(
        source_ssrc=values.counter("source_ssrc"),
        packets_lost=values.lost("packets_lost"),
        fraction_lost=values.real("fraction_lost", 255 / 256, divisor=256),
        highest_seq=values.counter("highest_seq_no"),
        jitter=values.counter("ia_jitter", MAX_JITTER),
        lsr=values.counter("lsr") or None,
        dlsr=values.counter("dlsr"),
    )
    return report._replace(fault=fault or values.fault)


def _extended(ssrc: int | None, block: dict[str, Any], fault: ReportFault | None) -> Report:
    """RFC 3611 §4.7: a delay of 0 has not been measured."""
    values = Values(block)
    rtt = values.measured_ms("round_trip_delay")
    report = Report(
        EXTENDED,
        ssrc,
        source_ssrc=values.counter("id"),
        fraction_lost=values.real("fraction_lost", 255 / 256, divisor=256),
        fraction_discarded=values.real("fraction_discard", 255 / 256, divisor=256),
        burst_density=values.real("burst_density", 255 / 256, divisor=256),
        gap_density=values.real("gap_density", 255 / 256, divisor=256),
        burst_ms=values.whole("burst_duration", 0, MAX_MS),
        gap_ms=values.whole("gap_duration", 0, MAX_MS),
        rtt_ms=rtt,
        rtt_source=RTT_REPORTED if rtt else None,
        end_system_delay_ms=values.whole("end_system_delay", 0, MAX_MS) or None,
        mos=values.mos("mos_lq"),
        mos_cq=values.mos("mos_cq"),
        r_factor=values.r_factor("r_factor"),
    )
    return report._replace(fault=fault or values.fault)
