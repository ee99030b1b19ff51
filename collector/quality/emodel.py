# SPDX-License-Identifier: GPL-2.0-or-later
"""A mean opinion score out of loss, delay, jitter and codec: the E-model (ITU-T G.107).

With the default values of G.107 for all that cannot be known from RTP::

    R      = 93.2 - Id - Ie_eff
    Id     = 0.024 d + 0.11 max(0, d - 177.3)          d: delay from mouth to ear, ms
    Ie_eff = Ie + (95 - Ie) P / (P / BurstR + Bpl)     P: loss in percent, BurstR = 1
    MOS    = 1 + 0.035 R + 7e-6 R (R - 60) (100 - R)   1 for R <= 0, 4.5 for R >= 100

93.2, Ie_eff and MOS are G.107 §7.1, §7.5 and Annex B. Id is the approximation of G.107 §7.4 that
Cole and Rosenbluth give in "Voice over IP Performance Monitoring" (ACM SIGCOMM CCR 31(2), 2001);
it is within 1 of the whole formula up to 300 ms, and 3 too strict at 400. Ie and Bpl are in
``codec``. The delay is that of the network, and twice the jitter for the jitter buffer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from collector.quality.codec import Codec
from collector.quality.report import MAX_MS

R_DEFAULT: Final = 93.2
"""R of a connection without delay, loss and coding (G.107 §7.7)."""
MOS_WORST: Final = 1.0
MOS_BEST: Final = 4.5
BUFFER_JITTERS: Final = 2
"""Jitter buffer in multiples of the jitter."""

_DELAY_SLOPE: Final = 0.024
_DELAY_KNEE_MS: Final = 177.3
_DELAY_SLOPE_BEYOND: Final = 0.11
_R_LOST: Final = 95
"""What a total loss takes from R."""
_R_BEST: Final = 100


class Mark(StrEnum):
    """What stands behind a figure beside what was measured."""

    CLAMPED = "clamped"
    """An input could not be, and was taken for the nearest that can."""
    CODEC = "codec"
    """The codec is not known, or G.113 has no figures for it."""
    DELAY = "delay"
    """No delay was reported: counted as none."""
    JITTER = "jitter"
    """No jitter was reported: counted as none."""
    CLOCK = "clock"
    """The RTP clock is not known: jitter was taken for ticks of 8000 Hz."""


class Estimate(NamedTuple):
    """What the E-model says."""

    r_factor: float
    mos: float
    marks: frozenset[Mark]


def estimate(
    *, loss: float, delay_ms: float | None, jitter_ms: float | None, codec: Codec
) -> Estimate:
    """R-factor and MOS of a stream; conversational quality in one direction.

    ``loss`` is 0 … 1 and random, ``delay_ms`` one-way. Without loss there is no estimate, so that
    it cannot be None.
    """
    marks = set()
    if delay_ms is None:
        marks.add(Mark.DELAY)
    if jitter_ms is None:
        marks.add(Mark.JITTER)
    if not codec.published:
        marks.add(Mark.CODEC)
    inputs = ((loss, 1), (delay_ms or 0, MAX_MS), (jitter_ms or 0, MAX_MS))
    if any(not 0 <= value <= high for value, high in inputs):
        marks.add(Mark.CLAMPED)
    fraction, delay, jitter = (_clamp(value, high) for value, high in inputs)
    r = R_DEFAULT - _delay(delay + BUFFER_JITTERS * jitter) - _equipment(fraction * 100, codec)
    r = max(r, 0.0)
    return Estimate(r, mos(r), frozenset(marks))


def mos(r: float) -> float:
    """The mean opinion score of an R-factor (G.107 Annex B)."""
    if r <= 0:
        return MOS_WORST
    if r >= _R_BEST:
        return MOS_BEST
    # Below 6.5 the polynomial is less than the worst that there is.
    return max(MOS_WORST, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (_R_BEST - r))


def _delay(delay: float) -> float:
    """Id of a delay in ms."""
    return _DELAY_SLOPE * delay + _DELAY_SLOPE_BEYOND * max(0, delay - _DELAY_KNEE_MS)


def _equipment(loss: float, codec: Codec) -> float:
    """Ie_eff of a loss in percent."""
    return codec.ie + (_R_LOST - codec.ie) * loss / (loss + codec.bpl)


def _clamp(value: float, high: float) -> float:
    """The nearest that can be; 0 for NaN."""
    return min(value, high) if value > 0 else 0.0
