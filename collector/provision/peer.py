# SPDX-License-Identifier: GPL-2.0-or-later
"""Root as the role that it asks for: on a local socket PostgreSQL believes the name of the user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict


@contextmanager
def as_peer(dsn: str) -> Iterator[None]:
    """While a connection to ``dsn`` is made: root is the user of the system with the role's name,
    if the socket is a local one and there is such a user. The kernel tells PostgreSQL who connected
    (unix(7), SO_PEERCRED; pg_hba.conf, method peer).
    """
    wanted = conninfo_to_dict(dsn)
    host = str(wanted.get("host") or os.environ.get("PGHOST", ""))
    user = _user_id(str(wanted.get("user") or ""))
    if os.geteuid() or user is None or (host and not host.startswith(("/", "@"))):
        yield
        return
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def _user_id(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None
