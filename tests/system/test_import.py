# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture files through the whole stack: in by the API or the command, out as they were."""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from collector.api_token import local_token
from collector.moment import from_us, to_text
from stack.service import ROOT
from stack.trial import Trial
from tests import capture_files
from tests.capture_files import Sent
from tests.sip_text import request
from tests.system.counts import node
from tests.tshark import dissect

DAY_US: Final = 86_400_000_000


class Stack(NamedTuple):
    """A stack that takes files, and what requests must carry."""

    trial: Trial
    authorization: dict[str, str]


@pytest.fixture(scope="module")
def stack(running: Trial) -> Iterator[Stack]:
    """All parts of it run."""
    with local_token(running.settings, lifetime_s=3600) as authorization:
        yield Stack(running, authorization)


def _ask(stack: Stack, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    status, found = _request(stack, method, path, body, **headers)
    return status, json.loads(found)


def _get(stack: Stack, path: str) -> bytes:
    status, found = _request(stack, "GET", path)
    assert status == 200, found
    return found


def _request(
    stack: Stack, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", stack.trial.web_port, timeout=60)
    connection.request(method, path, body, stack.authorization | headers)
    answer = connection.getresponse()
    found = answer.read()
    connection.close()
    return answer.status, found


def _import(stack: Stack, data: bytes, query: str = "") -> dict[str, Any]:
    kind = {"Content-Type": "application/vnd.tcpdump.pcap"}
    status, found = _ask(stack, "POST", f"/api/v1/imports{query}", data, **kind)
    assert status == 201, found
    assert isinstance(found, dict)
    return found


def _call(stack: Stack, call_id: str, messages: int) -> dict[str, Any]:
    """The call, once so many messages of it are stored and its row is there."""
    found: dict[str, Any] = {}

    def is_stored() -> bool:
        status, answer = _ask(stack, "GET", f"/api/v1/calls/{call_id}")
        found.update(answer if status == 200 else {})
        return len(found.get("messages", ())) >= messages and bool(found["call"])

    stack.trial.wait(is_stored, f"{messages} messages of {call_id}")
    return found


def _assert_stored(stack: Stack, sent: list[Sent]) -> None:
    for call_id in dict.fromkeys(message.call_id for message in sent):
        expected = [message for message in sent if message.call_id == call_id]
        shown = _call(stack, call_id, len(expected))["messages"]
        assert [_seen(call_id, row) for row in shown] == [
            (call_id, to_text(from_us(at)), raw, transport, src_ip, dst_ip, vlan)
            for at, _, raw, transport, src_ip, dst_ip, vlan in expected
        ]


def _assert_exported(stack: Stack, sent: list[Sent], folder: Path) -> None:
    """What tshark reads in the capture files of each call."""
    for call_id in dict.fromkeys(message.call_id for message in sent):
        expected = [message for message in sent if message.call_id == call_id]
        for form in ("pcap", "pcapng"):
            path = folder / f"export.{form}"
            path.write_bytes(_get(stack, f"/api/v1/calls/{call_id}/export.{form}"))
            assert [
                (seen.time, seen.transport.upper(), seen.src, seen.dst, seen.payload, seen.vlan)
                for seen in dissect(path)
            ] == [
                (f"{at // 10**6}.{at % 10**6:06d}000", transport, src_ip, dst_ip, raw, vlan)
                for at, _, raw, transport, src_ip, dst_ip, vlan in expected
            ]


def _assert_imported_again(stack: Stack, sent: list[Sent], name: str) -> None:
    """What was exported of a search can be imported: the same messages at the same times."""
    found = _get(stack, f"/api/v1/messages/export.pcapng?from=-9d&node=import/{name}")
    assert _import(stack, found, f"?name=again.{name}")["sent"] == {"call": len(sent)}
    query = f"/api/v1/messages?from=-9d&limit=100&sort=ts&raw=true&node=import/again.{name}"

    def rows() -> list[tuple[Any, ...]]:
        _, answer = _ask(stack, "GET", query)
        return sorted(_seen(row["call_id"], row) for row in answer["messages"])

    stack.trial.wait(lambda: len(rows()) == len(sent), "all of it")
    assert rows() == sorted(
        (call_id, to_text(from_us(at)), raw, transport, src_ip, dst_ip, vlan)
        for at, call_id, raw, transport, src_ip, dst_ip, vlan in sent
    )


def _seen(call_id: str, row: dict[str, Any]) -> tuple[Any, ...]:
    raw = b64decode(row["raw_base64"]) if "raw_base64" in row else row["raw"].encode()
    assert "sender_ts" not in row
    return (
        *(call_id, row["ts"], raw, row["transport"], row["src_ip"], row["dst_ip"]),
        row.get("vlan", 0),
    )


@pytest.mark.parametrize("writer", ["tshark", "agent"])
def test_a_capture_comes_out_as_it_went_in(stack: Stack, tmp_path: Path, writer: str) -> None:
    """Byte-exact messages and µs times, of UDP, TCP in segments, IPv6, VLAN and fragments.

    It is five days old: later than clock.accept_past, and still under its own time.
    """
    age = 5 if writer == "tshark" else 6
    begin = time.time_ns() // 1000 - age * DAY_US
    captured, sent = capture_files.transports(begin, writer)
    write = capture_files.by_tshark if writer == "tshark" else capture_files.by_agent
    answer = _import(stack, write(tmp_path, captured).read_bytes(), f"?name={writer}.pcap")
    assert answer["errors"] == []
    assert answer["node"] == f"import/{writer}.pcap"
    assert answer["frames"]["total"] == len(captured)
    assert answer["sent"] == {"call": len(sent)}
    assert answer["filed_by_arrival"] == 0
    assert answer["call_ids"] == list(dict.fromkeys(message.call_id for message in sent))
    assert answer["from"] == to_text(from_us(min(message.at for message in sent)))
    assert answer["to"] == to_text(from_us(max(message.at for message in sent)))
    _assert_stored(stack, sent)
    _assert_exported(stack, sent, tmp_path)
    _assert_imported_again(stack, sent, f"{writer}.pcap")
    counts = node(stack.trial)
    assert counts["unaccounted"] == 0


def test_a_file_of_text2pcap_is_read(stack: Stack, tmp_path: Path) -> None:
    """Messages and times to the µs."""
    begin = time.time_ns() // 1000 - 3_600_000_000
    sent = [
        Sent(begin + 500_123 * number, "text@import", request(method, "text@import"))
        for number, method in enumerate(("INVITE", "ACK", "BYE"))
    ]
    path = capture_files.by_text2pcap(tmp_path, [(one.at, one.raw) for one in sent])
    assert _import(stack, path.read_bytes())["sent"] == {"call": 3}
    _assert_stored(stack, sent)


def test_the_call_shows_the_quality_of_its_rtp(stack: Stack, tmp_path: Path) -> None:
    """Lost packets and jitter of both directions, found by the SDP."""
    begin = time.time_ns() // 1000 - 60_000_000
    captured = capture_files.with_media(begin)
    path = capture_files.write(tmp_path / "media.pcap", captured)
    answer = _import(stack, gzip.compress(path.read_bytes()))
    assert answer["rtp"] == {
        "packets": 2 * capture_files.RTP_PACKETS - len(capture_files.RTP_LOST),
        "streams": 2,
        "without_call": 0,
    }
    assert answer["sent"] == {"call": 3, "rtp": 2}

    def streams() -> dict[int, Any]:
        quality = _call(stack, "media@import", 3)["quality"]
        return {stream["src_port"]: stream for stream in quality["streams"]}

    stack.trial.wait(lambda: len(streams()) == 2, "both streams")
    call = _call(stack, "media@import", 3)["call"]
    assert (call["state"], call["duration_ms"]) == ("completed", 3_500)
    there, back = (streams()[port] for port in capture_files.MEDIA_PORTS)
    assert (there["packets"], there["packets_lost"], there["way"]) == (97, 3, "to_callee")
    assert (back["packets"], back["packets_lost"], back["way"]) == (100, 0, "to_caller")
    assert there["mos_computed"]["mean"] < back["mos_computed"]["mean"]


def test_a_capture_of_last_year_is_refused_or_moved(stack: Stack, tmp_path: Path) -> None:
    """Under its own time it would be deleted within the minute."""
    begin = time.time_ns() // 1000 - 365 * DAY_US
    messages = [
        (begin + 1_000_001 * n, request(m, "old@import")) for n, m in enumerate(("INVITE", "BYE"))
    ]
    frames = [(at, capture_files.datagram(raw)) for at, raw in messages]
    data = capture_files.write(tmp_path / "old.pcap", frames).read_bytes()
    kind = {"Content-Type": "application/octet-stream"}
    status, found = _ask(stack, "POST", "/api/v1/imports", data, **kind)
    assert (status, found["error"]["code"]) == (422, "too_old")
    assert "retention.call" in found["error"]["message"]
    called_at = time.time()
    answer = _import(stack, data, "?shift=now")
    assert answer["filed_by_arrival"] == 0
    # Two, not four: of what was refused nothing was sent.
    shown = _call(stack, "old@import", 2)["messages"]
    first, last = (datetime.fromisoformat(row["ts"]).timestamp() for row in shown)
    assert round((last - first) * 1e6) == 1_000_001
    assert called_at - 1 < last < time.time() + 1


def test_the_command_imports_a_file(stack: Stack, tmp_path: Path) -> None:
    """A damaged one keeps what was good, and the exit status says so."""
    begin = time.time_ns() // 1000 - 7_200_000_000
    messages = [(begin + n, request("INVITE", f"command-{n}@import")) for n in range(10)]
    path = capture_files.write(
        tmp_path / "a b.pcap", [(at, capture_files.datagram(raw)) for at, raw in messages]
    )
    path.write_bytes(path.read_bytes()[:-7])
    done = subprocess.run(
        [sys.executable, "-m", "webapi", "--config", str(stack.trial.config), "import", str(path)],
        capture_output=True,
        check=False,
        env=dict(stack.trial.environment),
        cwd=ROOT,
    )
    found = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert found["node"] == "import/a_b.pcap"
    assert found["sent"] == {"call": 9}
    assert "cannot be read beyond 9 frames" in found["errors"][0]
    assert str(tmp_path) not in found["errors"][0]
    _call(stack, "command-8@import", 1)
