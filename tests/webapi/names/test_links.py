# SPDX-License-Identifier: GPL-2.0-or-later
"""Links from a call to other systems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from collector.settings.links import Links
from tests.fix_access import OpenSite
from tests.fix_api import store
from tests.sip_text import packet, request
from webapi.names.links import links_of

BEGIN = datetime(2026, 11, 23, 10, tzinfo=UTC)
SPAN = (BEGIN, BEGIN + timedelta(seconds=2, microseconds=1))
TEMPLATES = Links(
    call=(
        "Grafana=https://g.example/d/{call_id}?from={from_ms}&to={to_ms}&host={source}",
        "Loki=http://l.example:3000/explore?id={call_id}#{from_s}-{to_s}",
    ),
    margin=10,
)


def test_a_link_is_filled() -> None:
    """Times with the margin; one that needs what there is not is left out."""
    grafana, loki = links_of(TEMPLATES, "a/b c@x", SPAN, {"src_ip": "2001:db8::1"})
    assert grafana == {
        "name": "Grafana",
        "url": "https://g.example/d/a%2Fb%20c%40x"
        "?from=1795427990000&to=1795428012001&host=2001%3Adb8%3A%3A1",
    }
    assert loki["url"].endswith("#1795427990-1795428013")
    assert [link["name"] for link in links_of(TEMPLATES, "x", SPAN, None)] == ["Loki"]


@given(st.text(), st.text(min_size=1))
def test_no_value_changes_where_a_link_leads(call_id: str, source: str) -> None:
    """Host, path and other parameters stay; the value comes out as it went in."""
    for link in links_of(TEMPLATES, call_id, SPAN, {"src_ip": source}):
        parts = urlsplit(link["url"])
        assert parts.netloc in ("g.example", "l.example:3000")
        assert parts.path.count("/") == (2 if link["name"] == "Grafana" else 1)
        assert not {".", ".."} & {*parts.path.split("/")}
        query = parse_qs(parts.query, keep_blank_values=True, errors="strict")
        if link["name"] == "Grafana":
            assert sorted(query) == ["from", "host", "to"]
            assert query["host"] == [source]


@pytest.mark.parametrize("call_id", [".", ".."])
def test_dots_alone_are_no_part_of_a_path(call_id: str) -> None:
    """A browser would go up, encoded or not."""
    assert links_of(TEMPLATES, call_id, SPAN, {"src_ip": "192.0.2.1"}) == []


async def test_a_call_has_its_links(
    open_site: OpenSite, connection: AsyncConnection[TupleRow]
) -> None:
    """As the settings say."""
    site = await open_site(LINKS_CALL="Loki=https://l.example/?id={call_id}")
    await store(connection, [packet(request(call_id="l@x"), at=1_790_000_000.0)])
    user = await site.signed_in("user")
    answer = await user.ask("GET", "/api/v1/calls/l@x")
    expected = [{"name": "Loki", "url": "https://l.example/?id=l%40x"}]
    assert answer.json["external_links"] == expected
