# SPDX-License-Identifier: GPL-2.0-or-later
"""What an export of 1 GB costs: megabytes per second, and the memory of the service meanwhile."""

from __future__ import annotations

import http.client
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlencode

from bench import measure, stored
from bench.report import Section, Table, number
from stack.errors import StackError
from stack.trial import Trial

MESSAGES: Final = 1_550_000
"""Of 608 bytes each: a capture file of 1 GB."""
QUICK_MESSAGES: Final = 60_000
SHORT: Final = 10
"""The other forms are exported to so many parts of that."""
FORMS: Final = ("pcap", "pcapng", "txt", "jsonl", "csv")
SAMPLE_S: Final = 0.1
PIECE: Final = 1 << 16
_MEBI: Final = 1 << 20


class Streamed(NamedTuple):
    """One export, taken as fast as it comes."""

    name: str
    octets: int
    seconds: float
    cpu_s: float
    before: int
    """Memory of the service when it began, bytes."""
    most: int
    """The most while it went on."""


def run(scratch: Path, *, quick: bool) -> Section:
    """Measure the scenario."""
    count = QUICK_MESSAGES if quick else MESSAGES
    trial = Trial(scratch, {"web": {"max_export_messages": count}})
    try:
        trial.start_database()
        end = stored.fill(trial.cluster.dsn(), count)
        trial.start_webapi()
        _stream(trial, end, "pcap", 1000)  # the first one imports and connects
        results = [_stream(trial, end, "pcap", count)]
        results += [_stream(trial, end, form, count // SHORT) for form in FORMS[1:]]
    finally:
        trial.stop()
    return _section(count, results)


def _stream(trial: Trial, end: datetime, form: str, limit: int) -> Streamed:
    begin = end - stored.DAY
    span = {"from": begin.isoformat(), "to": "now", "limit": str(limit)}
    if form == "jsonl":
        span["raw"] = "true"
    print(f"  {form}, {limit:,} messages …", flush=True)
    if trial.webapi is None or trial.webapi.process is None:
        message = "the web API does not run"
        raise StackError(message)
    pid = trial.webapi.process.pid
    before = measure.usage([pid])
    memory = [before.rss_bytes]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            memory.append(measure.usage([pid]).rss_bytes)

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    octets = 0
    try:
        client = http.client.HTTPConnection("127.0.0.1", trial.web_port)
        client.request("GET", f"/api/v1/messages/export.{form}?{urlencode(span)}")
        response = client.getresponse()
        while piece := response.read(PIECE):
            octets += len(piece)
        client.close()
    finally:
        done.set()
        watcher.join()
    seconds = time.monotonic() - began
    if response.status != 200 or not octets:
        message = f"export.{form}: status {response.status}"
        raise StackError(message)
    cpu = measure.usage([pid]).cpu_s - before.cpu_s
    return Streamed(form, octets, seconds, cpu, before.rss_bytes, max(memory))


def _section(count: int, results: list[Streamed]) -> Section:
    rows = [
        [
            one.name,
            number(one.octets / 1e6),
            number(one.seconds, 1),
            number(one.octets / 1e6 / one.seconds, 1),
            number(one.cpu_s, 1),
            number(one.before / _MEBI, 1),
            number(one.most / _MEBI, 1),
        ]
        for one in results
    ]
    head = ["", "MB", "s", "MB/s", "processor s", "MiB before", "MiB at most"]
    return Section(
        "export",
        f"exports of {count:,} stored messages",
        "One export after the other to one client on the same machine that takes it as fast as it "
        f"comes; memory of the service is looked at every {SAMPLE_S} s.",
        [Table(head, rows)],
        ["The first one has all messages, the others the first tenth of them."],
        {one.name: one._asdict() for one in results},
    )
