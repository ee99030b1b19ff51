# SPDX-License-Identifier: GPL-2.0-or-later
"""SQL injection: hostile text in every parameter and field of every route.

PostgreSQL writes down each statement, without the values that are bound to it: what a client sends
must not be found there. The routes and their parameters are those of the description, so none can
be forgotten.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import psycopg
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from stack.postgres import Cluster
from tests.call_rows import add_call
from tests.fix_api import Get
from tests.fix_openapi import operations, sample
from tests.webapi.openapi.conftest import Asking, Served
from webapi.access.roles import Role
from webapi.openapi.operation import JSON
from webapi.openapi.operations import OPERATIONS
from webapi.subject import SUBJECTS

MARK: Final = "kq7zx"
"""In all that is sent, and in nothing that is stored or ours."""
CORPUS: Final = (
    f"{MARK}') OR ('1'='1' OR 1=1) -- ",
    f"' UNION SELECT '{MARK}', injected(), pg_sleep(9) -- ",
    f"1; DROP TABLE call; SELECT injected(), pg_sleep(9); /* {MARK}",
    f'*{MARK}%_\\*"; %s %(name)s %% {{}} $1 $${MARK}$$ \\x27',
)
RANDOM: Final = 1
"""Texts beside them, for each route."""
_HOSTILE: Final = st.text(
    st.sampled_from("'\"\\;%_*$(){}-/,:= \u02bc\uff07é") | st.characters(exclude_categories=["C"]),
    max_size=20,
).map(lambda text: f"{text}{MARK}{text[::-1]}")
_PAGES: Final = {f"/api/v1/{subject.name}": (subject.name,) for subject in SUBJECTS} | {
    "/api/v1/stats": ("totals", "calls")
}
_ALLOWED: Final = (501, 503)
"""No tshark; no capture node to import to."""
_LINES: Final = re.compile(r"^(event: (call|message)|\{)", re.MULTILINE)
_numbers = itertools.count()
Make: TypeAlias = Callable[[str], dict[str, Any]]


class Log:
    """What PostgreSQL has written down of a database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size

    def new(self) -> str:
        """Since it was asked for last."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        self._read += len(found)
        return found.decode(errors="replace")


@pytest.fixture(scope="module")
def log(cluster: Cluster, served: Served) -> Log:
    """Every statement on the test database, without its values; and a function to be called."""
    with psycopg.connect(served.database.dsn, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            "CREATE FUNCTION injected() RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE LOG 'it was called'; RETURN 'x'; END $$"
        )
    with psycopg.connect(cluster.dsn("kemiscope_admin"), autocommit=True) as connection:
        for setting, value in (
            ("log_statement", "all"),
            ("log_parameter_max_length", "0"),
            # The details of an error, such as a key that is there already, are values.
            ("log_error_verbosity", "terse"),
        ):
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} TO {}").format(
                    *(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value))
                )
            )
    with psycopg.connect(served.database.reader_dsn, autocommit=True) as connection:
        # Connections of the service that are open already do not have the setting.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
    return Log(cluster.directory / "log")


@pytest.fixture(scope="module")
def admin(served: Served) -> Asking:
    """One who may do everything, so that nothing is refused before it is read."""
    return Asking(served, Role.ADMIN)


def _tables(served: Served) -> dict[str, int]:
    """Every table with a number for all that is in it; 0 for what the service may write."""
    reader = conninfo_to_dict(served.database.reader_dsn)["user"]
    with psycopg.connect(served.database.dsn, autocommit=True) as connection:
        found = connection.execute(
            "SELECT relname, has_any_column_privilege(%s, oid, 'INSERT, UPDATE') FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1",
            (reader,),
        ).fetchall()
        assert not all(is_written for _, is_written in found)
        return {name: 0 if is_written else _content(connection, name) for name, is_written in found}


def _content(connection: psycopg.Connection[Any], table: str) -> int:
    query = sql.SQL("SELECT coalesce(sum(hashtext({0}::text)::bigint), 0)::bigint FROM {0}")
    (found,) = connection.execute(query.format(sql.Identifier(table))).fetchone() or (0,)
    return int(found)


def _tries(method: str, path: str, one: dict[str, Any]) -> Iterator[tuple[str, Make]]:
    """For each parameter and field: what a request with some text in it is made of."""
    plain = re.sub(r"\{\w+\}", "1", path)
    for name in re.findall(r"\{(\w+)\}", path):
        yield name, partial(_in_path, path, name)
    body = one.get("requestBody", {}).get("content", {})
    around: dict[str, Any] = {"url": plain}
    if body and JSON not in body:
        around |= {"data": b"x", "headers": {"Content-Type": next(iter(body))}}
    for name in OPERATIONS[method, path].query:
        yield name, partial(_in_query, around, name)
    properties = body.get(JSON, {}).get("schema", {}).get("properties", {})
    for name in properties:
        yield name, partial(_in_body, plain, properties, name)


def _in_path(path: str, name: str, text: str) -> dict[str, Any]:
    return {"url": path.replace(f"{{{name}}}", quote(text, safe=""))}


def _in_query(around: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    return {**around, "params": {name: text}}


def _in_body(plain: str, properties: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    whole = {field: sample(schema) for field, schema in properties.items()}
    if "username" in whole:
        whole["username"] = f"u{next(_numbers)}"
    is_list = properties[name].get("type") == "array"
    return {"url": plain, "json": {**whole, name: [text] if is_list else text}}


@pytest.mark.parametrize(("method", "path", "one"), operations())
def test_no_text_of_a_request_becomes_sql(
    served: Served, admin: Asking, log: Log, method: str, path: str, one: dict[str, Any]
) -> None:
    """No fault, no row that was not asked for, nothing in a statement, no table touched."""
    if path == "/api/v1/sign-out":
        return  # it reads nothing, and ends the session
    before = _tables(served)

    @settings(
        max_examples=RANDOM,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_HOSTILE)
    def attack(text: str) -> None:
        for name, make in _tries(method, path, one):
            made = make(text)
            made["url"] = served.url + made["url"]
            answer = admin.session().request(method, timeout=30, **made)
            assert answer.status_code < 500 or answer.status_code in _ALLOWED, (name, text)
            if answer.status_code == 200 and method == "GET":
                _check_rows(path, name, text, answer)

    for text in CORPUS:
        attack = example(text)(attack)
    attack()
    said = log.new()
    if OPERATIONS[method, path].query:
        assert "SELECT" in said, "nothing was written down"
    for trace in (MARK, "it was called", "injected", "pg_sleep"):
        assert trace not in said, said[max(0, said.index(trace) - 500) :][:1000]
    assert _tables(served) == before


def _check_rows(path: str, name: str, text: str, answer: requests.Response) -> None:
    """Nothing is like what was asked for."""
    if answer.headers["Content-Type"] == JSON:
        found = answer.json()
        assert not any(found[rows] for rows in _PAGES.get(path, ())), (name, text)
        assert all(row["username"] == text for row in found.get("audit", [])), (name, text)
    else:
        assert not _LINES.search(answer.text), (name, text)


STORED: Final = (
    *("o'brien", "o''brien", 'o"brien', "%", "_", "%%", "a%b", "a_b", "axb", "\\", "\\\\", "a\\_b"),
    *("' OR '1'='1", "%s", "%(name)s", "$1", "--", "a;b", "{}", "(a)", "E'\\x27'", "a\\%b"),
)
"""User agents of calls, each of which must find itself."""
PATTERNS: Final = tuple(
    dict.fromkeys(
        pattern
        for text in STORED
        for pattern in (f"{text}*", f"*{text}", f"*{text[1:-1]}*")
        if pattern != "**"
    )
)


async def test_hostile_text_finds_itself_and_nothing_else(
    get: Get, connection: AsyncConnection[TupleRow]
) -> None:
    """Compared with what Python finds: only a star stands for more than itself."""
    for number, text in enumerate(STORED):
        await add_call(connection, f"{number}@x", number, user_agent=text)
    for wanted in (*STORED, *PATTERNS):
        answer = await get("/api/v1/calls", from_="0", user_agent=wanted)
        assert answer.status == 200, answer
        form = re.compile(".*".join(map(re.escape, wanted.split("*"))))
        expected = {text for text in STORED if form.fullmatch(text)}
        assert {call["user_agent"] for call in answer.json["calls"]} == expected, wanted
