# SPDX-License-Identifier: GPL-2.0-or-later
"""No data, and nothing says why: in every such situation ``doctor`` names the cause.

The rows are those of the list of pains that users of other systems have had. Why packets are
rejected is in ``test_no_data_rejects``.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

import psycopg
import pytest

from stack.ports import free_port
from stack.service import ROOT
from stack.trial import Trial
from tests.fix_trial import MakeTrial
from tests.hep_bytes import hep2
from tests.sip_text import packet, request
from tests.system.counts import wait_until_all_stored
from tests.system.diagnosis import doctor, wait_for

HOUR_S: Final = 3600.0


def _send(port: int, packets: Sequence[bytes], source: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for number, data in enumerate(packets):
            sender.sendto(data, ("127.0.0.1", port))
            if number % 50 == 49:
                time.sleep(0.002)


def _calls(name: str, count: int, *, at: float | None = None) -> list[bytes]:
    return [packet(request(call_id=f"{n}@{name}", number=n + 1), at=at) for n in range(count)]


def test_row_2_the_database_starts_after_the_capture_node(make_trial: MakeTrial) -> None:
    """Row 2, as after a reboot: refused connection, then no schema, then everything is stored."""
    trial = make_trial()
    trial.start_capture()
    _send(trial.hep_port, _calls("reboot", 50))
    report = wait_for(trial, "journal", "warn", "storing has paused")
    assert report.says("database", "fail", "refused", "the journal keeps everything")
    assert report.says("journal", "ok", "about 50 packets wait")
    assert report.status == 1
    trial.start_database(migrate=False)
    wait_for(trial, "database", "fail", "python -m collector init-db")
    trial.migrate()
    wait_until_all_stored(trial, 50)
    report = wait_for(trial, "messages", "ok", "50 INVITE")
    assert report.status == 0


def test_row_3_the_sender_has_another_port(make_trial: MakeTrial) -> None:
    """Row 3: all runs, and nothing has ever arrived."""
    trial = make_trial()
    trial.start_database()
    trial.start_capture()
    _send(free_port(socket.SOCK_DGRAM), _calls("elsewhere", 5))
    report = wait_for(trial, "packets", "warn", "none has ever arrived", "address and port")
    assert report.says("sockets", "ok", f"udp:127.0.0.1:{trial.hep_port} listens")
    assert report.says("sockets", "note", "only packets of this host", "udp:0.0.0.0:9060")
    assert report.says("messages", "note", "none is stored yet")


def test_row_3_the_capture_node_does_not_run(make_trial: MakeTrial) -> None:
    """Row 3: nobody listens where senders send."""
    trial = make_trial()
    trial.start_database()
    report = doctor(trial)
    assert report.status == 1
    assert report.says("sockets", "fail", "nobody listens", "hep.listen")
    assert report.says("processes", "fail", "no UDP worker runs", "start the capture Kamailio")


def test_row_3_an_agent_of_another_version(running: Trial) -> None:
    """Row 3: HEPv2 is taken like HEPv3, and the report says who speaks what."""
    _send(running.hep_port, [hep2(request(call_id="v2@versions"))])
    _send(running.hep_port, _calls("v3", 1))
    # Its time is years ago, and that is said as well.
    wait_for(running, "senders", "warn", "127.0.0.1", "HEPv2: ", "its clock is")
    wait_for(running, "senders", "ok", "127.0.0.1", "HEPv3: ")


def test_row_3_something_else_is_sent_to_the_port(running: Trial) -> None:
    """Row 3: SIP, not HEP."""
    _send(running.hep_port, [request(call_id="plain@sip")], "127.0.0.5")
    wait_for(running, "senders", "warn", "127.0.0.5", "not HEP", "something else sends")


def test_row_3_the_wrong_time_or_tab_is_searched(make_trial: MakeTrial) -> None:
    """Row 3: what there is, by method; or of when, if there is nothing of the last hour."""
    trial = make_trial(clock={"accept_past": 24 * HOUR_S})
    trial.start_database()
    trial.start_capture()
    _send(trial.hep_port, _calls("old", 3, at=time.time() - 5 * HOUR_S))
    wait_for(trial, "messages", "note", "none of the last hour", "5.0 h ago", "with a longer range")
    register = packet(request("REGISTER", "registration@tab"))
    _send(trial.hep_port, [register])
    report = wait_for(trial, "messages", "ok", "of the last hour: 1 REGISTER")
    assert not report.says("messages", "ok", "INVITE")


def test_row_3_filters_keep_everything_away(make_trial: MakeTrial) -> None:
    """Row 3: nothing is lost, it is not wanted, by this setting."""
    trial = make_trial(filter={"discard_methods": ["INVITE"]})
    trial.start_database()
    trial.start_capture()
    _send(trial.hep_port, _calls("unwanted", 7))
    report = wait_for(trial, "balance", "note", "7 filter_method: filter.discard_methods")
    assert report.says("balance", "ok", "0 stored + 7 filtered")


def test_row_5_the_disk_of_the_journal_is_full(make_trial: MakeTrial) -> None:
    """Row 5: what cannot be kept is counted, and the setting is named that would not let it."""
    trial = make_trial(journal={"min_free_bytes": "1000TiB"})
    trial.start_database()
    trial.start_capture()
    _send(trial.hep_port, _calls("full", 9))
    wait_for(trial, "packets", "warn", "9 disk_full", "journal.min_free_bytes")


def test_row_5_the_tables_are_larger_than_they_may_be(make_trial: MakeTrial) -> None:
    """Row 5: a limit that what comes in does not leave room for, with the command that shows it."""
    trial = make_trial(retention={"max_bytes": "1MiB"})
    trial.start_database()
    trial.start_capture()
    body = bytes(3000)
    _send(trial.hep_port, [packet(request(call_id=f"{n}@large", body=body)) for n in range(800)])
    wait_until_all_stored(trial, 800)
    report = wait_for(trial, "disk", "fail", "retention.max_bytes")
    assert report.status == 1
    wait_for(trial, "disk", "warn", "too small for what comes in", "retention --dry-run")


def test_row_5_nothing_limits_the_tables(make_trial: MakeTrial) -> None:
    """Row 5: age alone does not keep a disk from filling up."""
    trial = make_trial(retention={"max_disk_percent": 0})
    trial.start_database()
    trial.start_capture()
    wait_for(trial, "disk", "warn", "by age only", "set retention.max_bytes")


def test_row_7_no_partition_for_now(make_trial: MakeTrial) -> None:
    """Row 7: somebody's lock keeps it from being made; rows are stored all the same, and move."""
    trial = make_trial()
    trial.start_database()
    with trial.connect() as other:
        other.autocommit = False
        other.execute("LOCK TABLE sip_message_call IN SHARE UPDATE EXCLUSIVE MODE")
        trial.start_capture()
        _send(trial.hep_port, _calls("partition", 20))
        report = wait_for(
            trial, "partitions", "warn", "sip_message_call_default holds", "the log of ingest"
        )
        assert report.says("partitions", "warn", "sip_message_call has none for the next")
        wait_until_all_stored(trial, 20)
        other.rollback()
    # It would be tried again within a minute; a new process tries at once.
    assert trial.kamailio
    trial.kamailio.stop()
    trial.start_capture()
    wait_for(trial, "partitions", "ok", "sip_message_call: ", "ready for the next")
    trial.wait(
        lambda: not doctor(trial).says("partitions", "warn", "sip_message_call_default"),
        "the rows to move",
        timeout_s=60,
    )


def test_row_8_the_database_goes_away(make_trial: MakeTrial) -> None:
    """Row 8: how much waits and since when; afterwards nothing is missing."""
    trial = make_trial()
    trial.start_database()
    trial.start_capture()
    _send(trial.hep_port, _calls("before", 30))
    wait_until_all_stored(trial, 30)
    trial.cluster.stop()
    _send(trial.hep_port, _calls("away", 40))
    report = wait_for(trial, "journal", "warn", "storing has paused; it last worked")
    assert report.says("database", "fail", "refused", "until then the journal keeps everything")
    assert report.says("senders", "ok", "127.0.0.1", "HEPv3")
    trial.start_database()
    wait_until_all_stored(trial, 70)
    report = wait_for(trial, "messages", "ok", "70 INVITE")
    assert report.says("balance", "ok", "70 received = 0 waiting + 70 stored")


def test_row_8_the_journal_fills_up_meanwhile(make_trial: MakeTrial) -> None:
    """Row 8: when an outage is too long for journal.max_bytes, that is what it says."""
    trial = make_trial(journal={"max_bytes": "2MiB", "segment_bytes": "256KiB"})
    trial.start_capture()
    body = bytes(5000)
    _send(trial.hep_port, [packet(request(call_id=f"{n}@full", body=body)) for n in range(800)])
    report = wait_for(trial, "packets", "warn", "journal_full", "journal.max_bytes")
    assert report.says("database", "fail", "refused")


@pytest.mark.parametrize(
    ("hours", "text"), [(3, "its clock is 3.0 h ahead"), (-40 * 24, "its clock is 40.0 d behind")]
)
def test_row_27_a_clock_is_wrong(running: Trial, hours: int, text: str) -> None:
    """Row 27: the message is there, by its time of arrival, and no partition of that time."""
    source = f"127.0.1.{hours % 250}"
    _send(running.hep_port, _calls(f"clock{hours}", 1, at=time.time() + hours * HOUR_S), source)
    wait_for(running, "senders", "warn", source, text, "set its clock by NTP")
    with running.connect() as connection:
        row = connection.execute(
            "SELECT now() - ts < interval '1 minute', sender_ts IS NOT NULL"
            " FROM sip_message WHERE call_id = %s",
            (f"0@clock{hours}",),
        ).fetchone()
    assert row == (True, True)


def test_row_33_one_address_for_several_senders(running: Trial) -> None:
    """Row 33: behind NAT senders are told apart by their capture id or node name."""
    for name in (b"pod-a", b"pod-b"):
        _send(running.hep_port, [packet(request(call_id="x@nat"), node_name=name)], "127.0.0.7")
    wait_for(running, "senders", "ok", "127.0.0.7 node pod-a HEPv3: 1 packets")
    wait_for(running, "senders", "ok", "127.0.0.7 node pod-b HEPv3: 1 packets")


def test_row_33_a_list_in_the_environment(running: Trial) -> None:
    """Row 33: lists are written with commas; what cannot be one is named before anything starts."""
    name = "KEMISCOPE_SENDERS_NETWORKS"
    assert doctor(running, {name: "192.0.2.0/24, 2001:db8::7"}).status == 0
    done = subprocess.run(
        [sys.executable, "-m", "collector", "doctor"],
        cwd=ROOT,
        env={**running.environment, name: "['192.0.2.0/24'"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "senders.networks" in done.stderr or name in done.stderr
    assert done.stdout == ""


def test_row_33_the_password_of_the_database_has_changed(make_trial: MakeTrial) -> None:
    """Row 33: data stops; the report has the server's own words, and nothing needs a restart."""
    trial = make_trial()
    trial.start_database()
    trial.start_capture()
    with psycopg.connect(trial.cluster.dsn("kemiscope_admin"), autocommit=True) as admin:
        admin.execute("ALTER ROLE kemiscope_writer NOLOGIN")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'kemiscope_writer'"
        )
        _send(trial.hep_port, _calls("rotated", 5))
        wait_for(trial, "database", "fail", "not permitted to log in")
        wait_for(trial, "journal", "warn", "storing has paused")
        admin.execute("ALTER ROLE kemiscope_writer LOGIN")
    wait_until_all_stored(trial, 5)
