# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that reads a file: what it sends, and that no file can do harm."""

from __future__ import annotations

import asyncio
import gzip
import random
import struct
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from collector.hep import IMPORT_NODE, TYPE_SIP
from stack.ports import free_port
from tests import capture_files
from tests.agent.packet import frames
from tests.capture_files import Timed
from tests.fix_listener import StartListener
from tests.receivers import StreamReceiver
from tests.sip_text import request
from tests.webapi.imports.conftest import RunImport, readers, received
from webapi.imports.job import ImportFault
from webapi.imports.outlet import MAX_CALL_IDS


def _now() -> int:
    return time.time_ns() // 1000


def _invites(count: int, name: str = "call") -> Timed:
    at = _now() - 60_000_000
    return [
        (at + number, capture_files.datagram(request("INVITE", f"{name}-{number}@example")))
        for number in range(count)
    ]


def _assert_balanced(found: dict[str, Any]) -> None:
    for unit in ("frames", "messages"):
        parts = [
            sum(value.values()) if isinstance(value, dict) else value
            for name, value in found[unit].items()
            if name != "total"
        ]
        assert sum(parts) == found[unit]["total"], found[unit]


async def test_every_message_is_sent_as_it_was(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport
) -> None:
    """With its own addresses, time and VLAN, under the name of the file."""
    captured, sent = capture_files.transports(_now() - 60_000_000, "example")
    path = capture_files.write(tmp_path / "all.pcap", captured)
    found = await run_import(path, WEB_IMPORT_CAPTURE_ID="77", SENDERS_PASSWORDS="77:secret,*:x")
    _assert_balanced(found)
    packets = {(packet.payload, packet.correlation_id): packet for packet in received(node)}
    assert len(packets) == len(sent) == found["messages"]["sent"]
    for message in sent:
        packet = packets[message.raw, b""]
        assert packet.seconds * 1_000_000 + packet.microseconds == message.at
        assert str(ip_address(packet.src_ip)) == message.src_ip
        assert str(ip_address(packet.dst_ip)) == message.dst_ip
        assert packet.vlan == message.vlan
        assert packet.type == TYPE_SIP
        assert packet.node_name == IMPORT_NODE + b"all.pcap"
        assert (packet.capture_id, packet.auth_key) == (77, b"secret")


async def test_the_first_hundred_calls_are_named(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport
) -> None:
    """All are counted."""
    path = capture_files.write(tmp_path / "many.pcap", _invites(150))
    found = await run_import(path)
    assert found["calls"] == 150
    assert found["call_ids"] == [f"call-{number}@example" for number in range(MAX_CALL_IDS)]
    assert len(received(node)) == 150


async def test_what_holds_no_message_is_counted_by_cause(
    tmp_path: Path, run_import: RunImport
) -> None:
    """Each frame once."""
    captured = _invites(1)
    at = captured[0][0]
    captured += [
        (at, frames.ethernet(b"\0" * 46, 0x0806)),
        (at, capture_files.datagram(b"\r\n\r\n")),
        (at, capture_files.datagram(b"not SIP at all, but long")),
        (at, frames.ethernet(frames.fragments4(frames.udp(request()), [10])[0])),
    ]
    found = await run_import(capture_files.write(tmp_path / "mixed.pcap", captured))
    _assert_balanced(found)
    assert found["frames"]["ignored"] == {"not_ip": 1, "too_short": 1, "unknown": 1}
    assert found["messages"]["lost"] == {"incomplete": 1}


async def test_messages_too_old_for_their_kind_are_told(
    tmp_path: Path, run_import: RunImport
) -> None:
    """Registrations are kept for three days: those of the week before are filed by arrival."""
    at = _now() - 5 * 86_400_000_000
    captured = [
        (at + number, capture_files.datagram(request(method)))
        for number, method in enumerate(("INVITE", "REGISTER", "OPTIONS"))
    ]
    found = await run_import(capture_files.write(tmp_path / "old.pcap", captured))
    assert found["sent"] == {"call": 1, "registration": 1, "other": 1}
    assert found["filed_by_arrival"] == 2


async def test_what_was_good_of_a_damaged_file_is_sent(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport
) -> None:
    """Wherever it breaks off, plain or packed."""
    whole = capture_files.write(tmp_path / "whole.pcap", _invites(20)).read_bytes()
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[:-1])
    found = await run_import(path)
    assert found["messages"]["sent"] == 19
    assert found["errors"][0].startswith("cut.pcap cannot be read beyond 19 frames")
    path.write_bytes(gzip.compress(whole)[:-20])
    found = await run_import(path)
    assert 0 < found["messages"]["sent"] <= 20
    assert "cut.pcap cannot be read beyond" in found["errors"][0]
    assert len(received(node)) == 19 + found["messages"]["sent"]


_HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"SIP/2.0 200 OK\r\n\r\n",
        random.Random(1).randbytes(100_000),
        _HEAD[:20],
        _HEAD + struct.pack("<IIII", 1, 0, 0x7FFFFFFF, 0x7FFFFFFF) + b"x" * 100,
        b"\x1f\x8b" + random.Random(2).randbytes(1000),
        gzip.compress(b""),
        gzip.compress(random.Random(3).randbytes(1000)),
        b"\x0a\x0d\x0d\x0a" + random.Random(4).randbytes(1000),
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 147) + bytes(100),
    ],
    ids=lambda content: f"{len(content)}-{content[:4].hex()}",
)
async def test_what_is_no_capture_file_is_refused(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport, content: bytes
) -> None:
    """With the name that people know, and no path of this machine."""
    path = tmp_path / "bad.pcap"
    path.write_bytes(content)
    with pytest.raises(ImportFault, match=r"^bad\.pcap") as raised:
        await run_import(path)
    assert raised.value.code == "bad_capture_file"
    assert str(tmp_path) not in str(raised.value)
    assert not node.packets


async def test_random_frames_are_counted_and_harm_nobody(
    tmp_path: Path, run_import: RunImport
) -> None:
    """Half of them mutated from real ones; times anywhere."""
    chance = random.Random(5)
    real, _ = capture_files.transports(_now() - 1_000_000, "example")
    captured = [real[0]]
    for number in range(5000):
        frame = bytearray(chance.choice(real)[1] if number % 2 else chance.randbytes(200))
        for _ in range(chance.randrange(6)):
            frame[chance.randrange(len(frame))] = chance.randrange(256)
        captured.append((chance.randrange(1 << 32) * 1_000_000, bytes(frame)))
    found = await run_import(capture_files.write(tmp_path / "random.pcap", captured))
    _assert_balanced(found)
    assert found["frames"]["total"] == 5001
    assert "fault" not in found["frames"]["lost"]


async def test_many_fragments_that_never_fit_take_bounded_memory(
    tmp_path: Path, run_import: RunImport
) -> None:
    """A hundred thousand datagrams of which the end is missing."""
    at = _now() - 60_000_000
    first = frames.fragments4(frames.udp(request(body=bytes(1400))), [100])[0]
    path = tmp_path / "fragments.pcap"
    with path.open("wb") as file:
        file.write(_HEAD)
        for number in range(100_000):
            frame = bytearray(frames.ethernet(first))
            frame[18:20] = (number & 0xFFFF).to_bytes(2)
            frame[26:28] = (number >> 8 & 0xFFFF).to_bytes(2)
            file.write(struct.pack("<IIII", at // 10**6, 0, len(frame), len(frame)) + frame)
    found = await run_import(path)
    _assert_balanced(found)
    assert found["frames"]["total"] == 100_000
    assert found["messages"]["sent"] == 0


async def test_a_file_may_not_unpack_to_more_than_the_limit(
    tmp_path: Path, run_import: RunImport
) -> None:
    """What comes before is read: a bomb is a damaged file."""
    path = tmp_path / "bomb.pcap.gz"
    good = capture_files.write(tmp_path / "good.pcap", _invites(3)).read_bytes()
    path.write_bytes(gzip.compress(good + bytes(300 << 20)))
    assert path.stat().st_size < 1 << 20
    found = await run_import(path, WEB_MAX_IMPORT_BYTES="1MiB")
    assert found["messages"]["sent"] == 3
    assert "unpacks to more than 1048576 bytes" in found["errors"][0]
    # Empty frames at 1970: as many as there is room for.
    assert found["frames"]["total"] <= (1 << 20) // 16


async def test_a_capture_that_would_be_deleted_at_once_is_refused(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport
) -> None:
    """Nothing of it is sent; moved to the present, all is, at the same distances."""
    begin = _now() - 400 * 86_400_000_000
    captured = [
        (begin + 7_000_003 * number, capture_files.datagram(request(number=number)))
        for number in range(3)
    ]
    path = capture_files.write(tmp_path / "old.pcap", captured)
    with pytest.raises(ImportFault, match=r"retention\.call") as raised:
        await run_import(path)
    assert raised.value.code == "too_old"
    assert not node.packets
    before = _now()
    found = await run_import(path, shift=True)
    times = [packet.seconds * 10**6 + packet.microseconds for packet in received(node)]
    assert [at - times[0] for at in times] == [0, 7_000_003, 14_000_006]
    assert before <= times[-1] <= _now()
    assert found["filed_by_arrival"] == 0
    await run_import(path, RETENTION_CALL="0")
    assert len(received(node)) == 6


async def test_a_capture_from_the_future_is_refused(tmp_path: Path, run_import: RunImport) -> None:
    """Its messages would be found by nobody."""
    captured = [(_now() + 86_400_000_000, capture_files.datagram(request()))]
    with pytest.raises(ImportFault, match="in the future") as raised:
        await run_import(capture_files.write(tmp_path / "young.pcap", captured))
    assert raised.value.code == "too_young"


async def test_a_node_that_is_away_is_told(tmp_path: Path, run_import: RunImport) -> None:
    """Before anything is sent."""
    path = capture_files.write(tmp_path / "one.pcap", _invites(1))
    with pytest.raises(ImportFault, match="Connection refused") as raised:
        await run_import(path, WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{free_port()}")
    assert (raised.value.code, raised.value.status) == ("import_target_unavailable", 503)


async def test_a_node_that_closes_the_connection_is_told(
    tmp_path: Path, run_import: RunImport
) -> None:
    """As one does whose senders.networks lack this host: what was not taken is not called sent."""

    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    path = capture_files.write(tmp_path / "some.pcap", _invites(5))
    async with await asyncio.start_server(refuse, "127.0.0.1", port := free_port()):
        with pytest.raises(ImportFault) as raised:
            await run_import(path, WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{port}")
    assert raised.value.code == "import_target_unavailable"


async def test_a_node_that_does_not_take_from_here_is_told(
    tmp_path: Path, run_import: RunImport, start_listener: StartListener
) -> None:
    """The real listener; with this host among its networks, it has every message."""
    path = capture_files.write(tmp_path / "some.pcap", _invites(2000))
    closed = await start_listener("tcp", SENDERS_NETWORKS="192.0.2.0/24")
    with pytest.raises(ImportFault) as raised:
        await run_import(path, WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{closed.ports['tcp']}")
    assert raised.value.code == "import_target_unavailable"
    assert not closed.records()
    taking = await start_listener("tcp", SENDERS_NETWORKS="127.0.0.0/8")
    found = await run_import(path, WEB_IMPORT_TARGET=f"tcp:127.0.0.1:{taking.ports['tcp']}")
    # It was taken when the answer came: there is nothing to wait for.
    assert found["messages"]["sent"] == len(taking.records()) == 2000


async def test_an_import_ends_when_its_time_is_up(
    tmp_path: Path, node: StreamReceiver, run_import: RunImport
) -> None:
    """A node that reads nothing is waited for no longer than that; the process is gone then."""
    node.hangs = True
    path = capture_files.write(tmp_path / "long.pcap", _invites(20_000))
    with pytest.raises(ImportFault, match="messages sent") as raised:
        await run_import(path, WEB_IMPORT_TIMEOUT="1.5")
    assert (raised.value.code, raised.value.status) == ("import_timeout", 503)
    assert not readers()
