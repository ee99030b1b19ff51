# SPDX-License-Identifier: GPL-2.0-or-later
"""Hostile packets among good ones: the good are stored, each of the others is accounted for."""

from __future__ import annotations

import socket
import time

from collector.hep import TYPE_LOG, TYPE_SIP
from stack.trial import Trial
from tests.hep_bytes import hep1, hep2
from tests.sip_text import packet, request
from tests.system.counts import node, wait_until_all_stored

GOOD = 10_000
LARGEST_DATAGRAM = 65_507


def test_odd_packets_among_ten_thousand_good_ones(running: Trial) -> None:
    """Undecodable, NUL, invalid UTF-8, 65,507 bytes, 1970, 2099: nothing stops or hides."""
    header = len(packet(b""))
    room = LARGEST_DATAGRAM - header - len(request(call_id="large@odd", body=bytes(10_000)))
    large = request(call_id="large@odd", body=b"b" * (10_000 + room))
    odd = [
        b"HEP3\xff\xffthis is not what the header says it is",
        packet(request(call_id="nul\0inside@odd")),
        packet(request(call_id="utf8__@odd").replace(b"__", b"\xff\xfe")),
        packet(large),
        packet(request(call_id="1970@odd"), at=1.5),
        packet(request(call_id="2099@odd"), at=4_080_000_000.25),
    ]
    assert len(odd[3]) == LARGEST_DATAGRAM
    before = node(running)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.hep_port))
        for number in range(GOOD):
            if number % (GOOD // len(odd)) == 0 and number // (GOOD // len(odd)) < len(odd):
                sender.send(odd[number // (GOOD // len(odd))])
            sender.send(packet(request(call_id=f"good-{number}@hostile", number=number + 1)))
            if number % 100 == 0:
                time.sleep(0.002)

    wanted = before["received"] + GOOD + len(odd)
    wait_until_all_stored(running, wanted)
    after = node(running)
    assert after["received"] == wanted
    assert after["unaccounted"] == 0
    assert after["stored"] - before["stored"] == GOOD + 5
    assert after["hep_length"] - before["hep_length"] == 1
    with running.connect() as connection:
        good = connection.execute(
            "SELECT count(*), count(DISTINCT call_id) FROM sip_message"
            " WHERE call_id LIKE 'good-%@hostile' AND fault IS NULL"
        ).fetchone()
        assert good == (GOOD, GOOD)
        rows = connection.execute(
            "SELECT call_id, fault, length(raw), sender_ts::text, now() - ts < interval '1 hour'"
            " FROM sip_message WHERE call_id LIKE '%@odd' ORDER BY call_id"
        ).fetchall()
    assert rows == [
        ("1970@odd", None, len(request(call_id="1970@odd")), "1970-01-01 00:00:01.5+00", True),
        ("2099@odd", None, len(request(call_id="2099@odd")), "2099-04-16 05:20:00.25+00", True),
        ("large@odd", None, LARGEST_DATAGRAM - header, None, True),
        ("nul\ufffdinside@odd", "text", len(request(call_id="nul inside@odd")), None, True),
        ("utf8\ufffd\ufffd@odd", "text", len(request(call_id="utf8__@odd")), None, True),
    ]
    assert running.kamailio is not None
    assert running.kamailio.process is not None
    assert running.kamailio.process.poll() is None


def test_a_refused_packet_is_kept_in_quarantine(running: Trial) -> None:
    """What cannot be decoded can be looked at, byte for byte, with the reason."""
    bad = packet(request(call_id="quarantine@odd"))[:-3]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(bad, ("127.0.0.1", running.hep_port))
        running.wait(lambda: _quarantined(running, bad), "the packet in quarantine")


def test_other_hep_types_and_keepalives_are_counted(running: Trial) -> None:
    """A log line is stored, and what keeps a connection alive is counted."""
    before = node(running)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.hep_port))
        sender.send(packet(b"a line of a log", type=TYPE_LOG))
        sender.send(packet(b"HEP3\x03\x0a", type=0))
        sender.send(packet(b"\r\n\r\n", type=TYPE_SIP))
    running.wait(lambda: node(running)["keepalive"] >= before["keepalive"] + 2, "the counters")
    after = node(running)
    assert after["stored"] - before["stored"] == 1
    with running.connect() as connection:
        events = connection.execute("SELECT type, payload FROM hep_event").fetchall()
    assert events == [(TYPE_LOG, b"a line of a log")]
    assert after["keepalive"] - before["keepalive"] == 2
    assert after["unaccounted"] == 0


def test_plain_sip_on_the_hep_port_is_rejected_by_name(running: Trial) -> None:
    """A proxy that sends SIP instead of HEP is told apart, whether request or response."""
    before = node(running)
    response = request().replace(b"INVITE sip:bob@example.com SIP/2.0", b"SIP/2.0 200 OK")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.hep_port))
        sender.send(request())
        sender.send(response)
    running.wait(lambda: node(running)["not_hep"] >= before["not_hep"] + 2, "the counter")
    assert node(running)["unaccounted"] == 0


def test_what_kamailio_itself_would_throw_away_is_received(running: Trial) -> None:
    """HEPv1 and HEPv2 pass for a SIP request to its core, which wants a Via that it can read."""
    before = node(running)
    without_via = b"INVITE sip:bob@example.com SIP/2.0\r\nCall-ID: %b\r\nCSeq: 1 INVITE\r\n\r\n"
    bad_via = request(call_id="v2-bad-via@odd").replace(b"SIP/2.0/UDP", b"SIP/2.0/")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.hep_port))
        sender.send(hep1(without_via % b"v1-no-via@odd"))
        sender.send(hep2(bad_via))
        sender.send(without_via % b"plain@odd")
    running.wait(lambda: node(running)["stored"] >= before["stored"] + 2, "both messages")
    running.wait(lambda: node(running)["not_hep"] > before["not_hep"], "the counter")
    with running.connect() as connection:
        found = connection.execute(
            "SELECT call_id FROM sip_message WHERE call_id LIKE 'v_-%-via@odd' ORDER BY call_id"
        ).fetchall()
    assert found == [("v1-no-via@odd",), ("v2-bad-via@odd",)]
    after = node(running)
    assert after["received"] - before["received"] == 3, "none is received twice"
    assert after["unaccounted"] == 0


def test_a_large_packet_full_of_nul_bytes_is_dropped_by_name(running: Trial) -> None:
    """What Kamailio cannot hand over is counted, and the worker goes on at once."""
    before = node(running)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", running.hep_port))
        sender.send(b"HEP3\xff\xe3" + bytes(LARGEST_DATAGRAM - 6))
        sender.send(packet(request(call_id="after-nuls@odd")))
    running.wait(lambda: node(running)["stored"] > before["stored"], "the message behind it")
    running.wait(lambda: node(running)["unreadable"] > before["unreadable"], "the counter")
    assert node(running)["unaccounted"] == 0


def _quarantined(trial: Trial, data: bytes) -> bool:
    with trial.connect() as connection:
        found = connection.execute(
            "SELECT cause FROM quarantine WHERE packet = %s", (data,)
        ).fetchone()
    return found == ("hep_length",)
