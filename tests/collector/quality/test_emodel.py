# SPDX-License-Identifier: GPL-2.0-or-later
"""The E-model against what the ITU-T published."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import sdp
from collector.quality import codec, emodel
from collector.quality.codec import CODECS, UNKNOWN
from collector.quality.emodel import Mark, estimate

G711 = codec.find("PCMA")


@pytest.mark.parametrize(
    ("r", "mos"),
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (93.2, 4.41), (0, 1), (100, 4.5)],
)
def test_mos_of_r(r: float, mos: float) -> None:
    """G.107 table B.1, and the default values of §7.7."""
    assert emodel.mos(r) == pytest.approx(mos, abs=0.01)


def test_no_impairment() -> None:
    """G.107 §7.7: R = 93.2 with all values at their defaults."""
    found = estimate(loss=0, delay_ms=0, jitter_ms=0, codec=G711)
    assert found.r_factor == pytest.approx(93.2)
    assert found.mos == pytest.approx(4.41, abs=0.005)
    assert found.marks == frozenset()


@pytest.mark.parametrize(("name", "ie"), [("G729", 11), ("G723", 15), ("GSM-EFR", 5), ("PCMU", 0)])
def test_impairment_of_codecs_without_loss(name: str, ie: float) -> None:
    """G.113 table I.1: Ie comes off R as it is."""
    found = estimate(loss=0, delay_ms=0, jitter_ms=0, codec=codec.find(name))
    assert found.r_factor == pytest.approx(93.2 - ie)


@pytest.mark.parametrize(
    ("name", "percent", "ie_eff"),
    [("G729", 2, 19), ("G729", 4, 26), ("G729", 8, 36), ("G723", 2, 24), ("PCMA", 2, 7)],
)
def test_impairment_of_loss(name: str, percent: float, ie_eff: float) -> None:
    """G.113 (2001) table I.2: Ie under these losses, which Bpl was later made from."""
    found = estimate(loss=percent / 100, delay_ms=0, jitter_ms=0, codec=codec.find(name))
    assert 93.2 - found.r_factor == pytest.approx(ie_eff, abs=1)


def _id_of_g107(ta: float) -> float:
    """Id by G.107 §7.4 in full: talker echo, listener echo and delay, with the default values."""
    telr, wepl, rlr, ro = 65, 110, 2, 94.77
    terv = telr - 40 * math.log10((1 + ta / 10) / (1 + ta / 150)) + 6 * math.exp(-0.3 * ta**2)
    re = 80 + 2.5 * (terv - 14)
    roe = -1.5 * (-61.18 - rlr)
    talker = ((roe - re) / 2 + math.sqrt((roe - re) ** 2 / 4 + 100) - 1) * (1 - math.exp(-ta))
    rle: float = 10.5 * (wepl + 7) * (2 * ta + 1) ** -0.25
    listener = (ro - rle) / 2 + math.sqrt((ro - rle) ** 2 / 4 + 169)
    late = 0.0
    if ta > 100:
        x = math.log10(ta / 100) / math.log10(2)
        late = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return talker + listener + late


@pytest.mark.parametrize("delay", [0, 20, 50, 100, 150, 177, 200, 250, 300])
def test_impairment_of_delay(delay: float) -> None:
    """Cole and Rosenbluth against the whole formula; both count from no delay."""
    found = estimate(loss=0, delay_ms=delay, jitter_ms=0, codec=G711)
    expected = _id_of_g107(delay) - _id_of_g107(0)
    assert 93.2 - found.r_factor == pytest.approx(expected, abs=1)


def test_jitter_counts_twice_as_delay() -> None:
    jittery = estimate(loss=0, delay_ms=50, jitter_ms=30, codec=G711)
    assert jittery == estimate(loss=0, delay_ms=110, jitter_ms=0, codec=G711)


def test_what_is_not_known_is_marked() -> None:
    found = estimate(loss=0.01, delay_ms=None, jitter_ms=None, codec=UNKNOWN)
    assert found.marks == {Mark.DELAY, Mark.JITTER, Mark.CODEC}
    assert found.mos == estimate(loss=0.01, delay_ms=0, jitter_ms=0, codec=G711).mos


@pytest.mark.parametrize(
    ("loss", "delay", "jitter"),
    [(1.01, 0, 0), (-0.1, 0, 0), (math.nan, 0, 0), (0, -1, 0), (0, math.inf, 0), (0, 0, 1e9)],
)
def test_the_impossible_is_clamped_and_marked(loss: float, delay: float, jitter: float) -> None:
    found = estimate(loss=loss, delay_ms=delay, jitter_ms=jitter, codec=G711)
    assert Mark.CLAMPED in found.marks
    assert 1 <= found.mos <= 4.5


FRACTION = st.floats(0, 1)
MS = st.floats(0, 65_535)


@given(FRACTION, FRACTION, MS, MS, st.sampled_from([UNKNOWN, *CODECS.values()]))
def test_more_loss_is_never_better(
    one: float, other: float, delay: float, jitter: float, of: codec.Codec
) -> None:
    low, high = (
        estimate(loss=loss, delay_ms=delay, jitter_ms=jitter, codec=of)
        for loss in sorted((one, other))
    )
    assert 1 <= high.mos <= low.mos + 0.01 <= 4.51
    assert 0 <= high.r_factor <= low.r_factor <= 93.2


@pytest.mark.parametrize("name", CODECS)
def test_sdp_gives_the_names_of_the_table(name: str) -> None:
    """Whatever the spelling in SDP."""
    body = f"v=0\r\nm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 {name.swapcase()}/8000\r\n"
    found = sdp.parse(body.encode())
    assert found is not None
    assert found.codecs == name.encode()
