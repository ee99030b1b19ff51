# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets through KEMI's text-only window, with the limits of the real Kamailio."""

from __future__ import annotations

import random
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fake_ksr import FakeKamailio

SIZES = (20, 1_000, 32_767, 32_768, 49_149, 49_150, 65_507)
LARGE = 49_150
"""The smallest packet that must be read in pieces."""
MAX_NULS = 4_096

# The fixture's modules hold no state between examples but the packet, which each example sets.
_SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _bytes(size: int, nuls: int = 0, seed: int = 1) -> bytes:
    """Any bytes but NUL, and so many NULs at random places."""
    chance = random.Random(seed)
    data = bytearray(chance.choices(range(1, 256), k=size))
    for place in chance.sample(range(size), nuls):
        data[place] = 0
    return bytes(data)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("nuls", [0, 1, 19])
def test_a_packet_of_any_size_is_read_whole(
    packet_script: ModuleType, ksr: FakeKamailio, size: int, nuls: int
) -> None:
    """Every byte value, with and without NULs."""
    ksr.packet = _bytes(size, nuls)
    assert packet_script.read_large() == ksr.packet


@pytest.mark.parametrize("size", [20, 1_000, 32_767])
def test_the_common_case_is_one_question(
    packet_script: ModuleType, ksr: FakeKamailio, size: int
) -> None:
    """Up to 32,767 bytes the packet comes as one hexadecimal text."""
    ksr.packet = _bytes(size, nuls=3)
    assert packet_script.read() == ksr.packet
    assert ksr.asked == ["$(mb{s.encode.hexa})"]


def test_the_common_case_cannot_read_more(packet_script: ModuleType, ksr: FakeKamailio) -> None:
    """Beyond the limit Kamailio gives nothing, and None is no packet."""
    ksr.packet = _bytes(32_768)
    assert packet_script.read() is None


@pytest.mark.parametrize(
    ("size", "ways"),
    [
        (32_767, {"$(mb{s.encode.hexa})"}),
        (32_768, {"$(mb{s.encode.base64})"}),
        (49_149, {"$(mb{s.encode.base64})"}),
    ],
)
def test_each_size_takes_its_way(
    packet_script: ModuleType, ksr: FakeKamailio, size: int, ways: set[str]
) -> None:
    """The border of each text form is exact."""
    ksr.packet = _bytes(size)
    assert packet_script.read_large() == ksr.packet
    assert set(ksr.asked) == {"$ml", *ways}


@pytest.mark.parametrize(
    "places",
    [
        [0],
        [1],
        [LARGE - 1],
        [LARGE - 2, LARGE - 1],
        [0, LARGE - 1],
        [127],
        [128],
        [129],
        [0, 1, 2, 3, 127, 128, 129, 383, 384],
        [32_000, 32_127, 32_128, 32_129],
        list(range(100, 1_100)),
    ],
)
def test_nuls_at_awkward_places(
    packet_script: ModuleType, ksr: FakeKamailio, places: list[int]
) -> None:
    """At the beginning, at the end, side by side, and around the borders of the pieces."""
    data = bytearray(_bytes(LARGE))
    for place in places:
        data[place] = 0
    ksr.packet = bytes(data)
    assert packet_script.read_large() == ksr.packet


def test_as_many_nuls_as_are_allowed(packet_script: ModuleType, ksr: FakeKamailio) -> None:
    """The limit itself is still read."""
    ksr.packet = _bytes(LARGE, MAX_NULS)
    assert packet_script.read_large() == ksr.packet


@pytest.mark.parametrize("nuls", [MAX_NULS + 1, LARGE])
def test_too_many_nuls_are_given_up(
    packet_script: ModuleType, ksr: FakeKamailio, nuls: int
) -> None:
    """A packet of NULs must not hold up a worker, nor come back wrong."""
    ksr.packet = _bytes(LARGE, nuls)
    assert packet_script.read_large() is None
    assert len(ksr.asked) <= 2 * MAX_NULS


@_SHARED
@given(data=st.data())
def test_pieces_put_together_are_the_packet(
    packet_script: ModuleType, ksr: FakeKamailio, data: st.DataObject
) -> None:
    """Whatever stands where, and however many NULs, up to the limit."""
    size = data.draw(st.integers(LARGE, 65_507))
    nuls = data.draw(st.integers(0, 60))
    ksr.packet = _bytes(size, nuls, seed=data.draw(st.integers(0, 2**32)))
    assert packet_script.read_large() == ksr.packet


def test_a_missing_value_is_empty_or_zero(packet_script: ModuleType, ksr: FakeKamailio) -> None:
    """Kamailio says None where it has nothing."""
    ksr.source_ip = None
    ksr.source_port = None
    assert packet_script.text_of("$si") == ""
    assert packet_script.number_of("$sp") == 0


def test_the_fake_refuses_names_that_kemi_does_not_export(ksr: FakeKamailio) -> None:
    """A typing mistake in kemi/ must fail here as it would in Kamailio."""
    for call in ("pv.gett", "info_line", "sipcapture.sip_capture", "tm.t_relay"):
        module, _, name = call.rpartition(".")
        with pytest.raises(AttributeError, match=call.split(".")[0]):
            getattr(getattr(ksr.module, module) if module else ksr.module, name)


def test_the_fake_says_when_it_lacks_a_real_name(ksr: FakeKamailio) -> None:
    """A name that KEMI has and the fake has not is a gap in the fake, not a mistake."""
    with pytest.raises(NotImplementedError, match=r"hdr\.append"):
        ksr.module.hdr.append("X: y")
