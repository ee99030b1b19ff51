# SPDX-License-Identifier: GPL-2.0-or-later
"""Schemas of aliases, saved searches and share links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from collector.api_token import LENGTH, SHARE_PREFIX
from webapi.names import alias, asked, saved_search, share_link, transfer
from webapi.names.resolver import name_columns
from webapi.openapi.operation import Content, fields
from webapi.openapi.shape import BOOLEAN, ID, INTEGER, STRING
from webapi.schema import TEXT, TIME, Schema, array, by_name, integer, one_of, optional, record, ref

DURATION: Final[Schema] = {
    "oneOf": [{"type": "number", "exclusiveMinimum": 0}, TEXT],
    "description": "Seconds, or a number with a unit like `30d`.",
}
_TEXT: Final[Schema] = {"type": "string", "maxLength": alias.MAX_TEXT}
_PORT: Final = integer(0, asked.MAX_PORT)
_ALIAS: Final[Mapping[str, Schema]] = {
    "name": {**TEXT, "maxLength": alias.MAX_NAME},
    "network": {**TEXT, "maxLength": alias.MAX_TEXT, "examples": ["192.0.2.0/24"]},
    "port": _PORT,
    "capture_node": _TEXT,
    "type": _TEXT,
    "capture_id": _TEXT,
    "enabled": BOOLEAN,
}
_AS_TEXT: Final[Schema] = {"type": "string", "pattern": "^[0-9]{0,5}$"}
_FILE: Final[Mapping[str, Schema]] = {
    "alias": {**TEXT, "maxLength": alias.MAX_NAME},
    "ip": {**TEXT, "maxLength": alias.MAX_TEXT},
    "mask": {"oneOf": [integer(0, 128), _AS_TEXT]},
    "port": {"oneOf": [_PORT, _AS_TEXT]},
    "captureID": _TEXT,
    "status": {"oneOf": [BOOLEAN, one_of(transfer.WORDS)]},
    "node": _TEXT,
    "type": _TEXT,
}
_SEARCH: Final[Mapping[str, Schema]] = {
    "name": {**TEXT, "maxLength": saved_search.MAX_NAME},
    "kind": one_of(saved_search.SUBJECTS),
    "parameters": {**by_name(STRING), "description": "As in the URL of the search."},
    "shared": BOOLEAN,
}
_LINK: Final[Mapping[str, Schema]] = {
    "id": INTEGER,
    "call_id": STRING,
    "legs": array(STRING),
    "message_ids": optional(array(ID)),
    "may_export": BOOLEAN,
    "note": STRING,
    "username": STRING,
    "created_at": TIME,
    "expires_at": TIME,
    "last_used_at": optional(TIME),
    "uses": INTEGER,
}
_CALL: Final[Mapping[str, Schema]] = {
    "call": optional(ref("Call")),
    "legs": array(ref("Call")),
    "links": array(ref("Link")),
    "quality": ref("Quality"),
    "media": array(ref("Agreement")),
    "streams": array(ref("StreamCourse")),
    "explanation": optional(ref("Explanation")),
    "reports": array(ref("Report")),
}

NEW_ALIAS: Final = fields(_ALIAS, asked.REQUIRED, asked.OPTIONAL)
CHANGED_ALIAS: Final = fields(_ALIAS, (), (*asked.REQUIRED, *asked.OPTIONAL))
ALIAS_FILE: Final[Content] = {
    **fields(
        {
            "data": array(
                record(
                    {name: _FILE[name] for name in transfer.REQUIRED},
                    {name: _FILE[name] for name in transfer.FIELDS if name not in transfer.REQUIRED}
                    | {name: {} for name in sorted(transfer.IGNORED)},
                )
            )
        },
        ("data",),
    ),
    "text/csv": {},
}
NEW_SEARCH: Final = fields(_SEARCH, saved_search.REQUIRED, saved_search.OPTIONAL)
CHANGED_SEARCH: Final = fields(_SEARCH, (), saved_search.CHANGED)
NEW_LINK: Final = fields(
    {
        "call_id": TEXT,
        "legs": one_of(share_link.LEGS),
        "message_ids": {**array(ID), "maxItems": share_link.MAX_MESSAGES},
        "export": BOOLEAN,
        "duration": DURATION,
        "note": {**STRING, "maxLength": share_link.MAX_NOTE},
    },
    share_link.REQUIRED,
    share_link.OPTIONAL,
)

NAMES: Final[Mapping[str, Schema]] = {
    "Alias": record(
        {
            "id": INTEGER,
            "guid": {**STRING, "format": "uuid"},
            **_ALIAS,
            "created_at": TIME,
            "changed_at": TIME,
        }
    ),
    "AliasFile": record({"data": array(record(_FILE))}),
    "AliasImport": record({"aliases": INTEGER, "replace": BOOLEAN}),
    "SavedSearch": record(
        {
            "id": INTEGER,
            **_SEARCH,
            "username": STRING,
            "own": BOOLEAN,
            "created_at": TIME,
            "changed_at": TIME,
        }
    ),
    "ShareLink": record(_LINK),
    "NewShareLink": record(
        {**_LINK, "token": {**STRING, "description": "Shown this once."}, "path": STRING}
    ),
    "SharedCall": record(
        {
            "call_id": STRING,
            "from": TIME,
            "to": TIME,
            "complete": BOOLEAN,
            "messages": array(ref("Message")),
            "may_export": BOOLEAN,
            "expires_at": TIME,
        },
        {**_CALL},
    ),
}
"""By the name that the description gives them."""
EXTERNAL_LINKS: Final = array(record({"name": STRING, "url": {**STRING, "format": "uri"}}))

TOKEN: Final[Mapping[str, Schema]] = {
    "token": {
        "type": "string",
        "pattern": f"^{SHARE_PREFIX}[A-Za-z0-9_-]{{{LENGTH - len(SHARE_PREFIX)}}}$",
    }
}
"""In the path, of a share link."""


def names_of(columns: Collection[str]) -> dict[str, Schema]:
    """The names of hosts that rows with these columns may have."""
    return dict.fromkeys(name_columns(columns), STRING)
