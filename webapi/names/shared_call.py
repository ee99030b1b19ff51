# SPDX-License-Identifier: GPL-2.0-or-later
"""What a share link shows of a call: what its page needs and no more."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from psycopg.rows import DictRow

from collector.moment import to_text
from webapi import calls
from webapi.context import Context
from webapi.lifetime import ANY_TIME
from webapi.names.resolver import Resolver
from webapi.names.share_link import Link
from webapi.sites.reading import not_found
from webapi.subject import MESSAGES

OF_CALL: Final = (
    *("call_id", "from", "to", "complete", "call", "legs", "links", "quality", "explanation"),
    *("media", "streams", "messages", "reports"),
)
"""No guesses, events (logs, CDRs), hubs and links to other systems."""
_NOT_SHOWN: Final = ("chunks",)
"""What the capture agent told of itself."""
_CREDENTIALS: Final = re.compile(
    rb"^((?:proxy-)?authorization[ \t]*:)[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)


async def shown(context: Context, resolver: Resolver, link: Link) -> dict[str, Any]:
    """As JSON. Raises ApiError 404 when it is no longer stored."""
    if link.message_ids is None:
        found = await calls.look_up(context, resolver, link.call_ids[0], link.call_ids)
        page = {name: found[name] for name in OF_CALL}
    else:
        page = await _messages(context, resolver, link)
    page["messages"] = [_bare(message) for message in page["messages"]]
    return {**page, "may_export": link.may_export, "expires_at": to_text(link.expires_at)}


async def _messages(context: Context, resolver: Resolver, link: Link) -> dict[str, Any]:
    rows = await of_link(context, link)
    return {
        "call_id": link.call_ids[0],
        "from": to_text(rows[0]["ts"]),
        "to": to_text(rows[-1]["ts"]),
        "complete": len(rows) == len(link.message_ids or ()),
        "messages": [MESSAGES.show(row) | resolver.names(row) for row in rows],
    }


async def of_link(context: Context, link: Link) -> list[DictRow]:
    """The messages that the link names, in the order of capture. Raises ApiError 404."""
    most = context.settings.web.max_call_messages
    async with context.sites.reading() as reading:
        rows = await calls.rows_of(reading, MESSAGES, link.call_ids, ANY_TIME, most)
    wanted = frozenset(link.message_ids or ())
    found = [row for row in rows if row["id"] in wanted]
    if not found:
        raise not_found(reading.missing, "the messages are no longer stored")
    return found


def _bare(message: dict[str, Any]) -> dict[str, Any]:
    """Without what lets somebody try out passwords (RFC 8760 §2.6) or is of the agent."""
    found = {name: value for name, value in message.items() if name not in _NOT_SHOWN}
    if "raw" in found:
        found["raw"] = without_credentials(found["raw"].encode()).decode()
    if "raw_base64" in found:
        raw = base64.b64decode(found["raw_base64"])
        found["raw_base64"] = base64.b64encode(without_credentials(raw)).decode()
    return found


def without_credentials(raw: bytes) -> bytes:
    """The values of Authorization and Proxy-Authorization become ``***``."""
    return _CREDENTIALS.sub(rb"\1 ***", raw)
