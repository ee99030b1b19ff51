# SPDX-License-Identifier: GPL-2.0-or-later
"""What the user interface asks about the service itself.

Some of it HOMER's own service does not have; the answer is that there is nothing.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from collector import __version__
from webapi.context import CONTEXT
from webapi.homer import answer
from webapi.homer.backends import BACKENDS, LOKI
from webapi.homer.field import DATABASE_NODE

_NODE_NAME: Final = "LocalNode"


async def list_nodes(_request: web.Request) -> web.Response:
    """The databases, of which there is one: capture nodes write to it together."""
    return answer.listed([{"value": DATABASE_NODE, "name": _NODE_NAME}])


async def show_modules(request: web.Request) -> web.Response:
    """Whether the call window has a Loki tab, and with which query it begins."""
    loki = {
        "enable": request.app[BACKENDS].is_there(LOKI),
        "template": request.app[CONTEXT].settings.backends.loki_template,
        "external_url": "",
    }
    return answer.json({"message": "Modules status", "data": {"loki": loki}})


async def show_version(_request: web.Request) -> web.Response:
    """Of this program; the user interface comes from elsewhere and knows its own."""
    return answer.json({"data": {"version": __version__}})


async def list_nothing(_request: web.Request) -> web.Response:
    """No scripts: nothing that somebody stores is run here."""
    return answer.listed([])
