# SPDX-License-Identifier: GPL-2.0-or-later
"""What the E-model and RTP know of a codec.

Ie and Bpl are from ITU-T G.113 (2007) Appendix I, tables I.1 to I.4, for random loss. There are
none for wideband codecs on the scale of narrowband; those and others that G.113 does not name get
assumed figures, and ``published`` says so.
"""

from __future__ import annotations

from typing import Final, NamedTuple

USUAL_CLOCK: Final = 8000
"""RTP clock in Hz of most telephone codecs, G.722 among them (RFC 3551 §4.5.2)."""


class Codec(NamedTuple):
    """One codec."""

    ie: float
    """Equipment impairment factor without loss, points of R."""
    bpl: float
    """Packet-loss robustness factor, percent."""
    clock: int | None = USUAL_CLOCK
    """RTP clock in Hz; None when SDP has the codec with several."""
    published: bool = True
    """Whether both figures are from G.113."""


_CONCEALED: Final = 25.1
"""Bpl of G.711 with concealment of lost packets (G.711 Appendix I)."""
_LOW: Final = 10.0
"""Bpl of GSM-EFR: the lowest in G.113 of a codec with concealment."""

UNKNOWN: Final = Codec(0, _CONCEALED, None, published=False)
"""Stands for a codec that is not known, or not in the table: as G.711 with concealment."""

CODECS: Final[dict[str, Codec]] = {
    "PCMA": Codec(0, _CONCEALED),
    "PCMU": Codec(0, _CONCEALED),
    "G729": Codec(11, 19.0),  # G.729 Annex A, silence suppressed
    "G723": Codec(15, 16.1),  # 6.3 kbit/s, silence suppressed
    "GSM-EFR": Codec(5, _LOW),
    "AMR": Codec(5, _LOW),  # its mode of 12.2 kbit/s is GSM-EFR
    # Ie from G.113, Bpl assumed.
    "GSM": Codec(20, _LOW, published=False),
    "GSM-HR-08": Codec(23, _LOW, published=False),
    "G728": Codec(7, _LOW, published=False),
    "G726-16": Codec(50, _LOW, published=False),
    "G726-24": Codec(25, _LOW, published=False),
    "G726-32": Codec(7, _LOW, published=False),
    "G726-40": Codec(2, _LOW, published=False),
    "AAL2-G726-32": Codec(7, _LOW, published=False),
    # Both assumed. iLBC decodes each packet alone, so that a loss stays where it is.
    "iLBC": Codec(11, 32.0, published=False),
    "G722": Codec(0, _CONCEALED, published=False),
    "opus": Codec(0, _CONCEALED, 48000, published=False),  # RFC 7587 §4.1
    "AMR-WB": Codec(0, _CONCEALED, 16000, published=False),
    "EVS": Codec(0, _CONCEALED, 16000, published=False),
    "iSAC": Codec(0, _CONCEALED, None, published=False),
    "G719": Codec(0, _CONCEALED, 48000, published=False),
}
"""By the name that ``sdp`` gives."""


def find(name: str | None) -> Codec:
    """The codec of this name, else ``UNKNOWN``."""
    return CODECS.get(name or "", UNKNOWN)
