# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/import/data/pcap`` and ``…/now``: a capture file to the capture node."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from webapi.homer import answer
from webapi.imports.handlers import import_body

_DONE: Final = "All good"


async def import_pcap(request: web.Request) -> web.Response:
    """With the times that it has."""
    return await _import(request, shift=False)


async def import_pcap_now(request: web.Request) -> web.Response:
    """With its times moved, so that the last packet is now."""
    return await _import(request, shift=True)


async def _import(request: web.Request, *, shift: bool) -> web.Response:
    found = await import_body(request, shift=shift)
    messages = found["messages"]
    counts = {"inserted": messages["sent"], "rejected": messages["total"] - messages["sent"]}
    return answer.done(_DONE, counts)
