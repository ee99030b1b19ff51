# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules as PostgreSQL says them now, for everybody who compares a proxy with them."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from psycopg import Error

from collector.log import LimitedLog, one_line
from collector.trace_rule import ENDED_S
from webapi.context import Context
from webapi.errors import ApiError
from webapi.trace import rules
from webapi.trace.plan import Active, Wanted
from webapi.trace.rules import REMOVED, Found


class Book:
    """Read when somebody wants it fresh; what was read last stays when PostgreSQL is away."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._found: Found | None = None
        self._began = 0.0
        """When the last good reading began, on the monotonic clock."""
        self._answered = asyncio.Condition()
        self._asked = asyncio.Event()
        self._limited = LimitedLog()
        self.error: str | None = None
        """Why the last reading failed."""
        self.since = datetime.now(UTC)
        """Since when PostgreSQL answers, or does not."""

    @property
    def found(self) -> Found | None:
        """What was read last; None before the first time."""
        return self._found

    async def run(self) -> None:
        """Read whenever it is asked for, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self._read()
            async with self._answered:
                self._answered.notify_all()

    async def wanted(self, after: float, wait_s: float) -> Wanted | None:
        """The rules, read after the moment ``after`` of the monotonic clock if that can be had
        within ``wait_s``; else what was read last, which is not complete. None: nothing ever was.
        """
        self._asked.set()
        try:
            async with asyncio.timeout(wait_s), self._answered:
                await self._answered.wait_for(lambda: self._began >= after)
        except TimeoutError:
            pass
        if self._found is None:
            return None
        now = self._found.now + timedelta(seconds=time.monotonic() - self._began)
        return Wanted(
            [Active(stored.rule, stored.created_at) for stored in self._found.active],
            [
                (stored.rule, stored.ended_at)
                for stored in self._found.recent
                if stored.ended == REMOVED
                and stored.ended_at
                and now - stored.ended_at < timedelta(seconds=ENDED_S)
            ],
            frozenset(stored.rule.id for stored in self._found.recent),
            now,
            self._began >= after,
        )

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            found = await rules.read(self._context)
        except (ApiError, Error) as error:
            if self.error is None:
                self.since = datetime.now(UTC)
            self.error = one_line(str(error))
            self._limited.warn("read", f"trace rules cannot be read: {error}")
            return
        if self.error is not None:
            self.since = datetime.now(UTC)
        self.error = None
        self._limited.reset("read")
        self._found, self._began = found, began
