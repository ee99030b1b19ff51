# SPDX-License-Identifier: GPL-2.0-or-later
"""What the description has to say of a route beyond its handler, its path and its rights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, TypeAlias

from webapi.schema import NO_PARAMETERS, Parameters, Schema, record

Content: TypeAlias = Mapping[str, Schema]
"""What a body may be, by media type. An empty schema: any bytes."""

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"
_NONE: Final[Mapping[str, Schema]] = {}


class Operation(NamedTuple):
    """One method of one path. Summary and text are the docstring of the handler."""

    tag: str
    """What it is about: a key of ``TAGS``."""
    answer: Content
    query: Parameters = NO_PARAMETERS
    """The very mapping that the handler gives to ``parameters.single``."""
    body: Content = _NONE
    status: int = HTTPStatus.OK
    errors: Collection[int] = ()
    """Statuses of errors beyond those that ``document`` knows of any route with such parts."""
    path: Mapping[str, Schema] = _NONE
    """What is special about parameters in the path."""


def json(schema: Schema) -> Content:
    """JSON of this form."""
    return {JSON: schema}


def file(content_type: str) -> Content:
    """Bytes, or text, of which the description says no more."""
    return {content_type: {"type": "string"} if content_type.startswith("text/") else {}}


def fields(
    known: Mapping[str, Schema], required: Collection[str], more: Collection[str] = ()
) -> Content:
    """A JSON object with fields out of ``known``. One that is not there is an error of ours."""
    return json(
        record({name: known[name] for name in required}, {name: known[name] for name in more})
    )
