# SPDX-License-Identifier: GPL-2.0-or-later
"""hepagent as a whole, as a user starts it: frames in, HEP at the servers, byte for byte."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from collector import hep
from collector.hep import Hep
from stack.ports import free_port
from tests.agent.packet.frames import ethernet, ip4, tcp, udp
from tests.agent_traffic import assert_balanced, decoded, number_of, sip_request, wait_packets
from tests.fix_agent import PATIENCE_S, StartAgent, StartServer, write_pcap

# Live, on the loopback.


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_live_capture_arrives_byte_for_byte_and_once(
    start_agent: StartAgent, start_server: StartServer, kind: str
) -> None:
    """The loopback shows every packet twice: outgoing and incoming. heplify sends both."""
    server = start_server(kind)
    port = free_port()
    agent = start_agent(
        *("-i", "lo", "-m", "SIP", "-pr", str(port), "-hs", f"127.0.0.1:{server.port}"),
        *("-nt", kind, "-hi", "7", "-hn", "edge", "-hp", "secret"),
    )
    agent.wait_for("capturing")
    sent = [sip_request(number, body="\0\xff" * number) for number in range(50)]
    begun = time.time()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        own = client.getsockname()[1]
        for message in sent:
            client.sendto(message, ("127.0.0.1", port))
    wait_packets(server, 51)  # and the ping
    time.sleep(0.3)  # for what should not come
    assert agent.stop() == 0
    found = [one for one in decoded(server) if one.type == hep.TYPE_SIP]
    assert [one.payload for one in found] == sent
    localhost = bytes((127, 0, 0, 1))
    for one in found:
        assert one[1:6] == (17, localhost, localhost, own, port)
        assert (one.capture_id, one.node_name, one.auth_key) == (7, b"edge", b"secret")
        assert abs(one.seconds + one.microseconds / 1e6 - begun) < PATIENCE_S
    line = agent.exit_line
    assert_balanced(line)
    assert (
        number_of(line, "found") == number_of(line, "handed over") == number_of(line, "sent") == 50
    )


def test_a_frame_of_joined_segments_is_whole_unless_s_cuts_it(
    start_agent: StartAgent, start_server: StartServer
) -> None:
    """What a card joins, and the loopback never parts, is longer than heplify's 8192 bytes."""
    server = start_server("udp")
    port = free_port()
    flags = ("-i", "lo", "-pr", str(port), "-hs", f"127.0.0.1:{server.port}", "-prometheus", "")
    agents = [start_agent(*flags, "-hi", "1"), start_agent(*flags, "-hi", "2", "-s", "8192")]
    for agent in agents:
        agent.wait_for("capturing")
    message = sip_request(1, transport="TCP", body="x" * 20_000)
    with (
        socket.create_server(("127.0.0.1", port)) as listening,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        connection = listening.accept()[0]
        client.sendall(message)
        connection.recv(65_536)
        connection.close()
    wait_packets(server, 1)
    assert [agent.stop() for agent in agents] == [0, 0]
    assert [(one.capture_id, one.payload) for one in decoded(server)] == [(1, message)]
    assert "1 lost (tcp_unfinished 1)" in agents[1].exit_line


def test_a_tcp_stream_on_the_loopback_gives_each_message_once(
    start_agent: StartAgent, start_server: StartServer
) -> None:
    """Messages cut over segments, and several in one."""
    server = start_server("udp")
    port = free_port()
    agent = start_agent("-i", "lo", "-pr", str(port), "-hs", f"127.0.0.1:{server.port}")
    agent.wait_for("capturing")
    sent = [sip_request(number, transport="TCP", body="x" * 300) for number in range(30)]
    stream = b"".join(sent)
    with (
        socket.create_server(("127.0.0.1", port)) as listening,
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        connection = listening.accept()[0]
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(stream), 777):
            client.sendall(stream[at : at + 777])
            connection.recv(65_536)
        connection.close()
    wait_packets(server, len(sent))
    assert agent.stop() == 0
    assert [one.payload for one in decoded(server)] == sent
    assert_balanced(agent.exit_line)


def test_two_workers_share_the_frames(start_agent: StartAgent, start_server: StartServer) -> None:
    """-fg and -fw: every message once, whoever captured it."""
    server = start_server("udp")
    port = free_port()
    agent = start_agent(
        *("-i", "lo", "-pr", str(port), "-fg", str(os.getpid() & 0xFFFF or 1), "-fw", "2"),
        *("-hs", f"127.0.0.1:{server.port}"),
    )
    agent.wait_for("capturing", lines=2)
    assert len(agent.children) == 3
    sent = [sip_request(number) for number in range(100)]
    for message in sent:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(message, ("127.0.0.1", port))
    wait_packets(server, len(sent))
    assert agent.stop() == 0
    assert sorted(one.payload for one in decoded(server)) == sorted(sent)
    assert_balanced(agent.exit_line)


# From a file.


def _udp_frames(messages: list[bytes]) -> list[bytes]:
    return [ethernet(ip4(udp(message))) for message in messages]


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_the_end_of_a_file_loses_nothing(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer, kind: str
) -> None:
    """heplify leaves up to 7 % unsent."""
    server = start_server(kind)
    sent = [sip_request(number, body="x" * (number % 900)) for number in range(5000)]
    file = write_pcap(tmp_path / "in.pcap", _udp_frames(sent))
    agent = start_agent(
        *("-rf", str(file), "-t", "pcap", "-rs", "-nt", kind),
        *("-hs", f"127.0.0.1:{server.port}"),
    )
    assert agent.end() == 0
    found = wait_packets(server, len(sent))
    assert [one.payload for one in found] == sent
    assert found[0].seconds == 1_800_000_000
    line = agent.exit_line
    assert_balanced(line)
    assert (
        number_of(line, "captured")
        == number_of(line, "handed over")
        == number_of(line, "sent")
        == 5000
    )
    assert number_of(line, "unsent") == 0


def test_every_server_gets_every_message(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """Also one that does not answer keeps none from the other; here two that do."""
    servers = [start_server("udp"), start_server("udp")]
    sent = [sip_request(number) for number in range(100)]
    file = write_pcap(tmp_path / "in.pcap", _udp_frames(sent))
    where = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    agent = start_agent("-rf", str(file), "-rs", "-hs", where)
    assert agent.end() == 0
    for server in servers:
        assert [one.payload for one in wait_packets(server, len(sent))] == sent


def test_a_file_that_cannot_be_sent_ends_with_a_status_and_a_line(
    tmp_path: Path, start_agent: StartAgent
) -> None:
    """It waits, says so, and a signal ends the waiting."""
    file = write_pcap(tmp_path / "in.pcap", _udp_frames([sip_request(1), sip_request(2)]))
    agent = start_agent("-rf", str(file), "-rs", "-nt", "tcp", "-hs", f"127.0.0.1:{free_port()}")
    agent.wait_for("waiting for the servers: tcp:.*2 messages left .*refused")
    assert agent.stop() == 1
    assert any("not all was sent" in line for line in agent.lines)
    assert number_of(agent.exit_line, "unsent") == 2


def test_lp_repeats_the_file_and_eof_exit_does_not(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """-eof-exit ends at the first end of file, whatever -lp says."""
    file = write_pcap(tmp_path / "in.pcap", _udp_frames([sip_request(1), sip_request(2)]))
    for flags, times in (((), 1), (("-lp", "3"), 3), (("-lp", "0", "-eof-exit"), 1)):
        server = start_server("udp")
        agent = start_agent("-rf", str(file), "-rs", *flags, "-hs", f"127.0.0.1:{server.port}")
        assert agent.end() == 0
        assert [one.payload for one in wait_packets(server, 2 * times)] == [
            sip_request(1),
            sip_request(2),
        ] * times


def test_o_waits_for_enter(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """One packet for each."""
    server = start_server("udp")
    file = write_pcap(tmp_path / "in.pcap", _udp_frames([sip_request(n) for n in range(3)]))
    agent = start_agent(
        *("-rf", str(file), "-rs", "-o", "-hs", f"127.0.0.1:{server.port}"), stdin=subprocess.PIPE
    )
    keys = agent.process.stdin
    assert keys
    for packets in (1, 2, 3):
        time.sleep(0.3)
        assert len(server.packets) == packets - 1
        keys.write("\n")
        keys.flush()
        wait_packets(server, packets)
    keys.close()
    assert agent.end() == 0
    assert len(server.packets) == 3


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_long_messages_arrive(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer, kind: str
) -> None:
    """What a datagram or a HEP packet cannot hold goes compressed."""
    server = start_server(kind)
    sent = [sip_request(1, transport="TCP", body="x" * size) for size in (60_000, 65_150, 100_000)]
    stream = b"".join(sent)
    frames = [ethernet(ip4(tcp(b"", flags=2, sequence=99), 6))]
    frames += [
        ethernet(ip4(tcp(stream[at : at + 1400], sequence=100 + at), 6))
        for at in range(0, len(stream), 1400)
    ]
    file = write_pcap(tmp_path / "in.pcap", frames)
    agent = start_agent("-rf", str(file), "-rs", "-nt", kind, "-hs", f"127.0.0.1:{server.port}")
    assert agent.end() == 0
    assert [one.payload for one in wait_packets(server, 3)] == sent
    assert_balanced(agent.exit_line)


# What is left out.


def test_undecodable_packets_are_counted(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """By cause; and every frame is in the balance once."""
    server = start_server("udp")
    whole = ethernet(ip4(udp(sip_request(1))))
    frames = [
        whole,
        ethernet(b"arp", kind=0x0806),
        ethernet(ip4(b"")),
        ethernet(ip4(udp(b"\r\n\r\n"))),
        ethernet(ip4(udp(b"this is not SIP at all, nobody would say so"))),
        ethernet(ip4(b"", protocol=1)),
        whole[:30],
        b"",
    ]
    file = write_pcap(tmp_path / "in.pcap", frames)
    agent = start_agent(
        "-rf", str(file), "-rs", "-bpf", "len >= 0", "-hs", f"127.0.0.1:{server.port}"
    )
    assert agent.end() == 0
    assert [one.payload for one in wait_packets(server, 1)] == [sip_request(1)]
    line = agent.exit_line
    assert_balanced(line)
    assert number_of(line, "captured") == len(frames)
    assert number_of(line, "used") == 1
    assert "not_ip 1" in line
    assert "unknown 1" in line
    assert "too_short 1" in line


def test_dim_is_trimmed_and_the_exit_line_says_what_was_filtered(
    tmp_path: Path, start_agent: StartAgent, start_server: StartServer
) -> None:
    """All filters together, and the line that names each."""
    server = start_server("udp")
    kept = sip_request(1, "INVITE")
    frames = _udp_frames([sip_request(2, "REGISTER"), kept, sip_request(3, "OPTIONS")])
    frames += [
        ethernet(ip4(udp(kept)), tags=((0x8100, 5),)),  # the same in a VLAN
        ethernet(ip4(udp(sip_request(4, "BYE")), src=bytes((10, 9, 0, 1)))),
        ethernet(ip4(udp(sip_request(5, "INVITE", body="friendly-scanner")))),
    ]
    file = write_pcap(tmp_path / "in.pcap", frames)
    agent = start_agent(
        *("-rf", str(file), "-rs", "-dim", "register, OPTIONS ", "-disip", "10.9.0.0/16", "-dd"),
        *("-di", "friendly-scanner", "-vlan", "-hs", f"127.0.0.1:{server.port}"),
    )
    assert agent.end() == 0
    assert [one.payload for one in wait_packets(server, 1)] == [kept]
    line = agent.exit_line
    assert_balanced(line)
    assert "3 filtered (content 1, address 1, duplicate 1)" in line
    assert "2 filtered (method 2)" in line


# -hin.


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_hin_passes_on_what_it_receives(
    start_agent: StartAgent, start_server: StartServer, kind: str
) -> None:
    """Byte for byte, in order, to the last packet."""
    server = start_server("tcp")
    port = free_port()
    agent = start_agent(
        "-hin", f"{kind}:127.0.0.1:{port}", "-nt", "tcp", "-hs", f"127.0.0.1:{server.port}"
    )
    agent.wait_for("HEP on")
    header = Hep(3, 17, b"\1" * 4, b"\2" * 4, 5060, 5061, 1_800_000_000, 0, 1, 9, b"")
    sent = [hep.encode(header._replace(payload=sip_request(number))) for number in range(200)]
    if kind == "tcp":
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"".join(sent))
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for packet in sent:
                client.sendto(packet, ("127.0.0.1", port))
    wait_packets(server, len(sent))
    assert agent.stop() == 0
    assert server.packets == sent
    assert_balanced(agent.exit_line)
