# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings: a section is a class, a setting is a field with its rule, unit and help."""

from __future__ import annotations

import socket
from functools import cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

ENV_PREFIX: Final = "KEMISCOPE_"

_DAY: Final = 86_400
# Every number has an upper limit: infinity, and times beyond the calendar, end here and not in
# the process that calculates with them.
_LONGEST: Final = 36_500 * _DAY


def _setting(help_text: str, *, unit: str = "", secret: bool = False, **rule: Any) -> Meta:
    return Meta(description=help_text, extra={"unit": unit, "secret": secret}, **rule)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections; its repr, which may end up in a log, shows no secret."""

    def __repr__(self) -> str:
        hidden = {setting.name for setting in describe() if setting.secret}
        values = (
            f"{name}={'***' if name in hidden else getattr(self, name)!r}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(values)})"


class Node(Section, frozen=True):
    """Who this capture node is."""

    name: Annotated[
        str, _setting("Name of this capture node in status, metrics and logs.", min_length=1)
    ] = socket.gethostname()


class HepSettings(Section, frozen=True):
    """Where HEP comes in."""

    listen: Annotated[
        tuple[str, ...],
        _setting(
            "Sockets, as udp:address:port or tcp:address:port; IPv6 addresses in brackets. "
            "Use udp:0.0.0.0:9060 to receive from other hosts.",
            min_length=1,
        ),
    ] = ("udp:127.0.0.1:9060", "tcp:127.0.0.1:9060")
    workers: Annotated[
        int, _setting("Kamailio processes that read each UDP socket.", ge=1, le=32)
    ] = 2
    socket_buffer: Annotated[
        int,
        _setting(
            "Receive buffer asked for each UDP socket. The kernel grants at most "
            "net.core.rmem_max; `doctor` shows what was granted.",
            unit="bytes",
            ge=65_536,
            le=1 << 30,
        ),
    ] = 16 << 20
    max_connections: Annotated[
        int, _setting("HEP/TCP connections served at a time; more are refused.", ge=1, le=65_536)
    ] = 1000
    idle_timeout: Annotated[
        float,
        _setting(
            "A HEP/TCP connection that is silent for this long is closed.",
            unit="s",
            ge=1,
            le=30 * _DAY,
        ),
    ] = 3600.0


class Journal(Section, frozen=True):
    """The buffer on disk between receiving and storing."""

    directory: Annotated[
        str,
        _setting(
            "Where the journal lives; a local file system. One capture node per directory.",
            min_length=1,
        ),
    ] = "var/journal"
    segment_bytes: Annotated[
        int,
        _setting("A segment file ends at this size.", unit="bytes", ge=1 << 16, le=1 << 30),
    ] = 16 << 20
    segment_seconds: Annotated[
        float,
        _setting("A segment file ends at this age, even if small.", unit="s", ge=1, le=_DAY),
    ] = 60.0
    max_bytes: Annotated[
        int,
        _setting(
            "Limit of the whole journal. When it is reached the newest packets are dropped and "
            "counted as journal_full. At 1 KB a packet, 4 GiB hold an outage of the database of "
            "14 minutes at 5,000 packets/s.",
            unit="bytes",
            ge=1 << 20,
            le=1 << 50,
        ),
    ] = 4 << 30
    min_free_bytes: Annotated[
        int,
        _setting(
            "The journal stops growing when its file system has less than this left; packets are "
            "dropped and counted as disk_full.",
            unit="bytes",
            ge=0,
            le=1 << 50,
        ),
    ] = 1 << 30
    sync_interval: Annotated[
        float,
        _setting(
            "How often the journal is synced to disk. The end of any process loses nothing; a "
            "power cut loses at most this interval. 0 leaves it to the kernel (about 30 s).",
            unit="s",
            ge=0,
            le=3600,
        ),
    ] = 1.0


class Ingest(Section, frozen=True):
    """From the journal to PostgreSQL."""

    processes: Annotated[
        int,
        _setting(
            "Ingest processes inside Kamailio; 0 when `python -m collector ingest` runs apart. Two "
            "on two cores: one decodes while the other waits for PostgreSQL.",
            ge=0,
            le=32,
        ),
    ] = 2
    batch_messages: Annotated[
        int, _setting("Most messages in one transaction.", unit="messages", ge=1, le=1_000_000)
    ] = 5000
    commit_interval: Annotated[
        float,
        _setting(
            "Time between two transactions of a process as long as each finds less than "
            "batch_messages. Shorter: searchable sooner; longer: less work per message.",
            unit="s",
            ge=0.001,
            le=5,
        ),
    ] = 0.05


class Sip(Section, frozen=True):
    """How messages are read."""

    max_field_bytes: Annotated[
        int,
        _setting(
            "Longest header value in a column. A longer one is cut there and the message is "
            "marked field_length; the raw message keeps everything.",
            unit="bytes",
            ge=64,
            le=2048,
        ),
    ] = 512


class Clock(Section, frozen=True):
    """How far a sender's clock may be off."""

    accept_past: Annotated[
        float,
        _setting(
            "A message older than this is filed by time of arrival; its own time is kept in "
            "sender_ts. Agents that were offline send old messages with true times.",
            unit="s",
            ge=0,
            le=_LONGEST,
        ),
    ] = 3.0 * _DAY
    accept_future: Annotated[
        float,
        _setting("The same for a message from the future.", unit="s", ge=0, le=_LONGEST),
    ] = 300.0


class Database(Section, frozen=True):
    """PostgreSQL."""

    dsn: Annotated[
        str,
        _setting(
            "Connection of the capture node, which writes: libpq keywords or URI. "
            "`make run` fills it in for its private PostgreSQL.",
            secret=True,
        ),
    ] = ""
    reader_dsn: Annotated[
        str,
        _setting("Connection of the web API: a role that can only read.", secret=True),
    ] = ""
    connect_timeout: Annotated[
        float, _setting("Give up an attempt to connect after this long.", unit="s", ge=1, le=300)
    ] = 5.0


class Partition(Section, frozen=True):
    """How the message tables are divided by time."""

    interval: Annotated[
        float,
        _setting(
            "Length of a partition; must divide a day or be whole days.",
            unit="s",
            ge=300,
            le=366 * _DAY,
        ),
    ] = 6 * 3600.0
    ahead: Annotated[int, _setting("Partitions made ahead of the current one.", ge=1, le=100)] = 4


class Retention(Section, frozen=True):
    """How long data is kept; 0 keeps it for ever. Whole partitions are dropped."""

    call: Annotated[
        float, _setting("Messages of calls (INVITE, ACK, BYE …).", unit="s", ge=0, le=_LONGEST)
    ] = 14.0 * _DAY
    registration: Annotated[
        float, _setting("REGISTER and its responses.", unit="s", ge=0, le=_LONGEST)
    ] = 3.0 * _DAY
    other: Annotated[
        float,
        _setting("Everything else (OPTIONS, SUBSCRIBE, MESSAGE …).", unit="s", ge=0, le=_LONGEST),
    ] = 3.0 * _DAY
    statistics: Annotated[
        float,
        _setting("Counters per minute, and senders not seen since.", unit="s", ge=0, le=_LONGEST),
    ] = 90.0 * _DAY
    quarantine_messages: Annotated[
        int, _setting("Packets kept in the quarantine.", unit="messages", ge=0, le=10_000_000)
    ] = 10_000


class Web(Section, frozen=True):
    """The web API."""

    listen: Annotated[
        str,
        _setting(
            "Address and port. There is no sign-in yet, so only loopback addresses are accepted."
        ),
    ] = "127.0.0.1:9080"
    max_rows: Annotated[
        int, _setting("Most rows in one answer.", unit="rows", ge=1, le=100_000)
    ] = 1000
    max_call_messages: Annotated[
        int,
        _setting(
            "Most messages shown or exported of one call.", unit="messages", ge=1, le=1_000_000
        ),
    ] = 10_000
    query_timeout: Annotated[
        float,
        _setting(
            "A query that takes longer is ended with a clear answer.", unit="s", ge=0.1, le=3600
        ),
    ] = 10.0
    connections: Annotated[int, _setting("Database connections of the web API.", ge=1, le=100)] = 4


class Settings(Section, frozen=True):
    """All sections."""

    node: Node = Node()
    hep: HepSettings = HepSettings()
    journal: Journal = Journal()
    ingest: Ingest = Ingest()
    sip: Sip = Sip()
    clock: Clock = Clock()
    database: Database = Database()
    partition: Partition = Partition()
    retention: Retention = Retention()
    web: Web = Web()


class Setting(NamedTuple):
    """One setting, as loader and documentation use it."""

    section: str
    name: str
    annotation: Any
    """The field's type with its rule, as ``msgspec.convert`` takes it."""
    type: str
    default: Any
    unit: str
    """``bytes``, ``s`` or another word; empty for none."""
    low: float | None
    high: float | None
    help: str
    secret: bool

    @property
    def key(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENV_PREFIX}{self.section}_{self.name}".upper()


_TYPE_NAMES: Final[dict[object, str]] = {
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.StrType: "text",
    msgspec.inspect.VarTupleType: "list of text",
}


@cache
def describe() -> tuple[Setting, ...]:
    """Every setting in the order of the file."""
    return tuple(
        _describe(section.name, field)
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    )


def _describe(section: str, field: msgspec.structs.FieldInfo) -> Setting:
    info: Any = msgspec.inspect.type_info(field.type)
    return Setting(
        section,
        field.name,
        field.type,
        _TYPE_NAMES[type(info.type)],
        field.default,
        info.extra["unit"],
        getattr(info.type, "ge", None),
        getattr(info.type, "le", None),
        info.extra_json_schema["description"],
        info.extra["secret"],
    )
