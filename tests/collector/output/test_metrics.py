# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures out of packets, and how Prometheus sees them."""

from __future__ import annotations

import socket
import time

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector import settings
from collector.journal.record import Record
from collector.output.fate import Fate
from collector.output.kpi import MAX_PENDING, Figures, q850_cause
from collector.output.label import OTHER
from collector.output.rtp_stat import parse_rtp_stat
from collector.peers import Peers
from collector.selection import Selection
from stack.ports import free_port
from tests.fix_output import OutputTrial, until
from tests.sip_text import packet, request

CARRIER, PBX, STRANGER = bytes((192, 0, 2, 1)), bytes((10, 0, 0, 5)), bytes((8, 8, 8, 8))
PEERS = ("carrier=192.0.2.0/24,2001:db8::/32", "pbx=10.0.0.5", "lan=10.0.0.0/8")


class Call:
    """Messages between two addresses, at chosen times."""

    def __init__(self, figures: Figures, source: bytes, destination: bytes, call_id: str) -> None:
        self.figures = figures
        self.ends = source, destination
        self.call_id = call_id

    def send(
        self, at: float, method: str, status: int = 0, *, number: int = 1, extra: str = ""
    ) -> None:
        """A request, or a response to it."""
        text = request(method, self.call_id, number=number, headers=extra)
        source, destination = self.ends
        if status:
            text = b"SIP/2.0 %d x\r\n" % status + text.partition(b"\r\n")[2]
            source, destination = destination, source
        data = packet(text, at=1_800_000_000 + at, src_ip=source, dst_ip=destination)
        assert self.figures.add(Record(0, bytes(16), 1, 0, data, 0)) is Fate.DELIVERED


@pytest.fixture
def figures() -> Figures:
    """Empty, with three peers."""
    loaded = settings.load(None, {"KEMISCOPE_CONFIG": "/dev/null"})
    return Figures(Peers(PEERS), Selection(loaded), 100)


def test_the_longest_prefix_names_a_peer() -> None:
    """IPv4 and IPv6; what is not named has no name."""
    peers = Peers(PEERS)
    for _ in range(2):  # looked up, and remembered
        assert peers.name(CARRIER) == "carrier"
        assert peers.name(PBX) == "pbx"
        assert peers.name(bytes((10, 0, 0, 6))) == "lan"
        assert peers.name(bytes.fromhex("20010db8" + 12 * "00")) == "carrier"
        assert peers.name(STRANGER) == ""
        assert peers.name(b"") == ""


def test_messages_count_for_both_ends(figures: Figures) -> None:
    """With direction; without a named end, as other. Unknown methods do not make series."""
    Call(figures, CARRIER, PBX, "a").send(0, "INVITE")
    Call(figures, CARRIER, PBX, "a").send(0, "INVITE", 486)
    Call(figures, STRANGER, PBX, "b").send(0, "NONSENSE")
    Call(figures, STRANGER, STRANGER, "c").send(0, "OPTIONS")
    assert {key: count.count for key, count in figures.messages.numbers.items()} == {
        ("carrier", "src", "INVITE", "INVITE"): 1,
        ("pbx", "dst", "INVITE", "INVITE"): 1,
        ("pbx", "src", "INVITE", "486"): 1,
        ("carrier", "dst", "INVITE", "486"): 1,
        ("pbx", "dst", OTHER, OTHER): 1,
        (OTHER, "", "OPTIONS", "OPTIONS"): 1,
    }


def test_session_request_delay(figures: Figures) -> None:
    """From the first INVITE to the first answer that is more than 100; for each leg its own."""
    call = Call(figures, CARRIER, PBX, "a")
    call.send(0.0, "INVITE")
    call.send(0.5, "INVITE")  # a retransmission
    call.send(0.6, "INVITE", 100)
    Call(figures, PBX, STRANGER, "a").send(0.7, "INVITE")  # the same call, one hop on
    Call(figures, PBX, STRANGER, "a").send(1.7, "INVITE", 180)
    call.send(2.0, "INVITE", 180)
    call.send(5.0, "INVITE", 200)
    found = figures.session_delays.numbers
    assert {key: round(item.total, 6) for key, item in found.items()} == {
        ("carrier", "src"): 2.0,
        ("pbx", "dst"): 2.0,
        ("pbx", "src"): 1.0,
    }
    assert sum(found["carrier", "src"].counts) == 1


def test_a_refused_call_has_no_delay_and_a_second_attempt_its_own(figures: Figures) -> None:
    """407, then the INVITE with credentials."""
    call = Call(figures, CARRIER, PBX, "a")
    call.send(0, "INVITE")
    call.send(3, "INVITE", 407)
    call.send(4, "INVITE", number=2)
    call.send(4.25, "INVITE", 200, number=2)
    assert figures.session_delays.numbers["pbx", "dst"].total == pytest.approx(0.25)


def test_registration_request_delay(figures: Figures) -> None:
    """REGISTER to 200, in seconds; the challenge does not count."""
    call = Call(figures, STRANGER, PBX, "a")
    call.send(0, "REGISTER")
    call.send(1, "REGISTER", 401)
    call.send(2, "REGISTER", number=2)
    call.send(2.125, "REGISTER", 200, number=2)
    assert figures.session_delays.numbers == {}
    (only,) = figures.registration_delays.numbers.items()
    assert only[0] == ("pbx", "dst")
    assert only[1].total == pytest.approx(0.125)
    assert only[1].counts == [0, 0, 0, 0, 1, *[0] * 8]


def test_requests_that_nobody_answers_are_forgotten(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By time and by number."""
    for number in range(50):
        Call(figures, CARRIER, PBX, f"old-{number}").send(0, "INVITE")
    Call(figures, CARRIER, PBX, "new").send(200, "INVITE")
    assert len(figures._pending) == 1
    monkeypatch.setattr("collector.output.kpi.MAX_PENDING", 20)
    for number in range(50):
        Call(figures, CARRIER, PBX, f"more-{number}").send(200, "INVITE")
    assert len(figures._pending) == 20 < MAX_PENDING


def test_series_are_bounded_and_nothing_is_left_uncounted(figures: Figures) -> None:
    """Beyond the limit the peer stays and the rest is other."""
    for status in range(100, 700):
        Call(figures, CARRIER, PBX, "a").send(0, "OPTIONS", status)
    numbers = figures.messages.numbers
    assert len(numbers) <= 102
    assert sum(count.count for count in numbers.values()) == 1200
    assert numbers["pbx", "src", OTHER, OTHER].count > 500


def test_nodes_are_bounded(figures: Figures) -> None:
    """Anybody can invent them."""
    for number in range(300):
        data = packet(b"x", type=100, node_name=b"node-%d" % number)
        figures.add(Record(0, bytes(16), 1, 0, data, 0))
    assert len(figures.packets.numbers) == 101
    assert figures.packets.numbers[OTHER, OTHER].count == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b'Reason: Q.850;cause=16;text="Normal"', 16),
        (b"Reason: SIP;cause=200, Q.850;cause=17", 17),
        (b"reason:q.850 ; cause = 34", 34),
        (b"Reason: SIP;cause=200\r\nReason: Q.850;cause=127", 127),
        (b"Reason: SIP;cause=487", None),
        (b"X-Reason: Q.850;cause=16", None),
        (b"Reason: Q.850;text=none", None),
    ],
)
def test_q850_causes(header: bytes, expected: int | None) -> None:
    """Of whichever Reason header has one (RFC 3326)."""
    assert q850_cause(b"BYE sip:a SIP/2.0\r\n" + header + b"\r\n\r\n") == expected


def test_hostile_headers_take_no_time() -> None:
    """Linear in what a packet can hold."""
    started = time.process_time()
    for text in (
        b"Reason:" + b"q.850" * 13_000,
        b"Reason: q.850\r\n" * 4000,
        b"X-RTP-Stat:" * 5000,
    ):
        assert q850_cause(text) is None
        assert parse_rtp_stat(text) == {}
    assert time.process_time() - started < 1


def test_quality_that_endpoints_report(figures: Figures) -> None:
    """In their BYE; seconds, shares and MOS."""
    stat = "X-RTP-Stat: CS=0;PS=1000;ES=10;PR=900;PL=15,4;JI=20,3;DL=40,41,42;IP=1.2.3.4:7\r\n"
    Call(figures, CARRIER, PBX, "a").send(0, "BYE", extra=stat)
    Call(figures, CARRIER, PBX, "a").send(0, "INVITE", extra=stat)
    key = ("carrier", "src", "x-rtp-stat")
    found = {name: item.numbers[key] for name, item in figures.quality.items() if item.numbers}
    assert {name: (item.count, round(item.total, 4)) for name, item in found.items()} == {
        "jitter": (1, 0.02),
        "latency": (1, 0.04),
        "loss": (1, 0.01),
        "mos": (1, 4.2992),
    }


def test_quality_in_reports(figures: Figures) -> None:
    """RTCP of any agent, rtpagent and the like: what measures, not what adds up."""
    rtcp = (
        b'{"ssrc":1,"type":200,"report_count":1,"report_blocks":[{"source_ssrc":2,'
        b'"fraction_lost":64,"packets_lost":7,"highest_seq_no":1,"ia_jitter":160,"lsr":0,"dlsr":0}]}'
    )
    for payload in (rtcp, rtcp, b"{}", b"nonsense"):
        data = packet(payload, type=5, src_ip=CARRIER, dst_ip=STRANGER)
        assert figures.add(Record(0, bytes(16), 1, 0, data, 0)) is Fate.DELIVERED
    found = {name: series.numbers for name, series in figures.quality.items() if series.numbers}
    assert {name: list(numbers) for name, numbers in found.items()} == {
        "loss": [("carrier", "src", "rtcp")],
        "jitter_units": [("carrier", "src", "rtcp")],
    }
    loss, jitter = found["loss"], found["jitter_units"]
    assert (loss["carrier", "src", "rtcp"].count, loss["carrier", "src", "rtcp"].total) == (2, 0.5)
    assert jitter["carrier", "src", "rtcp"].total == 320


@pytest.mark.parametrize(
    "header",
    [b"", b"X-RTP-Stat: ", b"X-RTP-Stat: JI=x", b"X-RTP-Stat: JI=99999999", b"X-RTP-Stat: PL=1,1"],
)
def test_quality_that_cannot_be_read(header: bytes) -> None:
    """Nothing, rather than nonsense."""
    assert parse_rtp_stat(b"BYE sip:a SIP/2.0\r\n" + header + b"\r\n\r\n") == {}


async def test_what_prometheus_gets(output_trial: OutputTrial) -> None:
    """Counters, histograms with their buckets, summaries."""
    port = free_port()
    output_trial.configure(METRICS_LISTEN=f"127.0.0.1:{port}", METRICS_PEERS='["callers=10.1.2.3"]')
    output_trial.send(1300)
    output_trial.append(b"not HEP")
    async with output_trial.running() as (output,), aiohttp.ClientSession() as http:
        await until(lambda: sum(output.backlog.state.fates.values()) == 1301, "the counts")
        assert output.backlog.state.fates == {Fate.DELIVERED: 1300, Fate.MALFORMED: 1}
        async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            families = {
                family.name: family
                for family in text_string_to_metric_families(await answer.text())
            }
    assert families["kemiscope_hep_packets"].type == "counter"
    (packets,) = families["kemiscope_hep_packets"].samples
    assert packets.labels == {"node": "2001", "type": "sip"}
    assert packets.value == 1300
    delay = families["kemiscope_sip_session_request_delay_seconds"]
    assert delay.type == "histogram"
    last = [sample for sample in delay.samples if sample.labels.get("le") == "+Inf"]
    counts = [sample for sample in delay.samples if sample.name.endswith("_count")]
    assert [sample.value for sample in last] == [sample.value for sample in counts]
    assert families["kemiscope_quality_mos"].type == "summary"


async def test_a_port_that_is_taken_is_tried_again(output_trial: OutputTrial) -> None:
    """The state says why; nothing is counted meanwhile, nothing lost."""
    port = free_port()
    output_trial.configure(METRICS_LISTEN=f"127.0.0.1:{port}")
    output_trial.send(10)
    with socket.create_server(("127.0.0.1", port)) as holder:
        async with output_trial.running() as (output,):
            await until(lambda: "in use" in output.backlog.state.last_error, "the failure")
            assert output.backlog.state.fates == {}
            holder.close()
            await until(lambda: output.backlog.state.fates == {Fate.DELIVERED: 10}, "the counts")
