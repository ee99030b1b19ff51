# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows with a number, as people and programs make them: lists a page at a time, and one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from webapi import schema
from webapi.context import CONTEXT, json_response
from webapi.parameters import integer
from webapi.schema import Parameters

DEFAULT_LIMIT: Final = 100
MAX_ID: Final = (1 << 31) - 1
PAGE_PARAMETERS: Final[Parameters] = {
    "after": schema.integer(0, MAX_ID),
    "limit": schema.up_to("max_rows"),
}
OWNED_PARAMETERS: Final[Parameters] = {**PAGE_PARAMETERS, "all": schema.FLAG}
"""Of a list of what belongs to users."""


def page(request: web.Request, parameters: Mapping[str, str]) -> tuple[int, int]:
    """The parameters ``after`` and ``limit``."""
    most = request.app[CONTEXT].settings.web.max_rows
    limit = integer("limit", parameters.get("limit", str(min(DEFAULT_LIMIT, most))), 1, most)
    return integer("after", parameters.get("after", "0"), 0, MAX_ID), limit


def listed(name: str, shown: list[dict[str, Any]], limit: int) -> web.Response:
    """The answer with up to ``limit`` of ``shown``, and behind which number the next page begins
    when there are more."""
    last: int | None = shown[limit - 1]["id"] if len(shown) > limit else None
    return json_response({name: shown[:limit], "next": last})


def id_of(request: web.Request) -> int:
    """The number in the path."""
    return integer("id", request.match_info["id"], 1, MAX_ID)


def created(shown: Mapping[str, Any]) -> web.Response:
    """201 with what is new."""
    response = json_response(shown)
    response.set_status(201)
    return response
