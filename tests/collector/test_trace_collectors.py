# SPDX-License-Identifier: GPL-2.0-or-later
"""Several collectors: which there are, and which one a call goes to."""

from __future__ import annotations

import subprocess
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import SettingsError
from collector.hep import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_TLS, PROTOCOL_UDP
from collector.trace_collectors import (
    MAX_COLLECTORS,
    Collector,
    Mode,
    Socket,
    in_turn,
    parse_collectors,
    parse_mode,
    parse_socket,
    ranking,
)
from stack.service import ROOT

collectors = st.lists(
    st.builds(
        Collector, st.ip_addresses().map(str), st.integers(min_value=1, max_value=(1 << 16) - 1)
    ),
    min_size=1,
    max_size=MAX_COLLECTORS,
    unique=True,
)


def test_a_list_is_read() -> None:
    """IPv4, IPv6 in brackets, blanks after commas."""
    assert parse_collectors("192.0.2.10:9060, [2001:DB8::10]:9061") == (
        Collector("192.0.2.10", 9060),
        Collector("2001:db8::10", 9061),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "192.0.2.10", "192.0.2.10:", ":9060", "node1:9060", "192.0.2.10:0"),
        *("192.0.2.10:65536", "192.0.2.10:9060,", "192.0.2.10:9060,192.0.2.10:9060"),
        ",".join(f"192.0.2.10:{port}" for port in range(1, MAX_COLLECTORS + 2)),
    ],
)
def test_what_is_no_list_is_refused(text: str) -> None:
    """With the name of the definition. A name would be looked up on the call path."""
    with pytest.raises(SettingsError, match="TRACE_COLLECTORS"):
        parse_collectors(text)


def test_a_mode_is_read() -> None:
    """Two words and no other."""
    assert parse_mode("spread") is Mode.SPREAD
    with pytest.raises(SettingsError, match="failover, spread"):
        parse_mode("Spread")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp:192.0.2.1:5060", Socket(PROTOCOL_UDP, bytes([192, 0, 2, 1]), 5060)),
        ("tcp:192.0.2.1:5060", Socket(PROTOCOL_TCP, bytes([192, 0, 2, 1]), 5060)),
        ("sctp:192.0.2.1:5060", Socket(PROTOCOL_SCTP, bytes([192, 0, 2, 1]), 5060)),
        ("tls:[::1]:5061", Socket(PROTOCOL_TLS, bytes(15) + b"\1", 5061)),
        ("wss:::1:443", Socket(PROTOCOL_TLS, bytes(15) + b"\1", 443)),
        ("any:255.255.255.255:5060", Socket(PROTOCOL_UDP, b"\xff" * 4, 5060)),
    ],
)
def test_the_end_of_a_way_is_read(text: str, expected: Socket) -> None:
    """As siptrace and the pseudo-variables write it."""
    assert parse_socket(text) == expected


@given(collectors, st.binary(max_size=100), st.randoms())
def test_proxies_agree_in_whatever_order_they_list(
    listed: list[Collector], call_id: bytes, random: Random
) -> None:
    """A call that passes two proxies is at one collector."""
    other = random.sample(listed, len(listed))
    ranked = [listed[n] for n in ranking(Mode.SPREAD, listed, call_id)]
    assert ranked == [other[n] for n in ranking(Mode.SPREAD, other, call_id)]
    assert sorted(ranked) == sorted(listed)


@given(collectors.filter(lambda listed: len(listed) > 1), st.binary(max_size=100), st.data())
def test_a_collector_that_goes_moves_its_own_calls_only(
    listed: list[Collector], call_id: bytes, data: st.DataObject
) -> None:
    """The call of another one stays where it is."""
    gone = data.draw(st.integers(min_value=0, max_value=len(listed) - 1))
    ranked = ranking(Mode.SPREAD, listed, call_id)
    chosen = in_turn(ranked, {gone})[0]
    assert chosen != gone
    assert ranked[0] in (chosen, gone)


def test_calls_are_spread_evenly() -> None:
    """Each of three has a third, within a twentieth."""
    listed = [Collector("192.0.2.1", port) for port in (9060, 9061, 9062)]
    calls = 6_000
    count = Counter(ranking(Mode.SPREAD, listed, b"%d@a" % n)[0] for n in range(calls))
    assert sorted(count) == [0, 1, 2]
    assert max(abs(found - calls / 3) for found in count.values()) < calls / 20


def test_fail_over_takes_the_first_that_is_up() -> None:
    """And, when all are down, the first: somebody has to find out that it is back."""
    listed = parse_collectors("192.0.2.1:1,192.0.2.2:2,192.0.2.3:3")
    ranked = ranking(Mode.FAILOVER, listed, b"a@b")
    assert ranked == [0, 1, 2]
    assert in_turn(ranked, set()) == [0, 1, 2, 0]
    assert in_turn(ranked, {0}) == [1, 2, 0]
    assert in_turn(ranked, {0, 1, 2}) == [0]


def test_a_proxy_needs_no_libraries() -> None:
    """What it runs works in the distribution's Python, without our virtual environment."""
    modules = ("kemi.edge.proxy", "kemi.edge.collectors", "collector.trace_probe")
    program = f"""
import sys, types
sys.path.insert(0, {str(ROOT)!r})
ksr = types.ModuleType("KSR")
ksr.__getattr__ = lambda name: print
sys.modules["KSR"] = ksr
for name in {modules!r}:
    __import__(name)
print(*sorted(sys.modules))
"""
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert {"collector.hep", *modules} <= loaded
    # Kamailio's workers can have no threads, and nothing slow to start.
    assert not loaded & {"asyncio", "psycopg", "ssl"}
