# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that are good once."""

from __future__ import annotations

import pytest

from webapi.sign_in.oauth2 import one_time
from webapi.sign_in.oauth2.one_time import OneTimeKeys


def test_a_key_is_good_once() -> None:
    """For whom it was made, and only then."""
    keys = OneTimeKeys()
    one, other = keys.add(1), keys.add(2)
    assert len(one) >= 43
    assert keys.take("") is keys.take(one + "x") is None
    assert keys.take(other) == 2
    assert keys.take(other) is None
    assert keys.take(one) == 1


def test_a_key_is_good_for_a_minute() -> None:
    """Then it is none, and stays none."""
    now = 0.0
    keys = OneTimeKeys(lambda: now)
    key, late = keys.add(1), keys.add(1)
    now = 59.0
    assert keys.take(key) == 1
    now = 60.0
    assert keys.take(late) is None


def test_keys_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes."""
    monkeypatch.setattr(one_time, "ROOM", 3)
    keys = OneTimeKeys()
    first, *rest = [keys.add(number) for number in range(4)]
    assert keys.take(first) is None
    assert [keys.take(key) for key in rest] == [1, 2, 3]
