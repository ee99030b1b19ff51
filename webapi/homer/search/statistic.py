# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v3/statistic/…``: HOMER's way to InfluxDB, which is not a part of this system."""

from __future__ import annotations

from aiohttp import web

from webapi.errors import ApiError
from webapi.homer import answer


async def list_databases(_request: web.Request) -> web.Response:
    """There is none: a chart then offers none."""
    return answer.json({"status": "ok", "total": 0, "data": []}, 201)


async def refuse(_request: web.Request) -> web.Response:
    """As HOMER without InfluxDB."""
    raise ApiError(400, "no_influxdb", "Influxdb service is not enabled")
