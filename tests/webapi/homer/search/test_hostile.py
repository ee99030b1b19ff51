# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a search, the answer is a clear one and the database what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, Final

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from tests.fix_api import load_settings
from tests.fix_database import Database
from tests.webapi.homer.search.conftest import CALL, RANGE
from webapi.context import Context
from webapi.errors import ApiError
from webapi.homer.field import PROFILES
from webapi.homer.search import asked, packets, smart
from webapi.homer.search.condition import COMPARISONS, MAX_ELEMENTS, Names, of_elements
from webapi.names.resolver import Resolver

TOLD: Final = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ALL_NAMES: Final = sorted(
    {one.id for profile in PROFILES.values() for one in profile.fields}
    | {"id", "create_date", "limit", "src_ip", "headers", "data_header.x", "raw"}
)
PIECES: Final = (
    *("'", '"', ";", "--", "%", "\\", "_", "||", "!=", "isEmpty", "isNull", "$1", "%s", "{}", "?"),
    *("'; DROP TABLE sip_message_call; --", "') OR true --", "x", "INVITE", "5060", "192.0.2.1"),
    *("\u00e9", "\ud7ff", "\uffff", "\r\n", "1e9", "-1", "9" * 18, "NULL", "(", ")"),
)
TEXT: Final = st.one_of(
    st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
)
VALUES: Final = st.one_of(
    TEXT,
    st.integers(),
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.lists(TEXT, max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ELEMENT: Final = st.fixed_dictionaries(
    {"name": st.one_of(st.sampled_from(ALL_NAMES), TEXT), "value": VALUES}
)
SMART: Final = st.one_of(
    TEXT,
    st.lists(
        st.sampled_from(
            (*PIECES, *ALL_NAMES, *COMPARISONS, "AND", "OR", "NOT", "(", ")", "SELECT")
        ),
        max_size=12,
    ).map(" ".join),
    st.tuples(st.sampled_from(ALL_NAMES), st.sampled_from(COMPARISONS), TEXT).map(
        lambda parts: f"{parts[0]} {parts[1]} '{parts[2]}'"
    ),
)


class Searching:
    """Searches of one connection, on a loop of their own."""

    def __init__(self, database: Database) -> None:
        self._loop = asyncio.new_event_loop()
        self.context = Context(load_settings(database))
        self._stack = AsyncExitStack()
        self._run(self._stack.enter_async_context(self.context.opened()))
        self._reading = self._run(self._stack.enter_async_context(self.context.sites.reading()))

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """The connection and the loop."""
        self._run(self._stack.aclose())
        self._loop.close()

    def find(self, key: str, elements: Any, *, any_of: bool) -> list[dict[str, Any]] | None:
        """The rows in the time range of the call, or None for what is refused with 400.

        Anything else, as an error of the database, is a defect.
        """
        profile = PROFILES[key]
        try:
            wanted = asked.parse(
                {"timestamp": RANGE, "param": {"search": {key: elements}, "orlogic": any_of}}
            )
            conditions = of_elements(
                Names(profile, ("X-Tenant",)), elements, any_of=any_of, smart=smart.parse
            )
        except ApiError as error:
            if error.status != 400:
                raise
            return None
        search = packets.newest(profile, wanted, conditions, 1000, payload=True)
        rows, complete = self._run(packets.read(self.context, self._reading, search))
        assert complete
        for row in rows:
            assert wanted.begin <= row["ts"] < wanted.end
            packets.show(profile, row)
            packets.Host.source(row, Resolver())
        return list(rows)


@pytest.fixture(scope="module")
def searching(captured: Database) -> Iterator[Searching]:
    """Over the captured call; afterwards no table is gone, and none has fewer rows."""
    with _unchanged(captured):
        opened = Searching(captured)
        yield opened
        opened.close()


@contextmanager
def _unchanged(database: Database) -> Iterator[None]:
    before = _counts(database)
    assert before["sip_message_call"] == len(CALL.messages)
    yield
    assert _counts(database) == before


def _counts(database: Database) -> dict[str, int]:
    with psycopg.connect(database.dsn) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v')"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        counts = {}
        for (name,) in names:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))
            (counts[name],) = connection.execute(query).fetchone() or (0,)
        return counts


@TOLD
@given(
    key=st.sampled_from(sorted(PROFILES)),
    elements=st.one_of(st.lists(ELEMENT, max_size=5), VALUES),
    any_of=st.booleans(),
)
def test_no_field_or_value_makes_the_database_fail(
    searching: Searching, key: str, elements: Any, *, any_of: bool
) -> None:
    """Rows of the time range, or 400."""
    searching.find(key, elements, any_of=any_of)


@TOLD
@given(key=st.sampled_from(sorted(PROFILES)), text=SMART)
def test_no_smart_input_makes_the_database_fail(searching: Searching, key: str, text: str) -> None:
    """Likewise."""
    searching.find(key, [{"name": "smartinput", "value": text}], any_of=False)


@pytest.mark.parametrize("sign", COMPARISONS)
def test_every_field_with_every_operator(searching: Searching, sign: str) -> None:
    """With a number, text, a pattern, one that ends within an escape, and what forms know."""
    for key in ("1_call", "35_default"):
        names = Names(PROFILES[key], ("X-Tenant",))
        accepted = [text for text in _comparisons(sign) if _parses(names, text)]
        assert len(accepted) > len(PROFILES[key].fields)
        for begin in range(0, len(accepted), MAX_ELEMENTS):
            listed = accepted[begin : begin + MAX_ELEMENTS]
            elements = [{"name": "smartinput", "value": text} for text in listed]
            assert searching.find(key, elements, any_of=True) is not None


def _comparisons(sign: str) -> Iterator[str]:
    for name in ALL_NAMES:
        for value in ("5060", "x", "%5\\", "%5%", "isEmpty", "a;b", "\\'"):
            yield f"{name} {sign} '{value}'"


def _parses(names: Names, text: str) -> bool:
    try:
        smart.parse(names, text)
    except ApiError as error:
        if error.status != 400:
            raise
        return False
    return True


@TOLD
@given(
    body=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ("timestamp", "param", "from", "to", "search", "1_call", "location", "node")
                ),
                inner,
                max_size=4,
            ),
        ),
        max_leaves=12,
    )
)
def test_no_body_makes_a_request_fail_otherwise_than_with_400(body: Any) -> None:
    """Of whatever shape it is."""
    try:
        asked.parse(body if isinstance(body, dict) else {"param": body})
    except ApiError as error:
        if error.status != 400:
            raise
