# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls through a real proxy: the agent beside it captures what its siptrace reports, byte for
byte, and the rows of the calls say the same."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from psycopg.rows import dict_row

from stack import proxy
from stack.demo.calls import SCENARIOS
from stack.ports import free_port
from stack.service import Services
from stack.trial import Trial
from tests.fix_agent import Agent
from tests.fix_network import Host, Network, network
from tests.system.phones import ANSWERS

TAG: Final = 77
MTU: Final = 1500
PROXY_PORT: Final = 5060
CALLEE_PORT: Final = 5080
"""The agent's -pr is 5060-5090 unless told otherwise."""
CALLS: Final = 3
"""Of each kind."""
MESSAGES: Final = 13
"""Of each call: every message enters and leaves the proxy, its own 100 only leaves."""
LONG: Final = 4000
"""Bytes of a header that makes an INVITE longer than a packet may be."""
TRACE_ID: Final = 2001
AGENT_ID: Final = 2002
_START_S: Final = 15.0
_CALL_S: Final = 60.0
_SETTLE_S: Final = 1.5
"""The row of a call follows its messages within a second."""


class Kind(NamedTuple):
    """Calls of one kind: both phones use the same transport, and addresses of one network."""

    name: str
    transport: str
    version: int
    vlan: int = 0
    is_long: bool = False

    def address(self, host: Host) -> str:
        """Where that host is called by them."""
        if self.vlan:
            return host.vlan_ipv4(TAG) if self.version == 4 else host.vlan_ipv6(TAG)
        return host.ipv4 if self.version == 4 else host.ipv6

    @property
    def mode(self) -> str:
        """SIPp's name of the transport: one socket for all calls."""
        return {"UDP": "u1", "TCP": "t1"}[self.transport]


KINDS: Final = tuple(
    Kind(f"{transport.lower()}{version}{suffix}", transport, version, vlan, is_long)
    for suffix, vlan, is_long in (("", 0, False), ("-vlan", TAG, False), ("-long", 0, True))
    for transport in ("UDP", "TCP")
    for version in (4, 6)
)


class Seen(NamedTuple):
    """A message as it was stored."""

    raw: bytes
    source: str
    destination: str
    src_port: int
    dst_port: int
    transport: str


class Captured(NamedTuple):
    """What a capture node has of all calls, by Call-ID."""

    messages: Mapping[str, Counter[Seen]]
    vlans: Mapping[str, set[int | None]]
    nodes: Mapping[str, set[str]]
    calls: Mapping[str, Mapping[str, Any]]


class Both(NamedTuple):
    """The same calls from two sides, and how the agent ended."""

    traced: Captured
    captured: Captured
    exit_status: int
    exit_line: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Phones on the left host; on the right one the proxy, the agent at its interface, and a
    capture node for each of the two.
    """
    directory = tmp_path_factory.mktemp("agent")
    with ExitStack() as stack:
        made = stack.enter_context(network(mtu=MTU, vlans=(TAG,)))
        stack.enter_context(made.right.inside())
        nodes = []
        for name in ("traced", "captured"):
            node = Trial(directory / name)
            stack.callback(node.stop)
            node.start_database()
            node.start_capture()
            nodes.append(node)
        traced, captured = nodes
        services = Services(directory)
        stack.callback(services.stop, 5)
        _start_callees(made.left, services)
        for name, vlan in (("proxy", 0), ("proxy-vlan", TAG)):
            kinds = [kind for kind in KINDS if kind.vlan == vlan]
            _start_proxy(made.right, services, name, kinds, traced.hep_port)
        agent = Agent(
            *(directory, "-i", made.right.interface, "-m", "SIP", "-vlan"),
            *("-hs", f"127.0.0.1:{captured.hep_port}", "-hi", str(AGENT_ID)),
        )
        stack.callback(agent.kill)
        agent.wait_for("capturing")
        _place(made, directory)
        status = agent.stop()
        yield Both(_read(traced), _read(captured), status, agent.exit_line)


def _start_callees(left: Host, services: Services) -> None:
    for kind in KINDS:
        if not kind.is_long:
            path = _scenario(services.directory, "uas_answer", "")
            command = ["sipp", "-sf", str(path), "-i", kind.address(left), "-t", kind.mode]
            command += ["-p", str(CALLEE_PORT), "-nostdin"]
            services.start(f"callee-{kind.name}", left.command(*command))


def _start_proxy(right: Host, services: Services, name: str, kinds: list[Kind], hep: int) -> None:
    """The example proxy on the addresses of these kinds, with callees on the caller's host."""
    text = proxy.NATIVE.read_text()
    for old, new in (
        ("$var(host) = $Ri;", "$var(host) = $si;"),
        ('"[" + $Ri + "]"', '"[" + $si + "]"'),
        ('include_file "trace.cfg"', f'include_file "{proxy.NATIVE.with_name("trace.cfg")}"'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    run = services.directory / name
    run.mkdir()
    config = run / "proxy.cfg"
    config.write_text(text)
    ipv4, ipv6 = sorted({kind.address(right) for kind in kinds})
    defines = (
        proxy.sockets(ipv4, PROXY_PORT)
        | proxy.control(free_port())
        | proxy.collector("127.0.0.1", hep)
        | {f"SIP_{name}6_SOCKET": f"{name}:[{ipv6}]:{PROXY_PORT}" for name in ("UDP", "TCP")}
        | {"CALLEE_PORT": CALLEE_PORT, "TRACE_EVERYTHING": "", "TRACE_CAPTURE_ID": TRACE_ID}
    )
    services.start(name, proxy.command(run, defines, config=config))
    deadline = time.monotonic() + _START_S
    while right.run("ss", "-Hlnt", f"src [{ipv6}]:{PROXY_PORT}").count("LISTEN") < 1:
        assert time.monotonic() < deadline, f"{name} does not start: {services.directory}"
        time.sleep(0.1)


def _place(made: Network, directory: Path) -> None:
    """All calls of all kinds at once."""
    callers = []
    for kind in KINDS:
        header = f"X-Long: {'long' * (LONG // 4)}\n" if kind.is_long else ""
        path = _scenario(directory, "uac_answered", header)
        target = f"{_bracketed(kind.address(made.right))}:{PROXY_PORT}"
        command = [
            *("sipp", target, "-sf", str(path), "-i", kind.address(made.left), "-t", kind.mode),
            *("-m", str(CALLS), "-r", "5", "-nostdin", "-timeout", str(int(_CALL_S))),
            *("-cid_str", f"{kind.name}-%u@agent", "-s", ANSWERS),
        ]
        with (directory / f"{kind.name}.log").open("wb") as log:
            callers.append(
                subprocess.Popen(
                    made.left.command(*command),
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )
    try:
        found = [caller.wait(_CALL_S) for caller in callers]
    finally:
        for caller in callers:
            caller.kill()
    assert found == [0] * len(KINDS), f"a call failed, see {directory}"


def _scenario(directory: Path, name: str, header: str) -> Path:
    """One of the demo's for any transport and address family, with a header in the INVITE."""
    text = (SCENARIOS / f"{name}.xml").read_text()
    text = text.replace("[local_port]>", "[local_port];transport=[transport]>")
    text = text.replace(";branch=[branch]", ";rport;branch=[branch]")
    text = text.replace("IN IP4", "IN IP[local_ip_type]")
    text = text.replace("CSeq: 1 INVITE\n", f"CSeq: 1 INVITE\n{header}", 1)
    path = directory / f"{name}{'-long' * bool(header)}.xml"
    if not path.exists():
        path.write_text(text)
    return path


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _read(node: Trial) -> Captured:
    """What the node has once nothing more comes; calls may have had retransmissions."""
    wanted = len(KINDS) * CALLS * MESSAGES
    with node.connect() as connection:
        deadline = time.monotonic() + _START_S
        count, before = 0, -1
        while (count < wanted or count > before) and time.monotonic() < deadline:
            time.sleep(_SETTLE_S)
            found = connection.execute("SELECT coalesce(sum(messages), 0) FROM call").fetchone()
            assert found
            count, before = int(found[0]), count
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("SELECT * FROM sip_message WHERE call_id LIKE '%@agent'")
            messages: dict[str, Counter[Seen]] = {}
            vlans: dict[str, set[int | None]] = {}
            nodes: dict[str, set[str]] = {}
            for row in rows.fetchall():
                call_id = row["call_id"]
                messages.setdefault(call_id, Counter())[
                    Seen(
                        *(bytes(row["raw"]), str(row["src_ip"]), str(row["dst_ip"])),
                        *(row["src_port"], row["dst_port"], row["transport"]),
                    )
                ] += 1
                vlans.setdefault(call_id, set()).add(row["vlan"])
                nodes.setdefault(call_id, set()).add(row["node"])
            calls = cursor.execute("SELECT * FROM call").fetchall()
    return Captured(messages, vlans, nodes, {row["call_id"]: row for row in calls})


def _call_ids(kind: Kind) -> list[str]:
    return [f"{kind.name}-{number}@agent" for number in range(1, CALLS + 1)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_agent_captures_what_siptrace_reports(both: Both, kind: Kind) -> None:
    """The same messages, as often, byte for byte, from and to the same addresses and ports."""
    for call_id in _call_ids(kind):
        traced, captured = both.traced.messages[call_id], both.captured.messages[call_id]
        assert traced.total() >= MESSAGES
        assert captured == _with_true_ports(traced, captured)


def _with_true_ports(traced: Counter[Seen], captured: Counter[Seen]) -> Counter[Seen]:
    """siptrace names the port that the proxy listens on in what it sends over a TCP connection
    that it has opened, and the true one in what it receives there.
    """
    true = {
        (message.transport, message.source, message.destination): message.dst_port
        for message in traced
        if message.src_port == CALLEE_PORT
    }
    assert len(true) <= 1, true
    assert all(message.src_port != CALLEE_PORT or captured[message] for message in traced)
    corrected: Counter[Seen] = Counter()
    for message, count in traced.items():
        place = (message.transport, message.destination, message.source)
        if message.dst_port == CALLEE_PORT:
            message = message._replace(src_port=true[place])  # noqa: PLW2901
        corrected[message] += count
    return corrected


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_calls_are_those_that_siptrace_gives(both: Both, kind: Kind) -> None:
    """Every column of their rows but clocks, and what follows from who captured."""
    for call_id in _call_ids(kind):
        traced, captured = both.traced.calls[call_id], both.captured.calls[call_id]
        assert _comparable(captured) == _comparable(traced)
        assert (captured["state"], captured["status"], captured["ended_by"]) == (
            *("completed", 200, "caller"),
        )
        assert captured["transport"] == kind.transport


def _comparable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times and durations only as there or not there: the two clocks look at different moments."""
    left_out = ("node", "seen", *(name for name in row if name.endswith("_id")))
    return {
        name: value is not None if isinstance(value, (datetime, float)) else value
        for name, value in row.items()
        if name not in left_out or name == "call_id"
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_messages_say_where_they_were_captured(both: Both, kind: Kind) -> None:
    """The agent's number (-hi), addresses of the right family, and the VLAN of the tag."""
    for call_id in _call_ids(kind):
        assert both.captured.nodes[call_id] == {str(AGENT_ID)}
        assert both.traced.nodes[call_id] == {str(TRACE_ID)}
        assert both.captured.vlans[call_id] == {kind.vlan or None}
        found = both.captured.messages[call_id]
        assert {ip_address(message.source).version for message in found} == {kind.version}
        assert {message.transport for message in found} == {kind.transport}
        assert any(len(message.raw) > MTU for message in found) is kind.is_long


def test_the_agent_counts_what_it_has_sent(both: Both) -> None:
    """Its exit line has every message, and none that was lost."""
    wanted = sum(found.total() for found in both.captured.messages.values())
    assert both.exit_status == 0
    numbers = re.findall(r"(\d+) (handed over|sent|unsent|lost)", both.exit_line)
    lost = ("0", "lost")
    assert numbers == [
        *(lost, (str(wanted), "handed over"), lost),
        *((str(wanted), "sent"), ("0", "unsent"), lost),
    ], both.exit_line
    assert "dropped before capture: 0;" in both.exit_line
