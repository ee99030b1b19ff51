# SPDX-License-Identifier: GPL-2.0-or-later
"""Attempts, by name and by address, over time."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from collector.settings.web import Web
from webapi.access import throttle
from webapi.access.throttle import Throttle
from webapi.errors import ApiError

SETTINGS = Web(sign_in_failures=3, lock_out=60)


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At any time."""
    return Clock()


@pytest.fixture
def subject(clock: Clock) -> Throttle:
    """Three failures, then a minute."""
    return Throttle(SETTINGS, clock)


def _refused(subject: Throttle, name: str, address: str) -> int:
    with pytest.raises(ApiError) as caught:
        subject.begin(name, ip_address(address))
    assert caught.value.code == "too_many_attempts"
    assert caught.value.retry_after_s
    return caught.value.retry_after_s


def test_a_lock_ends_by_itself(subject: Throttle, clock: Clock) -> None:
    """A minute after the last failure; attempts meanwhile do not make it longer."""
    for n in range(3):
        clock.now += 20
        subject.begin("anna", ip_address(f"192.0.2.{n}"))
    clock.now += 10
    assert _refused(subject, "anna", "192.0.2.9") == 50
    clock.now += 40
    assert _refused(subject, "ANNA", "192.0.2.9") == 10
    clock.now += 10
    for n in range(3):
        subject.begin("anna", ip_address(f"192.0.2.{n}"))
    assert _refused(subject, "anna", "192.0.2.9") == 60


def test_an_address_has_four_times_as_many(subject: Throttle) -> None:
    """Whatever names it tries; success gives back that one attempt only."""
    subject.begin("anna", ip_address("192.0.2.1")).succeeded()
    for n in range(12):
        subject.begin(f"nobody{n}", ip_address("192.0.2.1"))
    assert _refused(subject, "anna", "192.0.2.1") == 60
    subject.begin("anna", ip_address("192.0.2.2"))


def test_a_network_of_ipv6_is_one_address(subject: Throttle) -> None:
    """A host has 2⁶⁴ of them."""
    for n in range(12):
        subject.begin(f"nobody{n}", ip_address(f"2001:db8::{n + 1}"))
    _refused(subject, "anna", "2001:db8::ffff:1")
    subject.begin("anna", ip_address("2001:db8:0:1::1"))


def test_an_attempt_taken_back_counts_nothing(subject: Throttle) -> None:
    """As often as one likes."""
    for _ in range(50):
        subject.begin("anna", ip_address("192.0.2.1")).withdraw()
    subject.begin("anna", ip_address("192.0.2.1"))


def test_names_do_not_fill_the_memory(subject: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one whose last attempt is longest ago is forgotten."""
    monkeypatch.setattr(throttle, "ROOM", 10)
    for n in range(100):
        subject.begin(f"nobody{n}", ip_address(f"192.0.2.{n}"))
    assert len(subject._users._found) == 10
    assert len(subject._addresses._found) == 10
