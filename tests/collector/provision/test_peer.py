# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose connection PostgreSQL sees when root makes one."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress

import pytest

from collector.provision.peer import as_peer

_NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.mark.parametrize(
    ("dsn", "user"),
    [
        ("user=nobody host=/run/postgresql", _NOBODY),
        ("user=nobody", _NOBODY),
        ("user=nobody host=db.example.com", 0),
        ("user=has-no-account host=/run/postgresql", 0),
        ("host=/run/postgresql", 0),
    ],
)
def test_root_is_the_role_on_a_local_socket_only(
    dsn: str, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the connection is made, and root again afterwards, also after a failure."""
    monkeypatch.delenv("PGHOST", raising=False)
    if os.geteuid():
        user = os.geteuid()
    me = os.geteuid()
    with suppress(ConnectionRefusedError), as_peer(dsn):
        assert os.geteuid() == user
        raise ConnectionRefusedError
    assert os.geteuid() == me
