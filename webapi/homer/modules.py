# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user interface asks about the service itself."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from webapi.homer import answer
from webapi.homer.field import DATABASE_NODE

_NODE_NAME: Final = "LocalNode"


async def list_nodes(_request: web.Request) -> web.Response:
    """The databases, of which there is one: capture nodes write to it together."""
    return answer.listed([{"value": DATABASE_NODE, "name": _NODE_NAME}])


async def show_modules(_request: web.Request) -> web.Response:
    """Whether the call window has a Loki tab, and with which query it begins."""
    loki = {"enable": False, "template": "", "external_url": ""}
    return answer.json({"message": "Modules status", "data": {"loki": loki}})
