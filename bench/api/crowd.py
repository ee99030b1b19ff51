# SPDX-License-Identifier: GPL-2.0-or-later
"""People who ask: each waits for an answer before the next question."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from bench.api.question import Question
from bench.report import quantile
from bench.stored import Leg


@dataclass(slots=True)
class Answers:
    """What came back."""

    seconds: list[float] = field(default_factory=list)
    """From a request to the last byte of its answer, of those that were good."""
    rows: int = 0
    octets: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """By status, or by the name of the exception."""
    took_s: float = 0.0

    def quantile(self, share: float) -> float:
        """The time within which that share of the good answers was there, s."""
        return quantile(self.seconds, share)

    @property
    def per_second(self) -> float:
        """Good answers in a second."""
        return len(self.seconds) / self.took_s if self.took_s else 0.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """``users`` of them at ``url``, with one token."""

    url: str
    token: str
    users: int
    requests: int
    """Of all together, at most."""
    longest_s: float
    """After that nobody asks again."""

    def ask(self, question: Question, legs: Sequence[Leg]) -> Answers:
        """Ask until there were enough requests, or it took too long."""
        return asyncio.run(self._ask(question, legs))

    async def _ask(self, question: Question, legs: Sequence[Leg]) -> Answers:
        answers = Answers()
        about = (leg for _, leg in zip(range(self.requests), cycle(legs), strict=False))
        began = time.monotonic()
        async with ClientSession(
            self.url,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=self.longest_s),
        ) as session:
            await asyncio.gather(
                *(
                    self._one(session, question, about, answers, began + self.longest_s)
                    for _ in range(self.users)
                )
            )
        answers.took_s = time.monotonic() - began
        return answers

    async def _one(
        self,
        session: ClientSession,
        question: Question,
        about: Iterator[Leg],
        answers: Answers,
        deadline: float,
    ) -> None:
        for leg in about:
            began = time.monotonic()
            if began > deadline:
                return
            path, body = question.request(leg)
            try:
                async with session.request(
                    "POST" if body else "GET", path, data=body or None
                ) as response:
                    content = await response.read()
                    status = response.status
            except (ClientError, TimeoutError) as error:
                answers.errors[type(error).__name__] += 1
                continue
            took = time.monotonic() - began
            if status in (200, 201):
                answers.seconds.append(took)
                answers.octets += len(content)
                answers.rows += question.rows(orjson.loads(content))
            else:
                answers.errors[str(status)] += 1
