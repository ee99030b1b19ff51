# SPDX-License-Identifier: GPL-2.0-or-later
"""Push to Loki: batches by size and time, each until Loki has it."""

from __future__ import annotations

import asyncio
import gzip
import random
import ssl
import time
from base64 import b64encode
from collections import Counter
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from collector.log import one_line
from collector.output.backlog import Backlog
from collector.output.fate import Fate
from collector.output.loki_line import JOB, Line, LineMaker, body
from collector.output.output import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    POLL_S,
    Output,
    reason_of,
)
from collector.output.portion import Portion
from collector.selection import Selection
from collector.settings import Settings

PUSH_PATH: Final = "/loki/api/v1/push"
_OLD_PATH: Final = "/api/prom/push"
ANSWER_S: Final = 30.0
DATA_FAULT: Final = frozenset({400, 413, 422})
"""Answers that blame the lines; whatever else is not a success blames Loki or the settings."""
PROBE_KEPT_S: Final = 60.0
_GZIP_LEVEL: Final = 1
_ANSWER_BYTES: Final = 500


class StoppingError(Exception):
    """The process ends while Loki is away; the lines stay in the backlog."""


class LokiPush(Output):
    """One Loki."""

    def __init__(
        self, name: str, backlog: Backlog, settings: Settings, selection: Selection
    ) -> None:
        super().__init__(name, backlog)
        self._settings = settings.loki
        self._url = push_url(settings.loki.url)
        self._maker = LineMaker(settings, selection)
        self._taken_until = 0.0

    async def session(self) -> None:
        """Push for ever; what Loki does not take is offered again."""
        chosen = self._settings
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        if chosen.org_id:
            headers["X-Scope-OrgID"] = chosen.org_id
        if chosen.token:
            headers["Authorization"] = f"Bearer {chosen.token}"
        elif chosen.user:
            pair = f"{chosen.user}:{chosen.password}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        async with aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(cafile=chosen.tls_ca or None)
            ),
        ) as http:
            try:
                await self._push_for_ever(http)
            except StoppingError:
                return

    async def _push_for_ever(self, http: aiohttp.ClientSession) -> None:
        now = asyncio.get_running_loop().time
        lines: list[Line] = []
        done: list[tuple[Portion, Counter[Fate]]] = []
        octets, due = 0, 0.0
        while True:
            portion = self.backlog.read()
            if portion:
                due = due if done else now() + self._settings.interval
                fates: Counter[Fate] = Counter()
                for found in portion.records:
                    line = self._maker.make(found)
                    if isinstance(line, Fate):
                        fates[line] += 1
                    else:
                        lines.append(line)
                        octets += len(found.packet)
                fates[Fate.DELIVERED] += len(portion.records) - fates.total()
                portion.records.clear()
                done.append((portion, fates))
            stopping = self.stopping.is_set()
            if done and (octets >= self._settings.batch_bytes or now() >= due or stopping):
                refused = await self._deliver(http, lines)
                done[-1][1].update({Fate.REFUSED: refused, Fate.DELIVERED: -refused})
                for each, fates in done:
                    self.backlog.commit(each, fates)
                lines, done, octets = [], [], 0
            if stopping:
                return
            if portion is None:
                await self.wait(POLL_S)
            else:
                await asyncio.sleep(0)

    async def _deliver(self, http: aiohttp.ClientSession, lines: list[Line]) -> int:
        """Push lines in batches of the size that is set; returns how many Loki refuses."""
        refused = 0
        batch: list[Line] = []
        octets = 0
        for line in lines:
            if batch and octets + len(line.text) > self._settings.batch_bytes:
                refused += await self._push(http, batch)
                batch, octets = [], 0
            batch.append(line)
            octets += len(line.text)
        if batch:
            refused += await self._push(http, batch)
        return refused

    async def _push(self, http: aiohttp.ClientSession, lines: list[Line]) -> int:
        """Push one batch. When Loki blames the lines, halve it until the bad ones stand alone.

        Loki keeps the good lines of such a batch; it takes the same line twice for one. A single
        line is given up only while Loki takes an ordinary one: else the fault is not the line's.
        """
        refused = 0
        waiting = [lines]
        while waiting:
            batch = waiting.pop()
            blame = await self._post(http, body(self._settings.labels, batch))
            if not blame:
                continue
            if len(batch) > 1:
                half = len(batch) // 2
                waiting += (batch[half:], batch[:half])
            elif await self._takes_lines(http):
                refused += 1
                self.limited.warn("refused", f"{self.name}: a line is refused: {blame}")
            else:
                waiting.append(batch)
                self.failed(f"every line is refused: {blame}")
                await self.wait(LONGEST_PAUSE_S)
                if self.stopping.is_set():
                    raise StoppingError
        return refused

    async def _takes_lines(self, http: aiohttp.ClientSession) -> bool:
        if time.monotonic() < self._taken_until:
            return True
        line = Line((JOB, "probe"), time.time_ns(), "Loki refused a line; it takes this one.", {})
        if await self._post(http, body(("job", "type"), [line])):
            return False
        self._taken_until = time.monotonic() + PROBE_KEPT_S
        return True

    async def _post(self, http: aiohttp.ClientSession, document: bytes) -> str:
        """Post until Loki has an opinion: empty when it took all, else why it blames the lines."""
        data = await asyncio.to_thread(gzip.compress, document, _GZIP_LEVEL)
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with http.post(self._url, data=data, allow_redirects=False) as answer:
                    if 200 <= answer.status < 300:
                        self.connected()
                        return ""
                    text = (await answer.content.read(_ANSWER_BYTES)).decode("utf-8", "replace")
                    reason = one_line(f"{answer.status} {answer.reason}: {text}")
                    if answer.status in DATA_FAULT:
                        return reason
            except (aiohttp.ClientError, OSError) as error:
                reason = reason_of(error)
            self.failed(reason)
            await self.wait(pause * random.uniform(0.7, 1.3))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if self.stopping.is_set():
                raise StoppingError


def push_url(url: str) -> str:
    """Where to push, for a URL as people write it."""
    parts = urlsplit(url)
    if parts.path in ("", "/", _OLD_PATH):
        parts = parts._replace(path=PUSH_PATH)
    return urlunsplit(parts)
