# SPDX-License-Identifier: GPL-2.0-or-later
"""Real traffic between two network namespaces."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from agent.capture.source import CaptureError
from tests.agent.capture.frames import numbered, payload, read_count, read_for, read_until, send
from tests.agent.capture.opened import RING, opened
from tests.fix_network import Host, Network

ETHERNET: Final = 1
COOKED: Final = 113
ROOT: Final = Path(__file__).parents[3]


def test_frames_of_an_interface(hosts: Network, addresses: tuple[str, str]) -> None:
    """Whole, in order, with the time of capture in µs."""
    sent = numbered(20)
    with opened(hosts.right) as live:
        before = time.time_ns() // 1000
        with hosts.left.inside():
            send(*addresses, sent)
        frames = read_count(live, 20)
        after = time.time_ns() // 1000
    assert live.linktype == ETHERNET
    assert [payload(frame) for _, frame, _ in frames] == sent
    times = [at for at, _, _ in frames]
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= after
    assert all(length == len(frame) for _, frame, length in frames)


def test_any_interface(hosts: Network) -> None:
    """Interfaces of all names, also one that came later, in Linux cooked form."""
    with opened(hosts.right, "any") as live, hosts.right.inside():
        send("127.0.0.1", "127.0.0.1", numbered(1))
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(1))
        hosts.right.run("ip", "link", "add", "late", "type", "veth", "peer", "name", "later")
        hosts.right.run("ip", "link", "set", "later", "up")
        hosts.right.run("ip", "link", "set", "late", "up")
        hosts.right.run("ip", "address", "add", "10.97.0.1/24", "dev", "late")
        hosts.right.run(
            *("ip", "neighbour", "add", "10.97.0.2", "lladdr", "02:00:00:00:00:02", "dev", "late")
        )
        send("10.97.0.1", "10.97.0.2", numbered(1))
        # What goes out of "late" comes in on "later".
        frames = read_count(live, 4)
        assert live.linktype == COOKED
        assert len(frames + read_for(live, 0.2)) == 4


@pytest.mark.parametrize("interface", ["lo", "any"])
def test_each_packet_of_the_loopback_comes_once(hosts: Network, interface: str) -> None:
    """Though the kernel shows it on its way out and in."""
    sent = numbered(10)
    with opened(hosts.right, interface) as live:
        with hosts.right.inside():
            send("127.0.0.1", "127.0.0.1", sent)
            send("::1", "::1", sent)
        frames = read_count(live, 20)
        assert len(frames + read_for(live, 0.2)) == 20


def test_several_interfaces(hosts: Network) -> None:
    """In a list, with blanks and twice the same."""
    sent = numbered(5)
    with opened(hosts.right, "lo, veth0,lo") as live:
        with hosts.right.inside():
            send("127.0.0.1", "127.0.0.1", sent)
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, sent)
        frames = read_count(live, 10)
        assert len(frames + read_for(live, 0.2)) == 10
    assert sorted(payload(frame) for _, frame, _ in frames) == sorted(2 * sent)


def test_interfaces_of_two_kinds(hosts: Network) -> None:
    """One decoder is for one link type."""
    with pytest.raises(CaptureError, match=r"different link types .lo: 1, any: 113"):
        opened(hosts.right, "lo,any")


def test_a_vlan_tag_is_in_the_frame(hosts: Network) -> None:
    """Where it was on the wire: the kernel takes it out, libpcap puts it back."""
    with opened(hosts.right, filter_text="vlan and udp port 5060") as live:
        with hosts.left.inside():
            send(hosts.left.vlan_ipv4(7), hosts.right.vlan_ipv4(7), numbered(1))
        [(_, frame, length)] = read_count(live, 1)
    assert frame[12:16] == b"\x81\x00\x00\x07"
    assert length == len(frame) == 14 + 4 + 20 + 8 + 200


def test_only_what_the_filter_lets_through(hosts: Network) -> None:
    """Also of what was on its way while the filter was set."""
    flood = hosts.left.command(
        *(sys.executable, "-c"),
        "import socket\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        f"while True: s.sendto(b'x' * 100, ('{hosts.right.ipv4}', 4000))",
    )
    with subprocess.Popen(flood) as sender:
        try:
            seen = 0
            while not seen:
                with opened(hosts.right, filter_text="udp port 4000") as live:
                    seen = len(read_for(live, 0.05))
            for _ in range(10):
                with opened(hosts.right) as live:
                    assert read_for(live, 0.03) == []
        finally:
            sender.kill()


def test_the_filter_is_in_the_kernel(hosts: Network) -> None:
    """What it rejects takes no room in the ring, which would not hold a tenth of this."""
    with opened(hosts.right, buffer_mb=1) as live:
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(20_000, 1_000), port=4000)
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(5))
        frames = read_count(live, 5)
        assert [payload(frame) for _, frame, _ in frames] == numbered(5)
        assert live.drops() == (0, 0)


def test_a_long_frame_is_cut(hosts: Network) -> None:
    """To -s bytes; how long it was is known."""
    with opened(hosts.right, snap_length=100) as live:
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(1, 1000))
        [(_, frame, length)] = read_count(live, 1)
    assert len(frame) == 100
    assert length == 14 + 20 + 8 + 1000


def test_a_frame_is_not_held_back(hosts: Network) -> None:
    """Though a ring block is far from full: the descriptor tells of it without more traffic."""
    with opened(hosts.right) as live:
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(1))
        assert select.select([live], [], [], 5)[0]
        assert len(live.read(10)) == 1


def test_read_gives_no_more_than_asked_and_never_waits(hosts: Network) -> None:
    """A worker has other things to do."""
    with opened(hosts.right) as live:
        assert live.read(10) == []
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(5))
        frames = read_count(live, 1)
        while len(frames) < 5:
            got = live.read(1)
            assert len(got) <= 1
            frames += got
        assert [payload(frame) for _, frame, _ in frames] == numbered(5)


def test_drops_are_counted(hosts: Network) -> None:
    """When nobody reads; and what is read and what was dropped is all there was."""
    count, size = 20_000, 1_000
    with opened(hosts.left, buffer_mb=1) as live:
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(count, size))
        frames = read_for(live, 0.3)
        kernel, interface = live.drops()
        assert kernel > 0
        assert interface == 0
        assert len(frames) + kernel == count
        assert live.drops() == (kernel, interface)
    assert live.drops() == (kernel, interface)


def test_promiscuous_or_not(hosts: Network) -> None:
    """As heplify: with -t pcap."""

    def flags() -> str:
        return hosts.right.run("ip", "-details", "link", "show", "veth0")

    with opened(hosts.right):
        assert "promiscuity 0" in flags()
    with opened(hosts.right, promiscuous=True):
        assert "promiscuity 1" in flags()


def test_no_such_interface(hosts: Network) -> None:
    """Says which ones there are."""
    with pytest.raises(CaptureError, match=r"no interface 'eth7'.*any, lo, .*veth0") as raised:
        opened(hosts.right, "eth7")
    assert "veth0.7" in str(raised.value)


def test_an_interface_that_is_down(hosts: Network) -> None:
    """Says what to do."""
    hosts.right.run("ip", "link", "set", "veth0", "down")
    with pytest.raises(CaptureError, match="ip link set veth0 up"):
        opened(hosts.right)


@pytest.mark.parametrize("text", ["udp prot 5060", "port 99999", "vlan and ("])
def test_a_bad_filter(hosts: Network, text: str) -> None:
    """Is named with the reason."""
    with pytest.raises(CaptureError, match=f"bad capture filter {re.escape(repr(text))}: .+"):
        opened(hosts.right, filter_text=text)


def with_capabilities(host: Host, capabilities: str) -> str:
    """What a process with no other capabilities gets when it opens the interface."""
    code = (
        "from agent.capture.live import Live\n"
        "from agent.capture.source import CaptureError\n"
        "try:\n"
        f"    live = Live('veth0', filter_text=lambda _: '', **{RING})\n"
        "    print(live.linktype)\n"
        "    live.close()\n"
        "except CaptureError as error:\n"
        "    print(error)\n"
    )
    limits = (f"--{kind}={capabilities}" for kind in ("inh-caps", "ambient-caps", "bounding-set"))
    command = host.command("setpriv", *limits, sys.executable, "-c", code)
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_without_permission(hosts: Network) -> None:
    """The message says what it takes."""
    said = with_capabilities(hosts.right, "-all")
    assert "no permission to capture on veth0" in said
    assert "AmbientCapabilities=CAP_NET_RAW" in said
    assert f"setcap cap_net_raw+ep {Path(sys.executable).resolve()}" in said


def test_cap_net_raw_is_enough(hosts: Network) -> None:
    """No other capability."""
    assert with_capabilities(hosts.right, "-all,+net_raw") == f"{ETHERNET}\n"


def test_an_interface_that_goes_down_and_up(
    hosts: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """Capture goes on when it is up again; the log says both."""
    with opened(hosts.right) as live, hosts.right.inside():
        hosts.right.run("ip", "link", "set", "veth0", "down")
        read_until(live, lambda _: "veth0 went down" in caplog.text)
        hosts.right.run("ip", "link", "set", "veth0", "up")
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(3))
        assert len(read_count(live, 3)) == 3


def test_an_interface_that_is_removed_and_comes_back(
    hosts: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """The descriptor stays the same, and so do the drops that were counted."""
    with opened(hosts.right, buffer_mb=1) as live, hosts.right.inside():
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(5_000, 1_000))
        read_for(live, 0.2)
        dropped, _ = live.drops()
        assert dropped > 0
        descriptor = live.fileno()
        hosts.cut()
        read_until(live, lambda _: live.due() is not None)
        assert "interface veth0: The interface disappeared; waiting for it" in caplog.text
        read_for(live, 1.0)
        hosts.lay()
        read_until(live, lambda _: live.due() is None)
        assert "interface veth0 is back" in caplog.text
        with hosts.left.inside():
            send(hosts.left.ipv4, hosts.right.ipv4, numbered(3))
        assert len(read_count(live, 3)) == 3
        assert live.fileno() == descriptor
        assert live.drops()[0] == dropped


def test_close_gives_everything_back(hosts: Network) -> None:
    """Also after an error, and twice."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with opened(hosts.right) as live:
        pass
    live.close()
    with suppress(CaptureError):
        opened(hosts.right, filter_text="no such word")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
