# SPDX-License-Identifier: GPL-2.0-or-later
"""The legs that belong to the Call-IDs of a request, and the time that they took.

HOMER looks for further legs by rules over the packets' fields. Here they are known: the links
between legs are stored with the calls.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from operator import itemgetter

from webapi.calls import legs_of
from webapi.context import Context
from webapi.homer.search.asked import Asked
from webapi.lifetime import uses_of
from webapi.sites.reading import Reading

_US = timedelta(microseconds=1)


async def whole(context: Context, reading: Reading, asked: Asked) -> tuple[Asked, list[str]]:
    """The Call-IDs of all legs, and the request with its time range widened to all of them.

    A Call-ID of no call, as that of a registration, stands for itself, in the range as asked.
    """
    wanted = asked.call_ids()
    known = dict.fromkeys(wanted)
    begin, end = asked.begin, asked.end
    deadline = time.monotonic() + context.settings.web.query_timeout
    followed: set[str] = set()
    for call_id in wanted:
        if call_id in followed or time.monotonic() > deadline:
            continue
        met = await uses_of(reading, call_id, (begin, asked.end))
        if not met:
            continue
        # One who uses a Call-ID again gets the last of those calls.
        legs = await legs_of(context, reading, max(met, key=itemgetter("started_at")))
        followed.update(legs.ids(guessed=False))
        known |= dict.fromkeys(legs.ids(guessed=False))
        begin = min(begin, *(row["started_at"] for row in legs.rows))
        end = max(end, *(row["last_at"] + _US for row in legs.rows))
    return replace(asked, begin=begin, end=end), list(known)
