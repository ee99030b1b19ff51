# SPDX-License-Identifier: GPL-2.0-or-later
"""Cancellation of tasks that go on after a failure of the database."""

from __future__ import annotations

import asyncio


def honour() -> None:
    """Raise the CancelledError that a library has kept for itself; else do nothing.

    psycopg's pool hands out a connection that came in the same moment, and a query that is
    cancelled may end with an error of its own. A task that does not ask would never end.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError
