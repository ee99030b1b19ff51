# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read: the fields of JSON bodies, by the lists of names that the handlers read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collector.trace_rule import ACTIONS, KINDS
from webapi.access import administration, passwords, tokens
from webapi.access.asked import MORE_TOKEN_FIELDS, TOKEN_FIELDS
from webapi.access.handlers import PASSWORD_FIELDS, SIGN_IN_FIELDS
from webapi.access.roles import Role, Scope
from webapi.imports import upload
from webapi.openapi.names import DURATION
from webapi.openapi.operation import Content, fields
from webapi.openapi.shape import STRING
from webapi.schema import TEXT, Schema, one_of, some_of
from webapi.trace import asked

_NEW_PASSWORD: Final[Schema] = {
    "type": "string",
    "minLength": passwords.SHORTEST,
    "maxLength": passwords.LONGEST,
}
_LINE: Final[Schema] = {"type": "string", "maxLength": administration.MAX_TEXT}
_USER: Final[Mapping[str, Schema]] = {
    "username": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"},
    "role": one_of(Role),
    "password": _NEW_PASSWORD,
    "email": _LINE,
    "full_name": _LINE,
    "enabled": {"type": "boolean"},
    "must_change_password": {"type": "boolean"},
}
_TOKEN: Final[Mapping[str, Schema]] = {
    "name": {**TEXT, "maxLength": tokens.MAX_NAME},
    "scopes": some_of(one_of(Scope)),
    "networks": {"type": "array", "items": STRING, "maxItems": tokens.MAX_NETWORKS},
    "duration": DURATION,
}
_RULE: Final[Mapping[str, Schema]] = {
    "kind": one_of(KINDS),
    "value": TEXT,
    "action": one_of(ACTIONS),
    "percent": {"type": "number", "minimum": 0.01, "maximum": 100},
    "calls": {"type": "integer", "minimum": 0},
    "methods": some_of(TEXT),
    "duration": DURATION,
    "requested_by": {**TEXT, "maxLength": asked.MAX_NAME},
    "reason": {**TEXT, "maxLength": asked.MAX_REASON},
}

SIGN_IN: Final = fields(dict.fromkeys(SIGN_IN_FIELDS, STRING), SIGN_IN_FIELDS)
NEW_PASSWORD: Final = fields({"password": STRING, "new_password": _NEW_PASSWORD}, PASSWORD_FIELDS)
NEW_USER: Final = fields(_USER, administration.USER_FIELDS, administration.MORE_USER_FIELDS)
CHANGED_USER: Final = fields(_USER, (), administration.CHANGED_FIELDS)
NEW_TOKEN: Final = fields(_TOKEN, TOKEN_FIELDS, MORE_TOKEN_FIELDS)
NEW_RULE: Final = fields(
    _RULE, asked.REQUIRED, [n for n in asked.FIELDS if n not in asked.REQUIRED]
)
CAPTURE_FILE: Final[Content] = {
    **{kind: {} for kind in upload.TYPES},
    upload.MULTIPART: {"type": "object", "additionalProperties": {}},
}
