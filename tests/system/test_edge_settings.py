# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user can define, and routes that a user calls."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from collector.trace_rule import ROUTE_ID
from stack.proxy import KEMI
from stack.service import ROOT
from tests.system.conversation import ANSWERS, as_seen, conversation
from tests.system.edge import V4, Edge, rules

_ANSWERED = (
    *(">INVITE", "<|100 INVITE", "<180 INVITE", "<200 INVITE", ">ACK"),
    *(">BYE", "<200 BYE"),
)
_OWN_CFG = """\
#!KAMAILIO
#!define WITH_TRACE_CONTROL
debug=1
children=2
listen=SIP_SOCKET
listen=CONTROL_SOCKET
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "maxfwd.so"
include_file "{root}/kemi/edge/trace.cfg"
#!ifdef OWN_SCRIPT
loadmodule "app_python3.so"
modparam("app_python3", "load", OWN_SCRIPT)
cfgengine "python"
#!else
request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if ($rU == "wanted") {{
        route(TRACE_CALL);
    }}
    $var(trace_log) = "seen";
    route(TRACE_LOG);
    sl_send_reply("486", "Busy Here");
}}
#!endif
"""
_OWN_SCRIPT = """\
import sys

import KSR

sys.path.insert(0, "{root}")
from kemi.edge import trace


def mod_init():
    return Routes()


class Routes:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        if KSR.maxfwd.process_maxfwd(10) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            return 1
        if KSR.pv.get("$rU") == "wanted":
            trace.ksr_route_trace_call(msg)
        trace.ksr_route_trace_log(msg, "seen")
        KSR.sl.sl_send_reply(486, "Busy Here")
        return 1

    def ksr_onsend_route(self, msg):
        return 1
"""


def test_a_script_can_trace_a_call_without_a_rule(config: Path, tmp_path: Path) -> None:
    """route(TRACE_CALL), in a configuration of somebody's own; at the first request and later."""
    own = tmp_path / "own.cfg"
    own.write_text(_OWN_CFG.format(root=ROOT))
    defines = {}
    if config == KEMI:
        script = tmp_path / "own.py"
        script.write_text(_OWN_SCRIPT.format(root=ROOT))
        defines = {"OWN_SCRIPT": f'"{script}"'}
    with Edge(tmp_path / "edge", config=own, defines=defines) as edge, edge.calls() as phone:
        wanted, within, other = (edge.new_call_id() for _ in range(3))
        inside = {"call_id": within, "to": "<sip:wanted@x>;tag=there"}
        requests = [
            phone.request("INVITE", "other", call_id=other),
            phone.request("INVITE", "wanted", call_id=wanted),
            phone.request("INVITE", "wanted", **inside),
            phone.request("BYE", "other", **inside, cseq=2),
        ]
        found = ["INVITE", "486 INVITE"] * 2 + ["BYE", "486 BYE"]
        assert edge.traced(requests) == sorted(found)
        edge.answer(requests[1:2])
        logs = [packet.payload for packet in edge.collector.packets() if packet.type == 100]
        assert logs == [b"seen"]
        assert edge.table("trace_count") == {str(ROUTE_ID): 2}
        assert edge.table("trace_call") == {wanted: ROUTE_ID, within: -ROUTE_ID}


def test_everything_always(config: Path, tmp_path: Path) -> None:
    """TRACE_EVERYTHING needs no rule, and a rule changes nothing."""
    with Edge(tmp_path, config=config, defines={"TRACE_EVERYTHING": ""}) as edge:
        edge.collector.packets()
        for _ in range(2):
            with conversation(edge) as call:
                call.answer(call.begin())
                call.hang_up()
                expected = call.seen(*_ANSWERED)
                assert as_seen(edge.collector.messages(len(expected))) == sorted(expected)
            edge.put("all", next(iter(rules(("all", "*")))).item_value())
            edge.set_kinds(2048)


def test_the_capture_password_and_the_socket(tmp_path: Path) -> None:
    """TRACE_PASSWORD is chunk 14; TRACE_SOCKET is where HEP comes from."""
    edge = Edge(tmp_path)
    edge.define("TRACE_PASSWORD", '"open sesame"')
    edge.define("TRACE_SOCKET", f'"sip:{V4}:{edge.port}"')
    with edge:
        edge.rule(*rules(("all", "*")))
        with edge.calls() as phone:
            edge.answer([phone.request("INVITE", "1", call_id=edge.new_call_id())])
        packets = edge.collector.packets(2)
    assert {packet.auth_key for packet in packets} == {b"open sesame"}
    assert edge.collector.senders == {(V4, edge.port)}


def test_a_wildcard_socket_does_not_know_its_address(tmp_path: Path) -> None:
    """What docs/kamailio.md says about 0.0.0.0."""
    edge = Edge(tmp_path)
    edge.define("SIP_SOCKET", f"udp:0.0.0.0:{edge.port}")
    with edge:
        edge.rule(*rules(("all", "*")))
        with edge.calls() as phone:
            phone.exchange(phone.request("INVITE", "1", call_id=edge.new_call_id()).encode())
            sent, received = sorted(edge.collector.messages(2))
            here = f"{V4}:{phone.port}"
    assert (received.source, sent.destination) == (here, here)
    assert (received.destination, sent.source) == (f"0.0.0.0:{edge.port}",) * 2


@pytest.mark.parametrize("acknowledged", [True, False])
def test_the_end_of_calls_can_be_defined(tmp_path: Path, *, acknowledged: bool) -> None:
    """TRACE_ANSWERED_S: an answered call of which nothing is heard is forgotten."""
    with Edge(tmp_path, defines={"TRACE_ANSWERED_S": 1}) as edge:
        edge.rule(*rules(("request_user", ANSWERS)))
        with conversation(edge) as call:
            call.answer(call.begin(), acknowledged=acknowledged)
            assert len(edge.collector.messages(7)) == (9 if acknowledged else 7)
            time.sleep(2.1)
            call.hang_up()
        assert edge.collector.packets() == []
