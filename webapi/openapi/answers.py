# SPDX-License-Identifier: GPL-2.0-or-later
"""What is answered: the schemas that the description has under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collector.columns import HEP_EVENT, RTCP_REPORT, SIP_MESSAGE, Column
from collector.correlation import columns
from collector.correlation.columns import CALL_LINK
from collector.explain import Certainty, Code, Severity
from collector.quality.course import Point
from collector.quality.stream import Stream
from collector.quality.verdict import CaptureLoss, Verdict
from collector.sip import Kind
from collector.tables import CALL_TABLE
from webapi import kpi, registration, stats
from webapi.access.audit import Action
from webapi.access.roles import Role, Scope
from webapi.access.users import User
from webapi.media import Flow
from webapi.openapi.names import EXTERNAL_LINKS, NAMES, names_of
from webapi.openapi.operation import Content, json
from webapi.openapi.shape import (
    ANY_OBJECT,
    BOOLEAN,
    ID,
    INTEGER,
    NUMBER,
    STRING,
    of_columns,
    of_type,
)
from webapi.openapi.site import MISSING, SITE
from webapi.openapi.state import NODES, TRACE
from webapi.rows import INTERNAL
from webapi.schema import TIME, Schema, array, by_name, one_of, optional, record, ref
from webapi.subject import Subject

_PAYLOAD: Final = ("raw", "payload")
_ROW: Final = {"id": ID, "ts": TIME, "received_at": TIME}
_REGISTRATION: Final = (
    *columns.REGISTRATION_FILING,
    *columns.flat(columns.REGISTRATION),
    *columns.REGISTRATION_GENERATED,
)
_TIMES: Final = {"from": TIME, "to": TIME}
_FIGURES: Final = {
    **{name: INTEGER if name in kpi.COUNTS else optional(NUMBER) for name in kpi.SHOWN},
}
_BY: Final = {name: STRING for names in stats.BY.values() for name in names}
_BY["status"] = INTEGER
_STATEMENT: Final[Mapping[str, Schema]] = {
    "code": one_of(Code),
    "text": STRING,
    "severity": one_of(Severity),
    "certainty": one_of(Certainty),
    "at": optional(TIME),
    "messages": array(ID),
}
_TOKEN: Final[Mapping[str, Schema]] = {
    "id": INTEGER,
    "name": STRING,
    "username": STRING,
    "scopes": array(one_of(Scope)),
    "networks": array(STRING),
    "created_at": TIME,
    "expires_at": TIME,
    "last_used_at": optional(TIME),
}
_USER: Final = of_type(User, but=("password_hash",))
_COUNTS: Final = by_name(INTEGER)
_ENDS: Final = ("src_ip", "dst_ip")


def _captured(listed: tuple[Column, ...], payload: str, **more: Schema) -> Schema:
    """A row of what was captured, as ``rows.to_json`` shows it."""
    but = ("ts", "id", *_PAYLOAD)
    shown = of_columns(listed, but, **more) | names_of([column.name for column in listed]) | SITE
    return record(_ROW, {**shown, payload: STRING, f"{payload}_base64": STRING})


def _items(listed: tuple[str, ...], known: tuple[Column, ...]) -> dict[str, Schema]:
    return of_columns(column for column in known if column.name in listed)


def page(subject: Subject) -> Content:
    """One page of a search."""
    name = subject.name
    return json(
        record(
            {
                name: array(ref(name[:-1].title())),
                **_TIMES,
                "complete": BOOLEAN,
                "next": optional(STRING),
                "missing": MISSING,
            }
        )
    )


def listed(name: str, item: str, next_: Schema) -> Content:
    """A page of something else; ``next`` is what goes on with the list."""
    return json(record({name: array(ref(item)), "next": optional(next_)}))


SCHEMAS: Final[Mapping[str, Schema]] = {
    "Error": record(
        {
            "error": record(
                {
                    "code": {"type": "string", "pattern": "^[a-z0-9_]+$"},
                    "message": STRING,
                    "field": optional(
                        {**STRING, "description": "The parameter or field that is wrong."}
                    ),
                }
            )
        }
    ),
    "Message": _captured(SIP_MESSAGE, "raw", kind=one_of(kind.label for kind in Kind)),
    "Report": _captured(RTCP_REPORT, "payload"),
    "Event": _captured(HEP_EVENT, "payload"),
    "Call": record(
        {"call_id": STRING, "retransmissions": INTEGER, "duplicates": INTEGER},
        of_columns(CALL_TABLE.columns, (*INTERNAL, "call_id"))
        | names_of([column.name for column in CALL_TABLE.columns])
        | SITE,
    ),
    "Registration": record(
        {"call_id": STRING, "aor": STRING},
        _items(registration.COLUMNS[2:], _REGISTRATION) | names_of(registration.COLUMNS) | SITE,
    ),
    "Link": record(of_columns(CALL_LINK[1:])),
    "Quality": of_type(
        Verdict, capture=optional(of_type(CaptureLoss, percent=NUMBER, received=INTEGER))
    ),
    "Agreement": record(
        {
            "at": TIME,
            "call_id": STRING,
            "message_id": ID,
            "offer_id": ID,
            "src_port": INTEGER,
            "dst_port": INTEGER,
            "flow": one_of(Flow),
        },
        {"codec": STRING, **dict.fromkeys(_ENDS, STRING), **names_of(_ENDS)},
    ),
    "StreamCourse": record(
        {"call_id": STRING, **of_type(Stream)["properties"], "points": array(of_type(Point))},
        names_of(_ENDS),
    ),
    "Explanation": record(
        {
            "headline": STRING,
            **{name: schema for name, schema in _STATEMENT.items() if name != "text"},
            "statements": array(record(_STATEMENT)),
        }
    ),
    "CallDescription": record(
        {
            "call_id": STRING,
            **_TIMES,
            "complete": BOOLEAN,
            "missing": MISSING,
            "call": optional(ref("Call")),
            "legs": array(ref("Call")),
            "guesses": array(ref("Call")),
            "links": array(ref("Link")),
            "hubs": array(STRING),
            "legs_complete": BOOLEAN,
            "quality": ref("Quality"),
            "media": array(ref("Agreement")),
            "streams": array(ref("StreamCourse")),
            "explanation": optional(ref("Explanation")),
            "external_links": EXTERNAL_LINKS,
            "messages": array(ref("Message")),
            "reports": array(ref("Report")),
            "events": array(ref("Event")),
        }
    ),
    "DecodedMessage": record({"message": ref("Message"), "packets": array(ANY_OBJECT)}),
    "Statistics": record(
        {
            **_TIMES,
            "step": INTEGER,
            "complete": BOOLEAN,
            "missing": MISSING,
            "totals": array(record(_FIGURES, _BY)),
            "calls": array(record({"time": TIME, **_FIGURES}, _BY)),
            "registrations": array(
                record(
                    {
                        "time": TIME,
                        "attempts": INTEGER,
                        **dict.fromkeys(stats.REGISTRATIONS, INTEGER),
                    },
                    {"node": STRING, **SITE},
                )
            ),
            "messages": array(
                record(
                    {
                        "time": TIME,
                        "method": STRING,
                        "class": STRING,
                        "messages": INTEGER,
                        "octets": INTEGER,
                    },
                    {"node": STRING, **SITE},
                )
            ),
            "traffic": array(record({"time": TIME, "messages": INTEGER, "octets": INTEGER})),
            "capture": array(record({"time": TIME, "received": INTEGER, "lost": INTEGER})),
        }
    ),
    "Me": record(
        {
            "username": STRING,
            "role": optional(one_of(Role)),
            "scopes": array(one_of(Scope)),
            "must_change_password": BOOLEAN,
        },
        {"csrf_token": {**STRING, "description": "With a session only."}},
    ),
    "User": _USER,
    "NewUser": record(
        _USER["properties"],
        {"password": {**STRING, "description": "When it was made up; shown this once."}},
    ),
    "Token": record(_TOKEN),
    "NewToken": record({**_TOKEN, "token": {**STRING, "description": "Shown this once."}}),
    "AuditEntry": record(
        {
            "id": INTEGER,
            "at": TIME,
            "username": STRING,
            "address": optional(STRING),
            "action": one_of(Action),
            "subject": STRING,
            "detail": ANY_OBJECT,
        }
    ),
    "Import": record(
        {
            "name": STRING,
            "node": STRING,
            "frames": ANY_OBJECT,
            "messages": ANY_OBJECT,
            "beside": _COUNTS,
            "sent": _COUNTS,
            "filed_by_arrival": INTEGER,
            "rtp": record(dict.fromkeys(("packets", "streams", "without_call"), INTEGER)),
            "from": optional(TIME),
            "to": optional(TIME),
            "shifted_s": NUMBER,
            "calls": INTEGER,
            "call_ids": array(STRING),
            "errors": array(STRING),
        },
        {"kept_until": optional(TIME)},
    ),
    **NAMES,
    **NODES,
    **TRACE,
}
