# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/call/transaction``: what the call window shows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from collector.hep import TYPE_LOG, TYPE_RTCP
from webapi.context import CONTEXT
from webapi.homer import answer
from webapi.homer.field import PROFILES, TYPE_CDR, TYPE_ISUP
from webapi.homer.search import asked, call, packets
from webapi.homer.search.asked import Asked
from webapi.homer.search.packets import Host, Packet
from webapi.names.aliases import ALIASES
from webapi.names.resolver import Resolver

_ALWAYS: Final = tuple(one for one in PROFILES.values() if one.hepid not in (34, 35))
"""Reports of RTP are shown for themselves, unless the window was opened from one."""
_METHODS: Final[Mapping[int, tuple[str, str]]] = {
    TYPE_RTCP: ("RTCP", "RTCP"),
    34: ("Report RTP", "Report RTP"),
    35: ("Report RTP", "Report RTP"),
    TYPE_ISUP: ("ISUP", "ISUP message"),
    TYPE_CDR: ("CDR", "CDR"),
    81: ("CDR", "CDR"),
    TYPE_LOG: ("LOG", "LOG"),
}
"""What an arrow is called, by HEP type."""
_GENERIC: Final = ("Generic", "generic")
_COLOUR: Final = "blue"
_BEGINNING: Final = 50
"""Characters of a packet beside its arrow."""


async def show_transaction(request: web.Request) -> web.Response:
    """All legs of the calls, with the logs, RTCP and other packets that have their Call-IDs."""
    wanted = await asked.read(request)
    found, complete = await _read(request, wanted)
    names = await request.app[ALIASES].resolver()
    # Of thousands of messages; other requests are answered meanwhile.
    return await asyncio.to_thread(_show, found, names, complete)


async def _read(request: web.Request, wanted: Asked) -> tuple[list[Packet], bool]:
    """In the order of capture, and whether they are all."""
    context = request.app[CONTEXT]
    call_ids = wanted.call_ids()
    found: list[Packet] = []
    if not wanted.is_here:
        return found, True
    most = context.settings.web.max_call_messages
    profiles = dict.fromkeys([*_ALWAYS, *wanted.profiles])
    async with context.sites.reading() as reading:
        wanted, call_ids = await call.whole(context, reading, wanted)
        for profile in profiles:
            search = packets.of_calls(profile, wanted, call_ids, most + 1)
            rows, _ = await packets.read(context, reading, search)
            found += [Packet(profile, row) for row in rows]
    return packets.by_time(found)[:most], len(found) <= most and not reading.missing


def _show(found: Sequence[Packet], names: Resolver, complete: bool) -> web.Response:
    messages = [_message(packet) for packet in found]
    flow = Flow(names)
    for packet, message in zip(found, messages, strict=True):
        flow.add(packet, message)
    data = {
        "messages": messages,
        "hosts": flow.hosts,
        "calldata": flow.arrows,
        "alias": flow.aliases,
    }
    keys = packets.keys_of(messages)
    return answer.json(
        {"total": len(messages), "keys": keys, "data": data, "complete": complete}, 201
    )


def _message(packet: Packet) -> dict[str, Any]:
    row = packet.row
    at = packets.create_date(row)
    return packets.show(packet.profile, row) | {
        "profile": packet.profile.key,
        "raw": packets.raw_text(row),
        "create_date": at,
        "create_ts": at,
        "micro_ts": packets.micro_ts(row),
    }


class Flow:
    """The ladder: an arrow for each packet between hosts in the order of their appearance."""

    def __init__(self, names: Resolver) -> None:
        self._names = names
        self.hosts: dict[str, dict[str, Any]] = {}
        self.arrows: list[dict[str, Any]] = []
        self.aliases: dict[str, str] = {}

    def add(self, packet: Packet, message: Mapping[str, Any]) -> None:
        """One more packet, and how it is shown."""
        source = Host.source(packet.row, self._names)
        destination = Host.destination(packet.row, self._names)
        for host in (source, destination):
            self.hosts.setdefault(host.id, {"host": [host.id], "position": len(self.hosts)})
            self.aliases[host.id] = host.alias
        method, text = _METHODS.get(message["payloadType"], _GENERIC)
        said = message.get("method")
        self.arrows.append(
            {
                **{
                    name: message[name]
                    for name in ("id", "sid", "create_date", "micro_ts", "protocol")
                },
                "srcHost": source.ip,
                "dstHost": destination.ip,
                "srcId": source.id,
                "dstId": destination.id,
                "srcIp": source.ip,
                "dstIp": destination.ip,
                "srcPort": source.port,
                "dstPort": destination.port,
                "aliasSrc": source.alias,
                "aliasDst": destination.alias,
                "method": said or method,
                "method_text": said or text,
                "msg_color": _COLOUR,
                "table": "",
                "ruri_user": message["raw"][:_BEGINNING],
                "destination": self.hosts[destination.id]["position"],
            }
        )
