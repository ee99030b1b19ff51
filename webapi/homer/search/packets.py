# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets of a profile from the database, as rows with HOMER's names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any, Final, NamedTuple

from psycopg import sql
from psycopg.rows import DictRow

from collector.moment import to_us
from webapi.context import Context
from webapi.export.frame import Address
from webapi.export.text import host_port
from webapi.filters import Condition
from webapi.homer.field import DATABASE_NODE, ID_MASK, PROFILES, Profile
from webapi.homer.search.asked import Asked, Network
from webapi.names.resolver import Resolver
from webapi.search import Search
from webapi.sites import pages
from webapi.sites.reading import Reading
from webapi.subject import Key, Subject

_SUBJECTS: Final[Mapping[str, Subject]] = {
    key: Subject(
        name=key,
        relation=profile.relation,
        columns=(*profile.columns, "raw"),
        filters={},
        sorts={"ts": Key(sql.Identifier("ts"), (int,))},
        order={"id": int},
        payload="raw",
    )
    for key, profile in PROFILES.items()
}
_OF_CALL_IDS: Final = sql.SQL("sid = ANY(%s)")
_BUT: Final = sql.SQL("({address} <<= ANY(%s::inet[])) IS NOT TRUE")
_UNKNOWN: Final = IPv4Address(0)


def newest(
    profile: Profile, asked: Asked, conditions: Sequence[Condition], limit: int, *, payload: bool
) -> Search:
    """The last ``limit`` packets of the time range."""
    return Search.by_time(
        _SUBJECTS[profile.key],
        (asked.begin, asked.end),
        list(conditions),
        limit,
        newest=True,
        by_index=False,
        payload=payload,
    )


def of_calls(profile: Profile, asked: Asked, call_ids: Iterable[str], limit: int) -> Search:
    """The first ``limit`` packets of these Call-IDs in the time range, but for those of addresses
    that are left out."""
    conditions: list[Condition] = [(_OF_CALL_IDS, [list(call_ids)]), *but(asked.but)]
    span = (asked.begin, asked.end)
    subject = _SUBJECTS[profile.key]
    return Search.by_time(subject, span, conditions, limit, newest=False, by_index=True)


def but(networks: Sequence[Network]) -> list[Condition]:
    """Packets that neither come from nor go to one of these."""
    if not networks:
        return []
    return [
        (_BUT.format(address=sql.Identifier(name)), [list(map(str, networks))])
        for name in ("src_ip", "dst_ip")
    ]


async def read(context: Context, reading: Reading, wanted: Search) -> tuple[list[DictRow], bool]:
    """The rows in the order of capture, and whether the whole range was searched."""
    page = await pages.run(reading, wanted, context.settings.web.query_timeout)
    return page.rows[::-1] if wanted.descending else page.rows, page.complete


def show(profile: Profile, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with HOMER's keys: both its headers as one object, ``id``, ``uuid`` and ``node``."""
    found = {key: row[key] for one in profile.fields if one.expression for key in (one.key,)}
    for name, value in (row.get("headers") or {}).items():
        found.setdefault(name, value)
    for name in ("srcIp", "dstIp"):
        found[name] = found[name] or str(_UNKNOWN)
    identity = homer_id(row)
    capture_node = row["captureId"]
    return found | {
        "id": identity,
        "uuid": identity,
        # HOMER's clients know both places where it can stand.
        "node": DATABASE_NODE if profile.is_sip else [capture_node, DATABASE_NODE],
        "dbnode": DATABASE_NODE,
    }


class Packet(NamedTuple):
    """A row, and where it is from."""

    profile: Profile
    row: DictRow


def by_time(found: Iterable[Packet]) -> list[Packet]:
    """In the order of capture."""
    return sorted(found, key=lambda packet: (packet.row["ts"], packet.row["id"]))


class Host(NamedTuple):
    """One end of a packet."""

    ip: str
    port: int
    id: str
    """Address and port."""
    alias: str
    """Its name, or the id."""

    @classmethod
    def source(cls, row: Mapping[str, Any], names: Resolver) -> Host:
        """Where the packet comes from."""
        return cls._of(row["src_ip"], row["srcPort"], row["captureId"], names)

    @classmethod
    def destination(cls, row: Mapping[str, Any], names: Resolver) -> Host:
        """Where it goes to."""
        return cls._of(row["dst_ip"], row["dstPort"], row["captureId"], names)

    @classmethod
    def _of(cls, address: Address | None, port: int, node: str, names: Resolver) -> Host:
        id_ = host_port(address or _UNKNOWN, port)
        return cls(str(address or _UNKNOWN), port, id_, names.name_of(address, port, node) or id_)


def keys_of(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """All keys of the rows, each once."""
    return list(dict.fromkeys(key for row in found for key in row))


def homer_id(row: Mapping[str, Any]) -> int:
    """What of an id a browser's numbers hold."""
    return int(row["id"]) & ID_MASK


def create_date(row: Mapping[str, Any]) -> int:
    """Time of capture in whole ms since 1970."""
    return to_us(row["ts"]) // 1000


def micro_ts(row: Mapping[str, Any]) -> float:
    """The same with its µs as a fraction: HOMER's pages take it for ms."""
    return to_us(row["ts"]) / 1000


def raw_text(row: Mapping[str, Any]) -> str:
    """The packet as text; what is not UTF-8 has U+FFFD in its place."""
    raw: bytes = row["raw"] or b""
    return raw.decode(errors="replace")
