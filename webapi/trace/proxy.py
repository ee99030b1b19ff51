# SPDX-License-Identifier: GPL-2.0-or-later
"""One proxy: compared with the rules and mended, again and again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from collector.log import LOGGER, LimitedLog
from collector.settings.trace import Proxy
from collector.trace_rule import CALLS as TRACED
from collector.trace_rule import COUNTS, FULL_COUNT, RULES
from webapi.trace.book import Book
from webapi.trace.client import Client, Fault, ProxyError
from webapi.trace.plan import Memory, Operation, Plan, Snapshot, make_plan

MAX_DRIFT: Final = 10
"""Last differences that are kept to be shown."""


class State(StrEnum):
    """How a proxy does. All but ``WAITING`` and ``READY`` are those of ``Fault``."""

    WAITING = "waiting"
    """It was not looked at yet, or the rules could not be read yet."""
    READY = "ready"
    """It has the rules."""
    UNREACHABLE = Fault.UNREACHABLE.value
    REFUSED = Fault.REFUSED.value
    GARBAGE = Fault.GARBAGE.value
    FAILED = Fault.FAILED.value


class Watched:
    """The state of one proxy, and the task that keeps it as the rules say."""

    def __init__(self, proxy: Proxy, client: Client, book: Book, interval_s: float) -> None:
        self.proxy = proxy
        self.state = State.WAITING
        self.since = datetime.now(UTC)
        """Since when it is in this state."""
        self.looked_at: datetime | None = None
        """Last time that a comparison was completed."""
        self.last_error: str | None = None
        self.last_error_at: datetime | None = None
        self.in_force: frozenset[int] = frozenset()
        """Ids of the rules that it had then."""
        self.calls: dict[int, int] = {}
        """Calls by rule that it has traced."""
        self.not_traced = 0
        """Calls beyond its TRACE_MAX_CALLS."""
        self.tracing = 0
        """Calls that it traces now."""
        self.on = False
        """Whether its siptrace works."""
        self.drift = 0
        """Differences that somebody else has made, since this service was started."""
        self.last_drift: deque[tuple[datetime, str]] = deque(maxlen=MAX_DRIFT)
        self.restarts = 0
        """How often it has come back without any rule."""
        self.changes = 0
        """Changes made there."""
        self._client = client
        self._book = book
        self._interval_s = interval_s
        self._memory = Memory()
        self._wake = asyncio.Event()
        self._asked: list[asyncio.Future[None]] = []
        self._limited = LimitedLog()

    async def run(self) -> None:
        """Compare and mend until cancelled; nothing that a proxy does ends it."""
        while True:
            self._wake.clear()
            asked, self._asked = self._asked, []
            try:
                await self._compare()
            except ProxyError as error:
                self._failed(State(error.fault.value), str(error))
            except Exception:  # noqa: BLE001 (the task of a proxy must outlive any fault of ours)
                LOGGER.exception("trace rules: proxy %s", self.proxy.name)
                self._failed(State.FAILED, "a fault in the service; its log has more")
            finally:
                for future in asked:
                    if not future.done():
                        future.set_result(None)
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def ask(self) -> asyncio.Future[None]:
        """Done when a comparison that began after this is over, however it went."""
        future = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        self._wake.set()
        return future

    def has(self, rule_id: int) -> bool:
        """Whether the proxy, as far as is known, has this rule now."""
        return self.state is State.READY and rule_id in self.in_force

    async def _compare(self) -> None:
        began = time.monotonic()
        items = await self._client.table(RULES)
        counts = await self._client.table(COUNTS)
        traced = await self._client.size(TRACED)
        found = Snapshot(items, counts, traced, on=await self._client.is_on())
        # Read after the proxy: an item that another web API has just brought there is known then.
        wanted = await self._book.wanted(began, self._interval_s)
        self.tracing, self.on = traced, found.on
        if wanted is None:
            self._enter(State.WAITING)
            return
        plan = make_plan(wanted, found, self._memory)
        for operation in plan.operations:
            await self._carry_out(operation)
            self.changes += 1
        self._done(plan, found)

    async def _carry_out(self, operation: Operation) -> None:
        if not operation.table:
            await self._client.switch_on()
        elif operation.value is None:
            await self._client.delete(operation.table, operation.name)
        else:
            await self._client.set(
                operation.table, operation.name, operation.value, operation.seconds
            )

    def _done(self, plan: Plan, found: Snapshot) -> None:
        now = datetime.now(UTC)
        self._memory = plan.memory
        self.in_force, self.calls = plan.in_force, dict(plan.memory.counts)
        full = found.counts.get(FULL_COUNT)
        self.not_traced = full if isinstance(full, int) else 0
        self.looked_at = now
        self.drift += len(plan.drift)
        self.last_drift.extend((now, text) for text in plan.drift)
        for text in plan.drift:
            self._limited.warn("drift", f"proxy {self.proxy.name}: {text}; mended")
        if plan.emptied:
            self.restarts += 1
            LOGGER.warning("proxy %s had lost its trace rules and has them again", self.proxy.name)
        self._enter(State.READY)

    def _failed(self, state: State, message: str) -> None:
        self.last_error, self.last_error_at = message, datetime.now(UTC)
        self._limited.warn(state, f"proxy {self.proxy.name}: {state}: {message}")
        self._enter(state)

    def _enter(self, state: State) -> None:
        if state is not self.state:
            self.state, self.since = state, datetime.now(UTC)
            if state is State.READY:
                LOGGER.info("proxy %s has the trace rules", self.proxy.name)
                for other in State:
                    self._limited.reset(other)
