# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios that the real SIPp plays, one side against the other."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from hypothesis import given
from hypothesis import strategies as st
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from stack.ports import free_port
from tests.fix_api import store
from tests.webapi.export import played
from tests.webapi.export.played import Call
from tests.webapi.export.rows import row
from webapi.export import sipp

pytestmark = pytest.mark.one_database

Client = TestClient[Request, Application]
HOST = {"Host": "127.0.0.1:9080"}


async def _export(client: Client, call_id: str, side: str) -> str:
    path = f"/api/v1/calls/{call_id}/export.xml"
    answer = await client.get(path, params={"side": side}, headers=HOST)
    assert answer.status == 200, await answer.text()
    assert answer.content_type == "application/xml"
    return await answer.text()


@pytest.mark.parametrize(
    "make",
    [
        played.answered,
        lambda: played.answered(hops=2),
        played.cancelled,
        played.challenged_and_refused,
        played.ended_by_callee,
        played.registered,
    ],
    ids=[
        "answered",
        "through a proxy",
        "cancelled",
        "challenged and refused",
        "ended by callee",
        "registered",
    ],
)
async def test_sipp_plays_both_sides_of_an_exported_call(
    client: Client,
    connection: AsyncConnection[TupleRow],
    tmp_path: Path,
    make: Callable[[], Call],
) -> None:
    """A real caller and a real callee, each with the scenario of its side, end without a fault."""
    call = make()
    await store(connection, [message.packet() for message in call.messages])
    for side in ("caller", "callee"):
        (tmp_path / f"{side}.xml").write_text(await _export(client, call.call_id, side))
    _play(tmp_path)


def _play(directory: Path) -> None:
    port, other = free_port(), free_port()
    common = ["-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "20", "-timeout_error"]
    common += ["-trace_err", "-trace_msg", "-au", "alice", "-ap", "secret"]
    callee = subprocess.Popen(
        ["sipp", "-sf", "callee.xml", "-p", str(port), "-error_file", "callee.err",
         "-message_file", "callee.msg", *common],
        cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        time.sleep(0.5)
        caller = subprocess.run(
            ["sipp", "-sf", "caller.xml", f"127.0.0.1:{port}", "-p", str(other), "-error_file",
             "caller.err", "-message_file", "caller.msg", *common],
            cwd=directory, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        told = "\n".join(path.read_text() for path in directory.glob("*.err"))
        assert caller.returncode == 0, told + caller.stdout[-500:]
        assert callee.wait(20) == 0, told
    finally:
        callee.kill()
        callee.wait()


async def test_hostile_text_is_played_as_it_is(
    client: Client, connection: AsyncConnection[TupleRow], tmp_path: Path
) -> None:
    """Brackets are SIPp's keywords, of which one reads files: they arrive as brackets."""
    call = played.ended_by_callee()
    await store(connection, [message.packet() for message in call.messages])
    for side in ("caller", "callee"):
        (tmp_path / f"{side}.xml").write_text(await _export(client, call.call_id, side))
    _play(tmp_path)
    sent = (tmp_path / "callee.msg").read_text()
    assert "User-Agent: \\x41 [authentication] ]]> <b> & $1 [$local] \\[call_id]\n" in sent
    assert "s=[file name=/etc/hostname]\n" in sent
    assert "c=IN IP4 127.0.0.1\n" in sent
    assert "192.0.2.1" not in sent
    assert "m=video 0 RTP/AVP 31" in sent


async def test_a_scenario_has_keywords_pauses_and_optional_responses(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """Real gaps; 1xx need not come; what was sent again is there once."""
    call = played.cancelled()
    repeated = [call.messages[0]._replace(after_s=0.05)]
    await store(connection, [sent.packet() for sent in (*call.messages, *repeated)])
    # Ours, not from anywhere.
    caller = ET.fromstring(await _export(client, call.call_id, "caller"))  # noqa: S314
    shown = [
        (element.tag, element.get("response") or element.get("milliseconds")) for element in caller
    ]
    assert shown == [
        *(("send", None), ("recv", "180"), ("pause", "300"), ("send", None)),
        *(("recv", "200"), ("recv", "487"), ("pause", "20"), ("send", None)),
    ]
    texts = [element.text or "" for element in caller.iter("send")]
    assert all("Call-ID: [call_id]\n" in text for text in texts)
    branches = [text.partition("branch=")[2].partition("\n")[0] for text in texts]
    assert branches == ["[branch]", "[branch-3]", "[branch-7]"]
    callee = ET.fromstring(await _export(client, call.call_id, "callee"))  # noqa: S314
    assert [element.tag for element in callee.iter()].count("recv") == 3


_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        [
            *("]]></send><nop><action><exec command='id'/></action></nop>", "-->", '" x="'),
            *("[file name=/etc/passwd]", "[$1]", "\\x5bcall_id\\x5d", "\\", "a\r\n\r\n[len]"),
            "\0\x0b",
        ]
    ),
)
_KEYWORD = re.compile(
    r"(local|remote|media)_(ip|port|ip_type)(\+[0-9]+)?|local_ip_type|transport|branch(-[0-9]+)?|pid"
    r"|call_number|call_id|len|peer_tag_param|authentication|\$(via|cseq)[0-9A-Za-z]+|\$local|\$remote"
    r"|last_(Via|CSeq|Record-Route|From|To|Call-ID):"
)


@given(
    *(_TEXT, _TEXT, _TEXT, _TEXT, st.binary(max_size=60)),
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0, 0, 100, 180, 200, 401, 487])), max_size=8
    ),
)
def test_no_text_of_a_message_is_a_command_to_sipp(
    method: str, user: str, value: str, call_id: str, body: bytes, turns: list[tuple[bool, int]]
) -> None:
    """Well-formed XML of the elements that we write, and no keyword that we did not."""
    rows = []
    for number, (back, status) in enumerate([(False, 0), *turns]):
        head = f"X-Any: {value}\r\n{value}: x\r\nContact: <sip:{user}@x>\r\nFrom: {value}\r\n"
        kind = "application/sdp" if number % 2 else "text/plain"
        raw = f"start {number}\r\n{head}Content-Type: {kind}\r\n\r\n".encode() + body
        columns = {"method": method or "X", "ruri_user": user, "reason": value, "call_id": call_id}
        columns |= {"src_ip": "198.51.100.2", "dst_ip": "192.0.2.1"} if back else {}
        rows.append(row(number, raw, status=status or None, cseq=number // 2, **columns))
    for side in sipp.SIDES:
        scenario = ET.fromstring(sipp.scenario(rows, side, complete=False))  # noqa: S314
        tags = {element.tag for element in scenario.iter()}
        assert tags <= {"scenario", "send", "recv", "pause", "action", "ereg"}
        for element in scenario.iter("send"):
            for keyword in re.findall(r"\[([^\]]*)", element.text or ""):
                assert _KEYWORD.fullmatch(keyword), keyword
            assert not re.search(r"\\(?!x5[bcd])", element.text or "")


async def test_a_call_of_which_no_request_was_seen_has_no_scenario(
    client: Client, connection: AsyncConnection[TupleRow]
) -> None:
    """422, and the sides are allow-listed."""
    call = played.answered()
    await store(connection, [call.messages[3].packet()])
    path = f"/api/v1/calls/{call.call_id}/export.xml"
    answer = await client.get(path, headers=HOST)
    assert (answer.status, (await answer.json())["error"]["code"]) == (422, "no_scenario")
    answer = await client.get(path, params={"side": "both"}, headers=HOST)
    assert (answer.status, (await answer.json())["error"]["field"]) == (400, "side")
