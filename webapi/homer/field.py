# SPDX-License-Identifier: GPL-2.0-or-later
"""HOMER's profiles and fields, and where we keep what they mean: the one table.

HOMER keeps a packet as two JSON objects, ``protocol_header`` and ``data_header``, in a table for
each HEP type and profile. Here a profile is a relation of our typed columns with HOMER's names:
conditions name its columns, answers show them, and the mapping that the user interface reads is
made of the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import sql

from collector.columns import RTCP_REPORT
from collector.hep import TYPE_DNS, TYPE_LOG, TYPE_RTCP, TYPE_SIP, TYPES_QUALITY
from collector.sip import Kind

DATABASE_NODE: Final = "localnode"
"""What HOMER calls the database, if there is only one."""
TEXT: Final = "string"
INTEGER: Final = "integer"
ID_MASK: Final = (1 << 53) - 1
"""Of an id HOMER's clients get this much, which a browser's numbers hold exactly. It tells messages
apart within 104 days, and every request has a time range."""

TYPE_ISUP: Final = 54
TYPE_CDR: Final = 60
_METHODS: Final = ("INVITE", "BYE", "100", "200", "183", "CANCEL")
_OTHER_METHODS: Final = ("INVITE", "BYE", "100", "200", "REGISTER", "CANCEL", "OPTIONS", "NOTIFY")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a profile."""

    id: str
    """HOMER's name, such as ``data_header.from_user``."""
    label: str
    type: str
    """``TEXT`` or ``INTEGER``."""
    expression: str = ""
    """SQL of the profile's table, never null; empty for what only a form has."""
    hide: bool = True
    """Whether the table of results shows it only when it is asked for."""
    skip: bool = False
    """Whether the table of results never shows it."""
    hints: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of a mapping: what a form makes of it."""
    as_key: str = ""
    """Its name in a row when the last part of ``id`` is taken."""

    @property
    def key(self) -> str:
        """Its name in a row, and as a column of the profile's relation."""
        return self.as_key or self.id.rpartition(".")[2]

    def mapping(self, position: int) -> dict[str, Any]:
        """An element of ``fields_mapping``."""
        return {
            "id": self.id,
            "name": self.label,
            "type": self.type,
            "index": "secondary" if self.id == "sid" else "none",
            "form_type": "input",
            "position": position,
            "skip": self.skip,
            "hide": self.hide,
            **self.hints,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What HOMER keeps in one table: packets of a HEP type, of SIP one kind of messages."""

    hepid: int
    name: str
    alias: str
    """What the user interface calls the HEP type."""
    source: sql.Composable
    """What the rows are read from."""
    fields: tuple[Field, ...]
    payload: str = "raw"
    """The column of ``source`` that has the packet."""
    beside: tuple[str, ...] = ()
    """Further columns of ``source`` that answers are made of; they may be null."""

    @property
    def key(self) -> str:
        """Its name in a request, such as ``1_call``."""
        return f"{self.hepid}_{self.name}"

    @property
    def is_sip(self) -> bool:
        """Whether its rows are SIP messages."""
        return self.hepid == TYPE_SIP

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the relation, but ``raw``."""
        named = (one.key for one in self.fields if one.expression)
        return (*_FIXED, *self.beside, *named)

    @property
    def relation(self) -> sql.Composed:
        """The table with HOMER's names; PostgreSQL reads it as the table itself."""
        listed = [
            *map(sql.Identifier, (*_FIXED, *self.beside)),
            sql.SQL("{} AS raw").format(sql.Identifier(self.payload)),
            *(
                sql.SQL("{} AS {}").format(sql.SQL(one.expression), sql.Identifier(one.key))
                for one in self.fields
                if one.expression
            ),
        ]
        return sql.SQL("(SELECT {} FROM {}) AS packet").format(
            sql.SQL(", ").join(listed), self.source
        )

    def find(self, name: str) -> Field | None:
        """The field with this id, or with the short name that the user interface suggests."""
        return next((one for one in self.fields if name in (one.id, short_name(one))), None)

    def fields_mapping(self) -> list[dict[str, Any]]:
        """As a mapping of HOMER has it."""
        return [one.mapping(position) for position, one in enumerate(self.fields, 1)]


def short_name(one: Field) -> str:
    """``sip.from_user`` for ``data_header.from_user``, ``net.srcIp`` for ``protocol_header.…``."""
    return one.id.replace("data_header.", "sip.").replace("protocol_header.", "net.")


_FIXED: Final = ("ts", "id", "src_ip", "dst_ip")
"""Columns that every relation has under our names."""


def _text(id_: str, label: str, column: str, **hints: Any) -> Field:
    """A column of text that may be null."""
    return Field(id_, label, TEXT, f"coalesce({column}, '')", hints=hints)


_SHOWN: Final = {"hide": False}
_IS_ID: Final = {"sid_type": True}


def _protocol(type_: str, transport: str) -> tuple[Field, ...]:
    """``protocol_header``; ``type_`` and ``transport`` are SQL: the HEP type, and the number of the
    transport."""

    def one(name: str, label: str, kind: str, expression: str, *, hide: bool = True) -> Field:
        return Field(f"protocol_header.{name}", label, kind, expression, hide=hide)

    return (
        one("srcIp", "Source IP", TEXT, "coalesce(host(src_ip), '')", hide=False),
        one("srcPort", "Src Port", INTEGER, "src_port", hide=False),
        one("dstIp", "Destination IP", TEXT, "coalesce(host(dst_ip), '')", hide=False),
        one("dstPort", "Dst Port", INTEGER, "dst_port", hide=False),
        one("timeSeconds", "Timeseconds", INTEGER, "floor(extract(epoch FROM ts))::bigint"),
        one(
            "timeUseconds",
            "Usecond time",
            INTEGER,
            "mod(extract(microseconds FROM ts)::integer, 1000000)",
        ),
        one("payloadType", "Payload type", INTEGER, type_),
        one(
            "protocolFamily",
            "Proto Family",
            INTEGER,
            "CASE WHEN family(coalesce(src_ip, dst_ip)) = 6 THEN 10 ELSE 2 END",
        ),
        one("protocol", "Protocol Type", INTEGER, transport),
        one("captureId", "Capture ID", TEXT, "node"),
    )


_TRANSPORT: Final = (
    "CASE transport WHEN 'UDP' THEN 17 WHEN 'SCTP' THEN 132"
    " WHEN 'TCP' THEN 6 WHEN 'TLS' THEN 6 WHEN 'WS' THEN 6 WHEN 'WSS' THEN 6 ELSE 17 END"
)
_RAW: Final = Field("raw", "RAW", TEXT)
_SMART_INPUT: Final = Field(
    "smartinput",
    "Smart Input",
    TEXT,
    hints={
        "form_type": "smart-input",
        "form_api": "/smart/search/tag/:hepid/:hepprofile",
    },
)
_NODE: Final = Field(
    "node",
    "Node",
    TEXT,
    skip=True,
    hints={
        "form_type": "multiselect",
        "form_default": [{"value": DATABASE_NODE, "name": "Local node"}],
        "system_param": True,
        "mapping": "param.location.node",
    },
)
_PROFILE: Final = Field(
    "profile",
    "Profile",
    TEXT,
    hints={
        "form_type": "select",
        "form_default": ["call", "registration", "default"],
        "profile": True,
    },
)
_FORM: Final = (_RAW, _NODE)


def _sip(methods: tuple[str, ...]) -> tuple[Field, ...]:
    """The fields of SIP messages, in the order in which a form offers them."""
    return (
        Field("sid", "Session ID", TEXT, "call_id", hide=False, hints=_IS_ID),
        Field(
            "data_header.method",
            "SIP Method",
            TEXT,
            # As HOMER has it: what a request asks, what a response says.
            "coalesce(status::text, method, '')",
            hide=False,
            hints={"method_type": True, "form_default": list(methods)},
        ),
        Field(
            "protocol_header.correlation_id",
            "Correlation ID",
            TEXT,
            "coalesce(aleg_id, correlation_id, call_id)",
            hints=_IS_ID,
        ),
        Field("data_header.callid", "CallID", TEXT, "call_id", hints=_IS_ID),
        _text("data_header.ruri_user", "RURI user", "ruri_user"),
        Field(
            "data_header.from_user", "SIP From user", TEXT, "coalesce(from_user, '')", hide=False
        ),
        Field("data_header.to_user", "SIP To user", TEXT, "coalesce(to_user, '')", hide=False),
        _text("data_header.user_agent", "User Agent", "user_agent"),
        *_protocol(str(TYPE_SIP), _TRANSPORT),
        Field(
            "data_header.cseq",
            "SIP Cseq",
            TEXT,
            "coalesce(cseq || ' ', '') || coalesce(method, '')",
        ),
        _text("data_header.from_tag", "SIP From tag", "from_tag"),
        Field("data_header.protocol", "SIP Protocol", TEXT, "transport", as_key="transport"),
        _text("data_header.ruri_domain", "RURI domain", "ruri_domain"),
        _text("data_header.from_domain", "SIP From domain", "from_domain"),
        _text("data_header.to_domain", "SIP To domain", "to_domain"),
        _text("data_header.to_tag", "SIP To tag", "to_tag"),
        _text("data_header.contact_user", "SIP Contact user", "contact_user"),
        _text("data_header.contact_domain", "SIP Contact domain", "contact_domain"),
        _text("data_header.pid_user", "Asserted user", "pai_user"),
        _text("data_header.pid_domain", "Asserted domain", "pai_domain"),
        _text("data_header.auth_user", "Auth user", "auth_user"),
        _text("data_header.auth_realm", "Auth realm", "auth_realm"),
        _text("data_header.reason", "Reason phrase", "reason"),
        _text("data_header.via_branch", "Via branch", "via_branch"),
        *_FORM,
        _PROFILE,
        _SMART_INPUT,
    )


def _of_report(names: str) -> tuple[Field, ...]:
    """The fields of packets that are not SIP; ``names`` is SQL for what HOMER calls the type."""
    return (
        Field("sid", "Session ID", TEXT, "call_id", hide=False, hints=_IS_ID),
        Field("protocol_header.correlation_id", "Correlation ID", TEXT, "call_id", hints=_IS_ID),
        *_protocol("type", "17"),
        Field("data_header.proto", "Protocol", TEXT, names),
        *_FORM,
        _SMART_INPUT,
    )


_PACKET: Final = (
    *("ts", "id", "src_port", "dst_port", "type", "src_ip", "dst_ip", "call_id", "node"),
    "payload",
)
FIGURES: Final = (
    *("packet_type", "ssrc", "source_ssrc", "packets", "octets", "packets_lost"),
    *("fraction_lost", "highest_seq", "jitter", "jitter_ms", "max_jitter_ms", "delta_ms", "lsr"),
    *("dlsr", "mos", "r_factor", "direction"),
)
"""Columns of ``rtcp_report`` that answers may show."""


def _reports(*types: int) -> sql.Composed:
    """Packets of these types, whether their figures could be read or not."""
    kinds = {column.name: column.type for column in RTCP_REPORT}
    figures = [sql.SQL("{}").format(sql.Identifier(name)) for name in FIGURES]
    nothing = [sql.SQL("NULL::" + kinds[name]) for name in FIGURES]
    return sql.SQL(
        "(SELECT {packet}, {figures} FROM rtcp_report WHERE block = 0 AND type = ANY({types})"
        " UNION ALL SELECT {packet}, {nothing} FROM hep_event WHERE type = ANY({types})) AS report"
    ).format(
        packet=sql.SQL(", ").join(map(sql.Identifier, _PACKET)),
        figures=sql.SQL(", ").join(figures),
        nothing=sql.SQL(", ").join(nothing),
        types=sql.Literal(list(types)),
    )


def _events(type_: int) -> sql.Composed:
    return sql.SQL("(SELECT {} FROM hep_event WHERE type = {}) AS event").format(
        sql.SQL(", ").join(map(sql.Identifier, _PACKET)), sql.Literal(type_)
    )


def _sip_profile(kind: Kind, name: str, methods: tuple[str, ...]) -> Profile:
    table = sql.Identifier(f"sip_message_{kind.label}")
    return Profile(TYPE_SIP, name, "SIP", table, _sip(methods), beside=("headers",))


def _of_quality(hepid: int, alias: str, proto: str, *types: int) -> Profile:
    fields = _of_report(f"'{proto}'")
    return Profile(hepid, "default", alias, _reports(*types), fields, "payload", FIGURES)


def _of_event(hepid: int, alias: str) -> Profile:
    fields = _of_report(f"'{alias.lower()}'")
    return Profile(hepid, "default", alias, _events(hepid), fields, "payload")


PROFILES: Final[Mapping[str, Profile]] = {
    one.key: one
    for one in (
        _sip_profile(Kind.CALL, "call", _METHODS),
        _sip_profile(Kind.REGISTRATION, "registration", _OTHER_METHODS),
        _sip_profile(Kind.OTHER, "default", _OTHER_METHODS),
        _of_quality(TYPE_RTCP, "RTCP", "rtcp", TYPE_RTCP),
        _of_quality(34, "RTP", "rtpagent", 34),
        # HOMER files every report that is not RTCP here.
        _of_quality(35, "RTP", "report", *sorted(TYPES_QUALITY - {TYPE_RTCP})),
        _of_event(TYPE_DNS, "DNS"),
        _of_event(TYPE_ISUP, "ISUP"),
        _of_event(TYPE_CDR, "CDR"),
        _of_event(TYPE_LOG, "LOG"),
    )
}
"""By key, in the order in which they are offered."""
