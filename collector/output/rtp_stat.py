# SPDX-License-Identifier: GPL-2.0-or-later
"""The quality that some endpoints write into their BYE: header X-RTP-Stat (AVM and others)."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(
    rb"^(?:X|P)-RTP-Stat[ \t]*:[ \t]*([^\r\n]{1,2000})", re.IGNORECASE | re.MULTILINE
)
_ITEM: Final = re.compile(rb"([A-Z]{2})=(\d{1,7})(?:,(\d{1,7}))?")
_MAX_MS: Final = 10_000
"""Jitter or delay beyond this, in ms, is no measurement."""


def parse_rtp_stat(message: bytes) -> dict[str, float]:
    """``jitter`` and ``latency`` in seconds, ``loss`` as a share, ``mos``; empty without it.

    Reads PS and PR (packets sent, received), PL (lost: received, sent), JI (jitter, ms) and DL
    (delay, ms). MOS by the simplified E-model (ITU-T G.107) that SIP probes use.
    """
    header = _HEADER.search(message)
    if not header:
        return {}
    items = {found[1]: (int(found[2]), int(found[3] or 0)) for found in _ITEM.finditer(header[1])}
    figures: dict[str, float] = {}
    jitter, delay = items.get(b"JI"), items.get(b"DL")
    if jitter and jitter[0] <= _MAX_MS:
        figures["jitter"] = jitter[0] / 1000
    if delay and delay[0] <= _MAX_MS:
        figures["latency"] = delay[0] / 1000
    packets = items.get(b"PR", (0, 0))[0] + items.get(b"PS", (0, 0))[0]
    lost = items.get(b"PL")
    if lost and packets:
        figures["loss"] = min(sum(lost) / packets, 1.0)
    if "jitter" in figures and "loss" in figures:
        figures["mos"] = _mos(figures["jitter"], figures.get("latency", 0.0), figures["loss"])
    return figures


def _mos(jitter: float, delay: float, loss: float) -> float:
    effective_ms = 2000 * jitter + 1000 * delay + 10
    r = 93.2 - (effective_ms / 40 if effective_ms < 160 else (effective_ms - 120) / 10)
    r = min(max(r - 250 * loss, 0.0), 100.0)
    return max(1.0, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r))
