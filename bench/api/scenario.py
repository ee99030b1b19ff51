# SPDX-License-Identifier: GPL-2.0-or-later
"""How long the API takes, alone and with many users, and what it reads for that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from bench import measure, stored
from bench.api.crowd import Answers, Crowd
from bench.api.question import HOMER, Question, questions
from bench.api.touched import Touched, scans, touched
from bench.report import NONE, Section, Table, number
from bench.stored import Leg
from stack.errors import StackError
from stack.postgres import READER
from stack.trial import Trial

MESSAGES: Final = 10_000_000
QUICK_MESSAGES: Final = 20_000
USERS: Final = (1, 20)
REQUESTS: Final = {1: 200, 20: 1000}
QUICK_REQUESTS: Final = {1: 5, 20: 40}
LONGEST_S: Final = 60.0
"""For the requests of one question by one crowd; then there are fewer of them."""
LEGS: Final = 1000
WARM_UP: Final = 10
"""Requests before those that count."""
_NAME: Final = "bench"


class Result(NamedTuple):
    """Of one question by one crowd."""

    question: Question
    users: int
    answers: Answers
    service_s: float
    """Processor time of the service."""
    postgres_s: float
    client_s: float
    touched: Touched | None
    """Of a single request, once for each question."""


def run(scratch: Path, *, quick: bool, messages: int = 0) -> Section:
    """``messages`` overrides how many are stored."""
    count = messages or (QUICK_MESSAGES if quick else MESSAGES)
    trial = Trial(scratch, {"web": {"sign_in": "internal"}})
    try:
        trial.start_database()
        end = stored.fill(trial.cluster.dsn(), count)
        token = _token(trial)
        trial.start_webapi()
        # As the role of the service, which may end its own connections.
        with psycopg.connect(trial.cluster.dsn(READER), autocommit=True) as connection:
            size = stored.size(connection)
            print(f"  the database has {size / 1e9:.1f} GB", flush=True)
            results = _measure(trial, connection, token, quick=quick, wanted=questions(end))
    finally:
        trial.stop()
    return _section(count, size, results)


def _measure(
    trial: Trial,
    connection: psycopg.Connection[Any],
    token: str,
    *,
    quick: bool,
    wanted: Sequence[Question],
) -> list[Result]:
    """Every question by every crowd."""
    # From anywhere in the last hour, which all ranges have.
    legs = stored.legs(connection, stored.HOUR * 0.9, LEGS)
    url = f"http://127.0.0.1:{trial.web_port}"
    requests = QUICK_REQUESTS if quick else REQUESTS
    interval = timedelta(seconds=trial.settings.partition.interval)
    results = []
    for question in wanted:
        print(f"  {question.api}: {question.name} …", flush=True)
        before = scans(connection)
        first = Crowd(url, token, 1, 1, LONGEST_S).ask(question, legs[-1:])
        if first.errors == {"404": 1} and question.api == HOMER:
            print("  is not part of this service", flush=True)
            continue
        span = question.span(legs[-1]) if question.span else None
        read = touched(before, scans(connection), interval, span)
        Crowd(url, token, 1, WARM_UP, LONGEST_S).ask(question, legs[-WARM_UP:])
        for users in USERS:
            crowd = Crowd(url, token, users, requests[users], LONGEST_S)
            results.append(_timed(trial, crowd, question, legs, read))
    return results


def _timed(
    trial: Trial, crowd: Crowd, question: Question, legs: Sequence[Leg], read: Touched
) -> Result:
    if trial.webapi is None or trial.webapi.process is None:
        message = "the web API does not run"
        raise StackError(message)
    groups = [measure.tree(trial.webapi.process.pid), measure.tree(trial.cluster.pid)]
    before = [measure.usage(pids).cpu_s for pids in groups]
    client = time.process_time()
    answers = crowd.ask(question, legs)
    client = time.process_time() - client
    # Connections that were opened meanwhile belong to it.
    groups[1] = measure.tree(trial.cluster.pid)
    service_s, postgres_s = (
        measure.usage(pids).cpu_s - cpu_s for pids, cpu_s in zip(groups, before, strict=True)
    )
    only_first = read if crowd.users == USERS[0] else None
    return Result(question, crowd.users, answers, service_s, postgres_s, client, only_first)


def _token(trial: Trial) -> str:
    """Of a user who may read, made as an operator makes one."""
    trial.webapi_command("user", "add", _NAME)
    return trial.webapi_command("token", "add", _NAME, "--user", _NAME, "--scope", "read")


def _section(count: int, size: int, results: list[Result]) -> Section:
    names = dict.fromkeys((result.question.api, result.users) for result in results)
    tables = [
        Table(
            [
                *(f"{api}, {users} user{'s' if users > 1 else ''}", "requests", "errors", "rows"),
                *("p50 ms", "p99 ms", "max ms", "requests/s"),
                *("service ms", "PostgreSQL ms", "partitions", "outside"),
            ],
            [
                _row(result)
                for result in results
                if (result.question.api, result.users) == (api, users)
            ],
        )
        for api, users in names
    ]
    client_s = sum(result.client_s for result in results)
    return Section(
        "api",
        f"the API with {count:,} stored messages",
        "Each user asks, waits for the whole answer and asks again, each time about another call "
        "of the last hour, over HTTP on the loopback with a token. Processor times are per "
        "request. Partitions are those that a single request reads, of all that its tables have; "
        "outside are those beyond the range that it names.",
        tables,
        [
            f"The database has {size / 1e9:.1f} GB; partitions of two weeks.",
            f"The users, on the same machine, took {client_s:.0f} s of processor time in all.",
        ],
        {
            f"{result.question.api}: {result.question.name}, {result.users}": _data(result)
            for result in results
        },
    )


def _row(result: Result) -> list[str]:
    answers = result.answers
    asked = len(answers.seconds) + answers.errors.total()
    errors = ", ".join(f"{times} of {what}" for what, times in answers.errors.items())
    read = result.touched
    return [
        result.question.name,
        number(asked),
        errors or "0",
        number(answers.rows / max(1, len(answers.seconds)), 1),
        *(number(answers.quantile(share) * 1000, 1) for share in (0.5, 0.99, 1)),
        number(answers.per_second, 1),
        number(result.service_s / max(1, asked) * 1000, 1),
        number(result.postgres_s / max(1, asked) * 1000, 1),
        f"{read.read} of {read.all}" if read else NONE,
        number(len(read.outside)) if read and result.question.span else NONE,
    ]


def _data(result: Result) -> dict[str, Any]:
    answers = result.answers
    return {
        "api": result.question.api,
        "question": result.question.name,
        "users": result.users,
        "requests": len(answers.seconds) + answers.errors.total(),
        "errors": dict(answers.errors),
        "rows": answers.rows,
        "octets": answers.octets,
        "p50_s": answers.quantile(0.5),
        "p99_s": answers.quantile(0.99),
        "max_s": answers.quantile(1),
        "per_second": answers.per_second,
        "service_s": result.service_s,
        "postgres_s": result.postgres_s,
        "client_s": result.client_s,
        "touched": result.touched._asdict() if result.touched else None,
    }
