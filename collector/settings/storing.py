# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of storing: ingest, database, partitions, retention."""

from __future__ import annotations

from typing import Annotated

from collector.settings.section import DAY, LONGEST, PATH, Section, setting


class Ingest(Section, frozen=True):
    """From the journal to PostgreSQL."""

    processes: Annotated[
        int,
        setting(
            "Ingest processes inside Kamailio; 0 when `python -m collector ingest` runs apart. Two "
            "on two cores: one decodes while the other waits for PostgreSQL.",
            ge=0,
            le=32,
        ),
    ] = 2
    batch_messages: Annotated[
        int, setting("Most messages in one transaction.", unit="messages", ge=1, le=1_000_000)
    ] = 5000
    commit_interval: Annotated[
        float,
        setting(
            "Time between two transactions of a process as long as each finds less than "
            "batch_messages. Shorter: searchable sooner; longer: less work per message.",
            unit="s",
            ge=0.001,
            le=5,
        ),
    ] = 0.05
    nice: Annotated[
        int,
        setting(
            "How much the ingest processes give way where processors are short, as nice(1): what "
            "waits in the journal comes later, what the socket buffer does not hold is lost.",
            ge=0,
            le=19,
        ),
    ] = 10


class Database(Section, frozen=True):
    """PostgreSQL."""

    dsn: Annotated[
        str,
        setting(
            "Connection of the capture node, which writes: libpq keywords or URI. "
            "`make run` fills it in for its private PostgreSQL.",
            secret=True,
        ),
    ] = ""
    reader_dsn: Annotated[
        str,
        setting(
            "Connection of the web API: a role that can read, and write nothing but its users, "
            "sessions, tokens, audit log and trace rules.",
            secret=True,
        ),
    ] = ""
    connect_timeout: Annotated[
        float, setting("Give up an attempt to connect after this long.", unit="s", ge=1, le=300)
    ] = 5.0


class Partition(Section, frozen=True):
    """How the message tables are divided by time."""

    interval: Annotated[
        float,
        setting(
            "Length of a partition; must divide a day or be whole days.",
            unit="s",
            ge=300,
            le=366 * DAY,
        ),
    ] = 6 * 3600.0
    ahead: Annotated[int, setting("Partitions made ahead of the current one.", ge=1, le=100)] = 4


class Retention(Section, frozen=True):
    """How long data is kept, and how much of it; 0 is no limit. Whole partitions are dropped."""

    call: Annotated[
        float, setting("Messages of calls (INVITE, ACK, BYE …).", unit="s", ge=0, le=LONGEST)
    ] = 14.0 * DAY
    registration: Annotated[
        float, setting("REGISTER and its responses.", unit="s", ge=0, le=LONGEST)
    ] = 3.0 * DAY
    other: Annotated[
        float,
        setting("Everything else (OPTIONS, SUBSCRIBE, MESSAGE …).", unit="s", ge=0, le=LONGEST),
    ] = 3.0 * DAY
    event: Annotated[
        float,
        setting("Logs, CDRs and every other HEP type.", unit="s", ge=0, le=LONGEST),
    ] = 3.0 * DAY
    report: Annotated[
        float,
        setting(
            "Quality reports (RTCP and the like); they belong to calls.", unit="s", ge=0, le=LONGEST
        ),
    ] = 14.0 * DAY
    record: Annotated[
        float,
        setting(
            "Calls and how they belong together, and registrations not seen since: a tenth of the "
            "messages they are made of.",
            unit="s",
            ge=0,
            le=LONGEST,
        ),
    ] = 90.0 * DAY
    max_bytes: Annotated[
        int,
        setting(
            "Most bytes of all captured messages in the database, indexes included, wherever the "
            "database runs. The oldest partition of the least precious kind goes before the limit "
            "is reached.",
            unit="bytes",
            ge=0,
            le=1 << 60,
        ),
    ] = 0
    max_disk_percent: Annotated[
        float,
        setting(
            "The same for the use of the file system that holds the messages, as df shows it: "
            "from here on it is lowered, the rest is the reserve. Works when the database runs on "
            "this host. Whatever else fills that file system counts, too.",
            unit="%",
            ge=0,
            le=99,
        ),
    ] = 90.0
    disk_path: Annotated[
        str,
        setting(
            "A path on the file system that max_disk_percent watches. Empty: the database is asked "
            "where it keeps the messages; `doctor` shows the answer.",
            unit=PATH,
        ),
    ] = ""
    precious: Annotated[
        tuple[str, ...],
        setting(
            "The order in which the kinds go when a limit is reached: the least precious first. "
            "A kind that is not named goes before those that are.",
        ),
    ] = ("other", "event", "registration", "report", "call", "record")
    failed_only: Annotated[
        tuple[str, ...],
        setting(
            "Of these methods, like REGISTER and OPTIONS, only exchanges that failed or were never "
            "answered are kept. Everything is stored at first; what succeeded goes after "
            "failed_only_after."
        ),
    ] = ()
    failed_only_after: Annotated[
        float,
        setting("See failed_only; long enough for the last response.", unit="s", ge=1, le=DAY),
    ] = 60.0
    statistics: Annotated[
        float,
        setting("Counters per minute, and senders not seen since.", unit="s", ge=0, le=LONGEST),
    ] = 90.0 * DAY
    trace_rules: Annotated[
        float,
        setting("Ended trace rules, with who asked for them and why.", unit="s", ge=0, le=LONGEST),
    ] = 365.0 * DAY
    audit: Annotated[
        float,
        setting(
            "The audit log: who signed in to the web API, what was changed and exported.",
            unit="s",
            ge=0,
            le=LONGEST,
        ),
    ] = 365.0 * DAY
    quarantine_messages: Annotated[
        int, setting("Packets kept in the quarantine.", unit="messages", ge=0, le=10_000_000)
    ] = 10_000


def kept_s(retention: Retention, kind: str) -> float:
    """How long a kind of message is kept, in s; ``LONGEST`` where age is no limit."""
    return float(getattr(retention, kind)) or LONGEST
