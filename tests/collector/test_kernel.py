# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's tables of sockets, and the drops that it counts per socket and forgets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import kernel
from collector.journal.counters import MAX_SOCKETS, Counters, NodeField
from collector.kernel import UdpSocket, count_drops, parse_udp_table, udp_sockets
from collector.settings.endpoint import Endpoint, parse_endpoint

UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode \
ref pointer drops
  455: 0100007F:2364 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41001 \
2 0000000000000000 0
 1021: 00000000:2364 00000000:0000 07 00000000:0001A2F8 00:00000000 00000000   109        0 41002 \
2 0000000000000000 18446744
 2048: 0A01A8C0:14E9 0B01A8C0:14E9 01 00000001:00000000 00:00000000 00000000     0        0 7 2 \
0000000000000000 1
"""
UDP6 = """\
  sl  local_address                         remote_address                        st tx_queue \
rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  455: 00000000000000000000000001000000:2364 00000000000000000000000000000000:0000 07 \
00000000:00000000 00:00000000 00000000     0        0 51001 2 0000000000000000 12
  900: B80D0120000000000000000001000000:2364 00000000000000000000000000000000:0000 07 \
00000000:00000D00 00:00000000 00000000     0        0 51002 2 0000000000000000 0
  901: 00000000000000000000000000000000:2364 00000000000000000000000000000000:0000 07 \
00000000:00000000 00:00000000 00000000     0        0 51003 2 0000000000000000 3
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
def test_the_tables_are_read() -> None:
    """Address, port, inode, queue and drops."""
    assert parse_udp_table(UDP) == [
        UdpSocket("127.0.0.1", 9060, 41001, 0, 0),
        UdpSocket("0.0.0.0", 9060, 41002, 0x1A2F8, 18_446_744),
        UdpSocket("192.168.1.10", 5353, 7, 0, 1),
    ]
    assert parse_udp_table(UDP6) == [
        UdpSocket("::1", 9060, 51001, 0, 12),
        UdpSocket("2001:db8::1", 9060, 51002, 0xD00, 0),
        UdpSocket("::", 9060, 51003, 0, 3),
    ]
    assert parse_udp_table(UDP.splitlines()[0]) == []


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2364 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 x
   1: 0100007F:2365 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 2 1 x
   2: 00000000:2366 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 x
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
def test_listening_tcp_sockets_are_read() -> None:
    """Not the connections."""
    assert kernel.parse_tcp_table(TCP) == [("127.0.0.1", 9060), ("0.0.0.0", 9062)]


@pytest.mark.parametrize("protocol", ["tcp", "tls", "ws", "wss"])
def test_whether_a_socket_listens_is_seen_without_connecting(protocol: str) -> None:
    """Whatever is spoken over it; an open connection is no listening socket."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = Endpoint(protocol, "127.0.0.1", listening.getsockname()[1])
        assert kernel.listens(endpoint)
        assert not kernel.listens(endpoint._replace(host="0.0.0.0"))
        assert not kernel.listens(endpoint._replace(protocol="udp"))
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
        with socket.create_connection(("127.0.0.1", endpoint.port)) as client:
            own = endpoint._replace(port=client.getsockname()[1])
            assert not kernel.listens(own)
    assert not kernel.listens(endpoint)


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
def test_only_our_sockets_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen by address and port, in whatever spelling the settings have them."""
    (tmp_path / "udp").write_text(UDP)
    (tmp_path / "udp6").write_text(UDP6)
    tables = (tmp_path / "udp", tmp_path / "udp6", tmp_path / "missing")
    monkeypatch.setattr(kernel, "TABLES", tables)

    def inodes(*listen: str) -> list[int]:
        return [found.inode for found in udp_sockets([parse_endpoint(text) for text in listen])]

    assert inodes("udp:127.0.0.1:9060") == [41001]
    assert inodes("udp:0.0.0.0:9060", "udp:[::]:9060") == [41002, 51003]
    assert inodes("udp:[2001:0DB8:0::0001]:9060") == [51002]
    assert inodes("tcp:127.0.0.1:9060") == []
    assert inodes("udp:127.0.0.1:9061") == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_real_socket_is_found(host: str) -> None:
    """In the table of the running kernel, while it is open."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as opened:
        try:
            opened.bind((host, 0))
        except OSError as error:
            pytest.skip(f"{host} cannot be used here: {error}")
        endpoint = Endpoint("udp", host, opened.getsockname()[1])
        (found,) = udp_sockets([endpoint])
        assert (found.host, found.port) == (host, endpoint.port)
        assert found.drops == 0
        assert found.inode > 0
    assert udp_sockets([endpoint]) == []


def test_a_real_drop_is_counted() -> None:
    """A socket whose buffer is full."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        receiver.bind(("127.0.0.1", 0))
        for _ in range(200):
            sender.sendto(bytes(1000), receiver.getsockname())
        (found,) = udp_sockets([Endpoint("udp", "127.0.0.1", receiver.getsockname()[1])])
    assert found.queued_octets > 0
    assert 150 < found.drops < 200


@pytest.fixture
def node(journal: Path) -> Iterator[memoryview[int]]:
    """The node's block of a fresh counter file."""
    counters = Counters(journal)
    view = counters.node
    yield view
    view.release()
    counters.close()


def _sockets(**drops: int) -> list[UdpSocket]:
    return [UdpSocket("::1", 1, int(inode[1:]), 0, count) for inode, count in drops.items()]


def _total(node: memoryview[int]) -> int:
    return node[NodeField.KERNEL_DROPS]


def test_drops_are_added_up_over_time(node: memoryview[int]) -> None:
    """Each reading adds what is new since the last one."""
    for reading, total in ((0, 0), (3, 3), (3, 3), (10, 10)):
        count_drops(node, _sockets(i7=reading))
        assert _total(node) == total


def test_every_socket_counts_for_itself(node: memoryview[int]) -> None:
    """Whatever order they are read in."""
    count_drops(node, _sockets(i7=1, i8=100))
    count_drops(node, _sockets(i8=105, i7=3))
    assert _total(node) == 108


def test_a_new_socket_begins_at_zero(node: memoryview[int]) -> None:
    """After a restart the kernel counts anew; the total goes on."""
    count_drops(node, _sockets(i7=50))
    count_drops(node, [])
    assert _total(node) == 50
    count_drops(node, _sockets(i9=4))
    assert _total(node) == 54
    count_drops(node, _sockets(i7=50, i9=4))
    assert _total(node) == 104, "an inode that comes again is another socket"


def test_a_count_that_went_back_takes_nothing_away(node: memoryview[int]) -> None:
    """An inode that was used again at once."""
    count_drops(node, _sockets(i7=50))
    count_drops(node, _sockets(i7=2))
    assert _total(node) == 50
    count_drops(node, _sockets(i7=5))
    assert _total(node) == 53


def test_the_readings_survive_the_process_that_made_them(journal: Path) -> None:
    """Another keeper goes on where this one ended."""
    for reading, total in ((10, 10), (15, 15)):
        counters = Counters(journal)
        count_drops(counters.node, _sockets(i7=reading))
        assert counters.node[NodeField.KERNEL_DROPS] == total
        counters.close()


def test_more_sockets_than_there_is_room_for(node: memoryview[int]) -> None:
    """The first ones are counted; nothing else in the file is touched."""
    many = [UdpSocket("::1", 1, 100 + n, 0, 1) for n in range(MAX_SOCKETS + 5)]
    count_drops(node, many)
    count_drops(node, many)
    assert _total(node) == MAX_SOCKETS
    assert node[NodeField.PROCESSED] == 0
