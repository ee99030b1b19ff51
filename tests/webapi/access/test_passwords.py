# SPDX-License-Identifier: GPL-2.0-or-later
"""Hashing: its parameters, and what may become a password."""

from __future__ import annotations

import pytest

from webapi.access import passwords
from webapi.access.passwords import Passwords


async def test_the_parameters_are_in_the_hash() -> None:
    """argon2id as RFC 9106 §4 recommends it, with a salt of its own each time."""
    subject = Passwords()
    one, other = [await subject.hash("a pass phrase") for _ in range(2)]
    subject.close()
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert one != other
    assert not subject.is_outdated(one)
    assert subject.is_outdated(one.replace("t=3", "t=2"))


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_what_is_no_hash_is_never_right(stored: str) -> None:
    """Nor an exception."""
    subject = Passwords()
    assert await subject.verify(stored, stored) is False
    assert await subject.verify(None, "x") is False
    subject.close()


def test_generated_passwords_differ_and_may_be_used() -> None:
    """By the same rules."""
    made = {passwords.generate() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        assert passwords.check_new(password, "admin") == password
