# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the API takes to find calls among many stored messages, from request to last byte."""

from __future__ import annotations

import http.client
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import orjson
import psycopg

from bench import stored
from bench.report import Section, Table, number, quantile, ratio
from stack.errors import StackError
from stack.trial import Trial

MESSAGES: Final = 10_000_000
QUICK_MESSAGES: Final = 500_000
REQUESTS: Final = 200
WARM_UP: Final = 10
"""Requests before those that count."""
LONGEST_S: Final = 60.0
"""For the requests of one question; then there are fewer of them."""
SEARCH_LIMIT_S: Final = 0.1
CALL_LIMIT_S: Final = 0.05

Leg = tuple[str, str, str]
"""Call-ID, caller, callee."""


class Question(NamedTuple):
    """What is asked, each time about another leg."""

    name: str
    path: Callable[[Leg], str]
    found: str
    """The list in the answer that must not be empty."""
    limit_s: float | None
    """What it may take; None when nothing is stated."""


@dataclass(frozen=True, slots=True)
class Times:
    """Of one question."""

    question: Question
    seconds: list[float]
    found: float
    """Mean length of the list."""

    def quantile(self, share: float) -> float:
        """The time within which that share of the answers was there, s."""
        return quantile(self.seconds, share)


def run(scratch: Path, *, quick: bool, messages: int = 0) -> Section:
    """``messages`` overrides how many are stored."""
    count = messages or (QUICK_MESSAGES if quick else MESSAGES)
    trial = Trial(scratch)
    try:
        trial.start_database()
        end = stored.fill(trial.cluster.dsn(), count)
        trial.start_webapi()
        with trial.connect() as connection:
            legs = _sample(connection)
            size = stored.size(connection)
        results = [_ask(trial.web_port, question, legs) for question in _questions(end)]
    finally:
        trial.stop()
    return _section(count, size, results)


def _questions(end: datetime) -> list[Question]:
    begin = end - stored.DAY

    def search(**parameters: str) -> str:
        span = {"from": begin.isoformat(), "to": end.isoformat()}
        return f"/api/v1/calls?{urlencode(span | parameters)}"

    return [
        Question("exact number, 24 h", lambda leg: search(number=leg[1]), "calls", SEARCH_LIMIT_S),
        Question(
            "ending *1234567, 24 h",
            lambda leg: search(number=f"*{leg[2][-7:]}"),
            "calls",
            SEARCH_LIMIT_S,
        ),
        Question(
            "beginning 00498912345*, 24 h",
            lambda leg: search(callee=f"{leg[2][:-2]}*"),
            "calls",
            SEARCH_LIMIT_S,
        ),
        Question(
            "part *123456*, 24 h",
            lambda leg: search(number=f"*{leg[2][-7:-1]}*"),
            "calls",
            SEARCH_LIMIT_S,
        ),
        Question("the last 100 calls of 24 h", lambda _: search(), "calls", None),
        Question(
            "a call with its legs and messages",
            lambda leg: f"/api/v1/calls/{quote(leg[0], safe='')}?legs=all",
            "messages",
            CALL_LIMIT_S,
        ),
    ]


def _sample(connection: psycopg.Connection[Any]) -> list[Leg]:
    """Legs from anywhere in the day."""
    return connection.execute(
        "SELECT call_id, caller, callee FROM call TABLESAMPLE BERNOULLI (5)"
        " ORDER BY md5(call_id) LIMIT %s",
        (REQUESTS + WARM_UP,),
    ).fetchall()


def _ask(port: int, question: Question, legs: list[Leg]) -> Times:
    """One request after the other over one connection."""
    print(f"  {question.name} …", flush=True)
    client = http.client.HTTPConnection("127.0.0.1", port)
    seconds: list[float] = []
    found: list[int] = []
    deadline = time.monotonic() + LONGEST_S
    for number_, leg in enumerate(legs):
        began = time.monotonic()
        client.request("GET", question.path(leg))
        response = client.getresponse()
        body = response.read()
        took = time.monotonic() - began
        answer = orjson.loads(body)
        if response.status != 200 or not answer[question.found]:
            message = f"{question.name}: status {response.status}, {body[:200]!r}"
            raise StackError(message)
        if number_ >= WARM_UP:  # the first ones open connections and plan
            seconds.append(took)
            found.append(len(answer[question.found]))
        if time.monotonic() > deadline and seconds:
            break
    client.close()
    return Times(question, seconds, statistics.fmean(found))


def _section(count: int, size: int, results: list[Times]) -> Section:
    rows = []
    for times in results:
        limit_s = times.question.limit_s
        p50, p99 = times.quantile(0.5), times.quantile(0.99)
        rows.append(
            [
                times.question.name,
                number(len(times.seconds)),
                number(times.found, 1),
                number(p50 * 1000, 1),
                number(p99 * 1000, 1),
                number(limit_s * 1000) if limit_s else "",
                ratio(p50, limit_s) if limit_s else "",
                ratio(p99, limit_s) if limit_s else "",
            ]
        )
    head = ["", "requests", "rows", "p50 ms", "p99 ms", "limit ms", "p50/limit", "p99/limit"]
    return Section(
        "search",
        f"finding calls among {count:,} stored messages",
        "Requests to the API one after the other, each about another call of the last 24 hours; "
        "times are from the request to the last byte of the answer, in a database that the "
        "operating system has in memory.",
        [Table(head, rows)],
        [f"The database has {size / 1e9:.1f} GB; partitions of two weeks."],
        {
            times.question.name: {
                "p50_s": times.quantile(0.5),
                "p99_s": times.quantile(0.99),
                "limit_s": times.question.limit_s,
                "rows": times.found,
            }
            for times in results
        },
    )
