# SPDX-License-Identifier: GPL-2.0-or-later
"""``POST /api/v3/search/call/data``: the table of results; and what the smart input suggests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from webapi.context import CONTEXT
from webapi.errors import ApiError, bad_parameter
from webapi.homer import answer
from webapi.homer.field import PROFILES, Profile, short_name
from webapi.homer.search import asked, packets, smart
from webapi.homer.search.asked import Asked
from webapi.homer.search.condition import Names, of_elements, texts
from webapi.homer.search.packets import Packet
from webapi.names.aliases import ALIASES
from webapi.names.resolver import Resolver
from webapi.parameters import check_range, single

DEFAULT_LIMIT: Final = 200
_LOG: Final = "100_default"
_FORMS_WITHOUT_TAG: Final = ("multiselect", "smart-input")


async def search_data(request: web.Request) -> web.Response:
    """The last packets that the conditions describe, in the order of capture."""
    wanted = await asked.read(request)
    context = request.app[CONTEXT]
    check_range(wanted.begin, wanted.end, context.settings.web.max_range, "timestamp.from")
    custom_headers = context.settings.sip.custom_headers
    searches = [
        packets.newest(
            profile,
            wanted,
            of_elements(
                Names(profile, custom_headers),
                wanted.searches[profile.key],
                any_of=wanted.any_of,
                smart=smart.parse,
            ),
            min(_limit(wanted, profile), context.settings.web.max_rows),
            payload=profile.key == _LOG,
        )
        for profile in wanted.profiles
    ]
    found: list[Packet] = []
    complete = True
    names = await request.app[ALIASES].resolver()
    if wanted.is_here:
        async with context.sites.reading() as reading:
            for profile, search in zip(wanted.profiles, searches, strict=True):
                if not search.limit:
                    continue
                rows, all_searched = await packets.read(context, reading, search)
                complete = complete and all_searched
                found += [Packet(profile, row) for row in rows]
            complete = complete and not reading.missing
    most = max(search.limit for search in searches)
    found = packets.by_time(found)[-most:] if most else []
    # Of thousands of rows; other requests are answered meanwhile.
    return await asyncio.to_thread(_table, found, names, complete)


def _table(found: Sequence[Packet], names: Resolver, complete: bool) -> web.Response:
    data = [_show(packet, names) for packet in found]
    keys = packets.keys_of(data)
    return answer.json({"total": len(data), "keys": keys, "data": data, "complete": complete}, 201)


def _limit(wanted: Asked, profile: Profile) -> int:
    """The element ``limit``, as HOMER has it, else ``param.limit``."""
    for element in wanted.searches[profile.key]:
        if isinstance(element, dict) and element.get("name") == "limit":
            given = texts("limit", element.get("value"))
            if given:
                return max(0, asked.number("limit", given[0]))
    return max(0, DEFAULT_LIMIT if wanted.limit is None else wanted.limit)


def _show(packet: Packet, names: Resolver) -> dict[str, Any]:
    profile, row = packet
    found = packets.show(profile, row)
    found["table"] = f"hep_proto_{profile.key}"
    found["create_date"] = packets.create_date(row)
    found["aliasSrc"] = packets.Host.source(row, names).alias
    found["aliasDst"] = packets.Host.destination(row, names).alias
    if profile.key == _LOG:
        found["raw"] = packets.raw_text(row)
    return found


async def suggest_fields(request: web.Request) -> web.Response:
    """``GET /api/v3/smart/search/tag/{hepid}/{profile}``: fields whose short name has the last word
    of what was typed."""
    key = f"{request.match_info['hepid']}_{request.match_info['profile']}"
    profile = PROFILES.get(key)
    if profile is None:
        raise ApiError(400, "bad_parameter", "failed to get smart hep profile", "profile")
    typed = _typed(single(request.query, ("query",)).get("query", ""))
    word = typed.split()[-1] if typed.split() else ""
    names = [
        (short_name(one) if profile.is_sip else one.id, one.id)
        for one in profile.fields
        if not one.skip and one.hints.get("form_type") not in _FORMS_WITHOUT_TAG
    ]
    found = [{"name": name, "value": value} for name, value in names if word in name]
    return answer.json({"data": {"data": found}})


def _typed(query: str) -> str:
    """``data`` of the JSON object in the parameter."""
    if not query:
        return ""
    try:
        found = orjson.loads(query)
    except orjson.JSONDecodeError:
        found = None
    data = found.get("data", "") if isinstance(found, dict) else None
    if not isinstance(data, str):
        raise bad_parameter("query", 'must be like {"data": "sip.from"}')
    return data
