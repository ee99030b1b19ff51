# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/prometheus``: metrics for the charts of dashboards."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web

from webapi.access import fields
from webapi.homer import answer, body
from webapi.homer.backends import BACKENDS, PROMETHEUS, data_of
from webapi.homer.span import Span, span_of
from webapi.parameters import MAX_LENGTH

MAX_METRICS: Final = 20
MAX_POINTS: Final = 11_000
"""Of one series: more Prometheus refuses by itself."""
_API: Final = ("api", "v1")
_SHOWN: Final = ("__name__", "instance", "job", "version")


async def query_metrics(request: web.Request) -> web.Response:
    """The values of each metric in a time range, a matrix each."""
    given = await body.read(request)
    span = span_of(given)
    param = given.get("param")
    asked: dict[str, Any] = param if isinstance(param, dict) else {}
    metrics = fields.texts(asked, "metrics", MAX_METRICS)
    step = max(body.number(asked, "precision", 60), 1, int(span.seconds / MAX_POINTS) + 1)
    found = await asyncio.gather(*(_matrix(request, metric, span, step) for metric in metrics))
    return answer.json(found, 201)


async def list_metrics(request: web.Request) -> web.Response:
    """Their names."""
    path = (*_API, "label", "__name__", "values")
    return answer.json(data_of(await request.app[BACKENDS].get(PROMETHEUS, path)), 201)


async def list_series(request: web.Request) -> web.Response:
    """The series of a metric."""
    query = [("match[]", fields.text(request.match_info, "name", MAX_LENGTH))]
    found = await request.app[BACKENDS].get(PROMETHEUS, (*_API, "series"), query)
    series = [one for one in data_of(found) if isinstance(one, dict)]
    return answer.json([{name: one.get(name, "") for name in _SHOWN} for one in series], 201)


async def show_nothing(_request: web.Request) -> web.Response:
    """HOMER answers this with an empty object."""
    return answer.json({}, 201)


async def _matrix(request: web.Request, metric: str, span: Span, step: int) -> dict[str, Any]:
    if len(metric) > MAX_LENGTH:
        raise fields.wrong("metrics", f"one is longer than {MAX_LENGTH} characters")
    query = [
        ("query", metric),
        ("start", f"{span.begin_ms / 1000:.3f}"),
        ("end", f"{span.end_ms / 1000:.3f}"),
        ("step", str(step)),
    ]
    found = await request.app[BACKENDS].get(PROMETHEUS, (*_API, "query_range"), query)
    data = found.get("data") if isinstance(found, dict) else None
    return {"success": "", "data": data or {"resultType": "matrix", "result": []}}
