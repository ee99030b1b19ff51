# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/export/call/messages/…``: the SIP messages of a call window as a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from psycopg.rows import DictRow

from collector.moment import to_text
from webapi.access import audit
from webapi.access.audit import Action
from webapi.access.principal import author_of
from webapi.context import CONTEXT
from webapi.export.form import Form
from webapi.export.handlers import search_of
from webapi.export.pcap import Pcap
from webapi.export.stream import Export, send
from webapi.export.text import Text, host_port
from webapi.homer.search import asked, call, packets

_PCAP: Final = ("pcap", "application/octet-stream")
_TEXT: Final = ("txt", "text/plain")


class HomerText(Text):
    """Messages as HOMER writes them; how the file ends is as in ours."""

    def rows(self, found: Sequence[DictRow]) -> bytes:
        """Every byte of the messages, under a line with transport, time and addresses."""
        parts: list[bytes] = []
        for message in found:
            source = host_port(message["src_ip"], message["src_port"])
            destination = host_port(message["dst_ip"], message["dst_port"])
            head = f"proto:{message['transport']} {to_text(message['ts'])}"
            line = f"{head}  {source} ---> {destination}\r\n\r\n"
            parts += [line.encode(), message["raw"], b"\r\n"]
        return b"".join(parts)


async def export_pcap(request: web.Request) -> web.StreamResponse:
    """For Wireshark."""
    return await _export(request, Pcap(), *_PCAP)


async def export_text(request: web.Request) -> web.StreamResponse:
    """For people."""
    return await _export(request, HomerText(), *_TEXT)


async def _export(
    request: web.Request, form: Form, suffix: str, content_type: str
) -> web.StreamResponse:
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    call_ids = wanted.call_ids()
    if wanted.is_here:
        async with context.sites.reading() as reading:
            wanted, call_ids = await call.whole(context, reading, wanted)
    else:
        call_ids = []
    # The gate has written down that there is an export; the path does not say of what.
    async with context.change() as connection:
        detail = {"call_ids": call_ids}
        await audit.write(connection, author_of(request), Action.EXPORTED, request.path, detail)
    most = context.settings.web.max_call_messages
    export = Export(
        search_of(call_ids, most, (wanted.begin, wanted.end), packets.but(wanted.but)),
        form,
        f"export-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}",
        suffix,
        content_type,
        "web.max_call_messages",
        may_be_empty=False,
        can_go_on=False,
    )
    return await send(request, export)
