# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/search/remote``: log lines of Loki.

``server`` of a request counts for nothing: which Loki is asked is a setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from aiohttp import web

from webapi.access import fields
from webapi.context import CONTEXT
from webapi.homer import answer, body
from webapi.homer.backends import BACKENDS, LOKI, data_of
from webapi.homer.span import span_of
from webapi.parameters import MAX_LENGTH

DEFAULT_LIMIT: Final = 100
_API: Final = ("loki", "api", "v1")
_NS_PER_MS: Final = 1_000_000
_MOST_DIGITS: Final = 19
"""Of a moment in nanoseconds."""


async def list_labels(request: web.Request) -> web.Response:
    """Names of labels."""
    found = await request.app[BACKENDS].get(LOKI, (*_API, "labels"))
    return answer.json(data_of(found), 201)


async def list_values(request: web.Request) -> web.Response:
    """Values of a label."""
    path = (*_API, "label", request.query.get("label", ""), "values")
    return answer.json(data_of(await request.app[BACKENDS].get(LOKI, path)), 201)


async def search_lines(request: web.Request) -> web.Response:
    """Lines in a time range, the newest first, with their labels."""
    given = await body.read(request)
    span = span_of(given)
    param = given.get("param")
    asked: dict[str, Any] = param if isinstance(param, dict) else {}
    most = request.app[CONTEXT].settings.web.max_rows
    query = [
        ("query", fields.text(asked, "search", 4 * MAX_LENGTH, empty=False)),
        ("limit", str(min(body.number(asked, "limit", DEFAULT_LIMIT) or DEFAULT_LIMIT, most))),
        ("start", str(int(span.begin_ms * _NS_PER_MS))),
        ("end", str(int(span.end_ms * _NS_PER_MS))),
    ]
    found = await request.app[BACKENDS].get(LOKI, (*_API, "query_range"), query)
    lines = sorted(_lines(found), key=lambda line: -line["micro_ts"])
    return answer.json({"data": [{"id": at, **line} for at, line in enumerate(lines, 1)]}, 201)


def _lines(found: Any) -> Iterator[dict[str, Any]]:
    """``micro_ts`` is in milliseconds, as the user interface takes it."""
    data = found.get("data") if isinstance(found, dict) else None
    streams = data.get("result") if isinstance(data, dict) else None
    for stream in streams if isinstance(streams, list) else []:
        if not isinstance(stream, dict) or not isinstance(stream.get("values"), list):
            continue
        labels = orjson.dumps(stream.get("stream", {})).decode()
        for value in stream["values"]:
            match value:
                case [str(moment), str(line), *_] if moment.isascii() and moment.isdigit():
                    milliseconds = int(moment[:_MOST_DIGITS]) // _NS_PER_MS
                    yield {"micro_ts": milliseconds, "custom_1": line, "custom_2": labels}
