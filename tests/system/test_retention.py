# SPDX-License-Identifier: GPL-2.0-or-later
"""Never full under continuous load, the newest data kept, drops reported."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.tables import KINDS, PARTITIONED
from stack.service import ROOT
from stack.trial import Trial
from tests.fix_mounts import mounted
from tests.fix_trial import MakeTrial
from tests.system.counts import node, wait_until_all_stored
from tests.system.past_load import METHODS, PastLoad

RATE = 1500
BODY = 2000
SECONDS = 60
PARTITION_S = 300
SPEED = 300.0
"""A second of load is a partition of five minutes: 1,500 messages, about 4 MB."""
PARTITION: dict[str, Any] = {"interval": PARTITION_S, "ahead": 1}
MAX_BYTES = 64 << 20
NEWEST = RATE
"""Of these none may be missing: at least the last complete partition."""

TABLES_OF = {kind: [table.name for table in PARTITIONED if table.kind == kind] for kind in KINDS}

Row = tuple[Any, ...]


def _load(trial: Trial) -> PastLoad:
    begin = time.time() - 2.5 * 86_400
    return PastLoad(
        trial.hep_port, rate=RATE, begin=begin - begin % PARTITION_S, speed=SPEED, body=BODY
    )


def _octets(trial: Trial) -> int:
    """All capture tables with indexes and TOAST, by PostgreSQL's own account."""
    with trial.connect() as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(relid))::bigint"
            " FROM unnest(%s::text[]) AS name, pg_partition_tree(name::regclass) WHERE isleaf",
            ([table.name for table in PARTITIONED],),
        ).fetchone()
    return int(row[0]) if row else 0


def _check_newest_kept(trial: Trial, sent: int) -> None:
    """All was stored once; what is there is the newest of each kind, without a gap."""
    wait_until_all_stored(trial, sent)
    counts = node(trial)
    assert (counts["stored"], counts["unaccounted"], counts["kernel"]) == (sent, 0, 0)
    with trial.connect() as connection:
        rows = connection.execute(
            "SELECT kind, min(cseq), max(cseq), count(*), count(DISTINCT via_branch)"
            " FROM sip_message GROUP BY kind"
        ).fetchall()
    kinds = {kind: tuple(rest) for kind, *rest in rows}
    for kind, methods in (
        ("call", METHODS[:2]),
        ("registration", METHODS[2:3]),
        ("other", METHODS[3:]),
    ):
        first, last, count, distinct = kinds[kind]
        wanted = [n for n in range(first, sent) if METHODS[n % len(METHODS)] in methods]
        assert last == wanted[-1], kind
        assert count == distinct == len(wanted), kind
        assert first < sent - NEWEST, kind
    # The least precious went first.
    assert kinds["call"][0] < min(kinds["registration"][0], kinds["other"][0])


def _log(trial: Trial, reason: str) -> list[Row]:
    with trial.connect() as connection:
        return connection.execute(
            "SELECT kind, partition, range_begin, range_end, octets, messages FROM retention_log"
            " WHERE reason = %s ORDER BY id",
            (reason,),
        ).fetchall()


def _check_reported(trial: Trial, reason: str) -> int:
    """The drops stand in the log, in the database, in status, metrics and doctor."""
    log = _log(trial, reason)
    status = _get(trial, "/api/v1/status")["retention"]
    while len(log) < len(later := _log(trial, reason)):
        # Calls are still being written: a partition went between the two questions.
        log, status = later, _get(trial, "/api/v1/status")["retention"]
    octets: int = sum(row[4] for row in log)
    text = (trial.log / "kamailio.log").read_text()
    for kind, partition, begin, end, size, messages in log:
        assert any(partition.startswith(f"{table}_") for table in TABLES_OF[kind])
        assert (end - begin).total_seconds() == PARTITION_S
        assert size > 0
        assert messages > 0
        assert f"{partition} dropped ({reason})" in text
    dropped = [item for item in status["dropped"] if item["reason"] == reason]
    assert sum(item["octets"] for item in dropped) == octets
    assert status["last"][0]["partition"] == log[-1][1]
    metrics = _fetch(trial, "/metrics").decode()
    for item in dropped:
        labels = f'{{kind="{item["kind"]}",reason="{reason}"}}'
        assert f"kemiscope_retention_dropped_bytes_total{labels}" in metrics
    findings = _collector(trial, "doctor", "--json")
    assert f"dropped in the last day for retention.{reason}" in findings
    return octets


def test_never_more_than_max_bytes_under_continuous_load(make_trial: MakeTrial) -> None:
    """Four times the limit comes in within a minute, through a real node, by capture time."""
    trial = make_trial(
        partition=PARTITION, retention={"max_bytes": MAX_BYTES, "max_disk_percent": 0}
    )
    trial.start_database()
    trial.start_capture()
    trial.start_webapi()
    load = _load(trial)
    load.start()
    highest = 0
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            highest = max(highest, _octets(trial))
            time.sleep(0.1)
    finally:
        sent = load.stop()
    _check_newest_kept(trial, sent)
    highest = max(highest, _octets(trial))
    assert MAX_BYTES / 2 < highest <= MAX_BYTES
    assert _check_reported(trial, "max_bytes") > 2 * MAX_BYTES
    report = _collector(trial, "retention", "--dry-run")
    assert "retention.max_bytes" in report
    assert "reached" in report


@contextmanager
def _small_disk(tmp_path: Path, megabytes: int) -> Iterator[Path]:
    """A file system made of a file."""
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        pytest.skip("a file system can be mounted by root only, with e2fsprogs")
    image, directory = tmp_path / "disk", tmp_path / "mounted"
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(directory, "-o", "loop", str(image)):
        yield directory


@contextmanager
def _trial_on(disk: Path, tmp_path: Path, percent: float) -> Iterator[Trial]:
    """A stack whose PostgreSQL, write-ahead log included, lives on the small file system."""
    stack = tmp_path / "stack"
    stack.mkdir()
    (disk / "postgres").mkdir()
    (stack / "postgres").symlink_to(disk / "postgres")
    trial = Trial(
        stack,
        {"partition": PARTITION, "retention": {"max_disk_percent": percent}},
        postgres="max_wal_size = 64MB\nmin_wal_size = 64MB\ncheckpoint_timeout = 30s\n",
    )
    try:
        yield trial
    finally:
        trial.stop()


def _share(directory: Path) -> float:
    """Use in percent, as df shows it."""
    found = os.statvfs(directory)
    used = found.f_blocks - found.f_bfree
    return 100 * used / (used + found.f_bavail)


def test_a_disk_is_never_full_under_continuous_load(tmp_path: Path) -> None:
    """PostgreSQL has no other room, gets several times as much data, and never runs out of it."""
    with _small_disk(tmp_path, 320) as disk, _trial_on(disk, tmp_path, 80) as trial:
        trial.start_database()
        trial.start_capture()
        trial.start_webapi()
        load = _load(trial)
        load.start()
        highest = 0.0
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                highest = max(highest, _share(disk))
                time.sleep(0.1)
        finally:
            sent = load.stop()
        _check_newest_kept(trial, sent)
        assert 60 < highest < 97
        assert _check_reported(trial, "max_disk_percent") > 64 << 20
        assert "No space left" not in (trial.log / "postgres.log").read_text()
        found = _get(trial, "/api/v1/status")["retention"]["nodes"][0]
        assert found["disk_limit"] == found["disk_size"] * 80 // 100


def test_a_disk_that_others_fill_is_told_and_the_messages_stay(tmp_path: Path) -> None:
    """Nothing goes in vain; at the very end the oldest go, even with no byte left to write."""
    with _small_disk(tmp_path, 512) as disk, _trial_on(disk, tmp_path, 50) as trial:
        trial.start_database()
        trial.start_capture()
        load = _load(trial)
        load.start()
        time.sleep(5)
        sent = load.stop()
        wait_until_all_stored(trial, sent)
        # Above the limit by more than all messages, and below half of the reserve, 75 %.
        _fill(disk, 60)
        before = _octets(trial)
        trial.wait(lambda: "what else fills" in _collector(trial, "doctor"), "the finding")
        with trial.connect() as connection:
            assert connection.execute("SELECT * FROM retention_log").fetchall() == []
        _fill(disk, 100)
        trial.wait(lambda: _octets(trial) < before / 2, "the oldest to go", timeout_s=60)
        with trial.connect() as connection:
            newest = connection.execute("SELECT max(cseq) FROM sip_message").fetchone()
        assert newest == (sent - 1,)


def _fill(directory: Path, percent: float) -> None:
    """Let somebody else's file grow until the file system is so full."""
    with (directory / "others").open("ab") as file:
        while _share(directory) < percent:
            file.write(bytes(1 << 20))
            file.flush()


def _collector(trial: Trial, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "collector", *arguments],
        cwd=ROOT,
        env=trial.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _fetch(trial: Trial, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{trial.web_port}{path}", timeout=10) as answer:
        data: bytes = answer.read()
    return data


def _get(trial: Trial, path: str) -> Any:
    return json.loads(_fetch(trial, path))
