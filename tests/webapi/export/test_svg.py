# SPDX-License-Identifier: GPL-2.0-or-later
"""Drawings of calls."""

from __future__ import annotations

import base64
import hashlib
from xml.etree import ElementTree as ET

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from tests.call_rows import CALL_START, add_call, add_link
from tests.fix_api import load_settings, store
from tests.fix_database import Database
from tests.webapi.export import played
from tests.webapi.export.rows import row
from webapi.app import create_app
from webapi.export import svg
from webapi.export.ladder import Ladder

Client = TestClient[Request, Application]
HOST = {"Host": "127.0.0.1:9080"}
SVG = "{http://www.w3.org/2000/svg}"


def _texts(drawing: ET.Element, name: str = "text") -> list[str]:
    return ["".join(element.itertext()) for element in drawing.iter(f"{SVG}{name}")]


def _arrows(drawing: ET.Element) -> list[ET.Element]:
    return list(drawing.iter(f"{SVG}g"))


async def test_the_flow_of_all_legs_is_drawn(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """Hosts in the order of their appearance, true and relative times, legs in their colours,
    retransmissions folded."""
    first, second = played.answered("first@x", hops=2), played.cancelled()
    second.call_id = "played@example"
    again = [first.messages[0]._replace(after_s=0.0 + 0.5), first.messages[0]._replace(after_s=1.5)]
    sent = [*first.messages, *second.messages, *again]
    await store(connection, [message.packet() for message in sent])
    began_s = played.START - CALL_START.timestamp()
    await add_call(connection, "first@x", began_s)
    await add_call(connection, "played@example", began_s)
    await add_link(connection, "played@example", "first@x", after_s=began_s)
    answer = await client.get("/api/v1/calls/first@x/export.svg", headers=HOST)
    assert answer.status == 200, await answer.text()
    assert answer.content_type == "image/svg+xml"
    drawing = ET.fromstring(await answer.text())  # noqa: S314 (ours)
    hosts = [e.text for e in drawing.iter(f"{SVG}text") if e.get("class") == "host"]
    assert hosts == ["192.0.2.1", "203.0.113.9", "198.51.100.2"]
    arrows = _arrows(drawing)
    assert len(arrows) == len(first.messages) + len(second.messages)
    assert {arrow.get("class") for arrow in arrows} == {"l0", "l1"}
    assert any("INVITE (SDP)" in text and "UDP \u00d73" in text for text in _texts(drawing))
    assert "14:13:20.100000" in _texts(drawing)
    assert "+0.100000" in _texts(drawing)
    (title,) = [e.text for e in drawing.findall(f"{SVG}title")]
    (about,) = [e.text for e in drawing.findall(f"{SVG}desc")]
    assert title == "Call flow of first@x"
    assert about is not None
    assert about.startswith(f"{len(arrows)} messages of 2 legs between 3 hosts")
    assert (drawing.get("role"), drawing.get("aria-labelledby")) == ("img", "title desc")
    one = await client.get("/api/v1/calls/first@x/export.svg", params={"legs": "one"}, headers=HOST)
    assert len(_arrows(ET.fromstring(await one.text()))) == len(first.messages)  # noqa: S314


async def test_a_browser_lets_a_drawing_do_nothing_but_its_style(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """The policy names the style by its hash, and nothing else."""
    await store(connection, [message.packet() for message in played.cancelled().messages])
    answer = await client.get("/api/v1/calls/played@example/export.svg", headers=HOST)
    text = await answer.text()
    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy == f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{digest}'"
    assert "prefers-color-scheme:dark" in style


async def test_a_long_call_is_drawn_up_to_its_limit_and_says_so(
    database: Database, connection: AsyncConnection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both of the setting and of the drawing."""
    call = played.answered()
    await store(connection, [message.packet() for message in call.messages])
    app = create_app(load_settings(database, WEB_MAX_CALL_MESSAGES="6"))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/api/v1/calls/played@example/export.svg", headers=HOST)
        text = await answer.text()
        assert len(_arrows(ET.fromstring(text))) == 6  # noqa: S314
        assert text.count("more messages than web.max_call_messages") == 2
        monkeypatch.setattr(svg, "MAX_ARROWS", 4)
        answer = await client.get("/api/v1/calls/played@example/export.svg", headers=HOST)
        text = await answer.text()
        assert len(_arrows(ET.fromstring(text))) == 4  # noqa: S314
        assert "2 messages are left out" in text


def test_columns_are_bounded() -> None:
    """A call from everywhere is drawn as far as it fits."""
    rows = [row(n, b"m%d" % n, src_ip=f"192.0.2.{n}", method="INVITE") for n in range(1, 101)]
    drawing = ET.fromstring(svg.draw(Ladder.of(rows), "many", complete=True))  # noqa: S314
    hosts = [e for e in drawing.iter(f"{SVG}text") if e.get("class") == "host"]
    assert len(hosts) == svg.MAX_HOSTS
    assert any("messages are left out" in text for text in _texts(drawing))


_HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "]]><script/>",
            '" onload="alert(1)',
            "&lt;img src=x onerror=alert(1)&gt;",
            "</text></svg><svg onload=alert(1)>",
            "\0\x0b\x1b[31m\ufffe\u202e",
            "javascript:alert(1)",
        ]
    ),
)


@given(_HOSTILE, _HOSTILE, _HOSTILE, st.sampled_from([None, 100, 200, 486]))
def test_hostile_text_stays_text(
    call_id: str, method: str, reason: str, status: int | None
) -> None:
    """It never makes an element or an attribute, and the file is always well-formed XML."""
    rows = [
        row(0, b"a", call_id=call_id, method=method, reason=reason, status=status),
        row(1, b"b", call_id=call_id, method=method, transport=reason[:10], node=reason),
    ]
    text = svg.draw(Ladder.of(rows), call_id, complete=True)
    drawing = ET.fromstring(text)  # noqa: S314
    plain = ET.fromstring(  # noqa: S314
        svg.draw(
            Ladder.of([row(0, b"a", method="X", status=status), row(1, b"b", method="Y")]),
            "t",
            complete=True,
        )
    )
    assert [e.tag for e in drawing.iter()] == [e.tag for e in plain.iter()]
    assert [sorted(e.keys()) for e in drawing.iter()] == [sorted(e.keys()) for e in plain.iter()]
