# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings streams to PostgreSQL, each to the call that it belongs to.

A report's HEP correlation id is a Call-ID as a rule. Where it is none that is known, the call is
found by the media addresses in its SDP. What belongs to no known call keeps its id and is filed by
the hour of its first report.
"""

from __future__ import annotations

import time
from typing import Final, TypeAlias, TypeVar

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from collector.copy_binary import (
    NULL,
    inet,
    pack_int2,
    pack_int4,
    pack_int8,
    timestamp,
)
from collector.correlation import media, streams
from collector.correlation.columns import STREAM, STREAM_FILING, flat
from collector.correlation.encode import optional_text, required_text
from collector.correlation.media import Endpoint, Wanted
from collector.correlation.merge import merge_assignments
from collector.correlation.staging import Staging
from collector.correlation.streams import FIRST_AT, LAST_AT, Stream, StreamKey
from collector.hop.form import FORM
from collector.moment import to_us
from collector.statement import names, statement

MAX_REMEMBERED: Final = 20_000
"""Streams whose call was looked for; beyond that all are forgotten and looked for again."""
ASK_AGAIN_S: Final = 20.0
"""The call of addresses that are not known is looked for again after this time."""

_Ends: TypeAlias = tuple[Endpoint, Endpoint]
_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")

_US_PER_HOUR: Final = 3_600_000_000

_COLUMNS: Final = (*STREAM_FILING, *flat(STREAM))
STREAM_STAGING: Final = Staging("rtp_stream_fact", _COLUMNS)
_MERGE: Final = statement(
    """
    INSERT INTO rtp_stream AS have ({names})
    SELECT {names} FROM rtp_stream_fact ORDER BY {key}
    ON CONFLICT ({key}) DO UPDATE SET {assignments}
    """,
    names=names(_COLUMNS),
    key=names(STREAM_FILING),
    assignments=merge_assignments(STREAM),
)
_FILED: Final = "SELECT call_id, ts FROM call_key WHERE call_id = ANY(%s)"


class StreamWriter:
    """Writes the streams of one ingest process."""

    def __init__(self) -> None:
        self._encoder = FORM.row_encoder(len(STREAM_FILING), STREAM)
        self._calls: dict[StreamKey, str] = {}
        """Of streams with an SSRC: it is not used again (RFC 3550 §8), while addresses are."""
        self._ask_at: dict[_Ends, float] = {}
        """Between whom there is no known call, and when to look again."""

    async def write(self, cursor: AsyncCursor[TupleRow], found: dict[StreamKey, Stream]) -> None:
        """Merge streams into their rows, after the calls were. Raises what psycopg raises."""
        filed: dict[tuple[int, StreamKey], Stream] = {}
        places = await self._places(cursor, found)
        for key, stream in found.items():
            call_id, ts = places[key]
            if ts is None:
                ts = stream[FIRST_AT] // _US_PER_HOUR * _US_PER_HOUR
            place = ts, key._replace(call_id=call_id)
            filed[place] = streams.merge(filed.get(place), stream.copy())
        rows = [self._row(ts, key, stream) for (ts, key), stream in filed.items()]
        await STREAM_STAGING.fill(cursor, rows)
        await cursor.execute(_MERGE)

    async def _places(
        self, cursor: AsyncCursor[TupleRow], found: dict[StreamKey, Stream]
    ) -> dict[StreamKey, tuple[bytes, int | None]]:
        """Call-ID and, where its call is known, filing time of each, µs since 1970."""
        named = {key: key.call_id.decode() for key in found}
        filed = await self._filed(cursor, {*named.values()} - {""})
        now = time.monotonic()
        unknown: dict[StreamKey, _Ends] = {}
        wanted: dict[_Ends, Wanted] = {}
        for key, call_id in named.items():
            if call_id in filed:
                continue
            if key in self._calls:
                named[key] = self._calls[key]
                continue
            ends = _ends(key)
            if self._ask_at.get(ends, 0) <= now:
                unknown[key] = ends
                wanted[ends] = Wanted(ends, found[key][LAST_AT])
        answers = dict(zip(wanted, await media.find(cursor, wanted.values()), strict=True))
        for key, ends in unknown.items():
            answer = answers[ends]
            if answer is None:
                _remember(self._ask_at, ends, now + ASK_AGAIN_S)
                continue
            named[key] = answer.call_id
            filed[answer.call_id] = to_us(answer.ts)
            if key.ssrc is not None:
                _remember(self._calls, key, answer.call_id)
        filed |= await self._filed(cursor, {*named.values()} - filed.keys() - {""})
        return {key: (call_id.encode(), filed.get(call_id)) for key, call_id in named.items()}

    async def _filed(self, cursor: AsyncCursor[TupleRow], call_ids: set[str]) -> dict[str, int]:
        if not call_ids:
            return {}
        await cursor.execute(_FILED, (list(call_ids),))
        return {call_id: to_us(ts) for call_id, ts in await cursor.fetchall()}

    def _row(self, ts: int, key: StreamKey, stream: Stream) -> bytes:
        return self._encoder.row(
            (
                timestamp(ts),
                required_text(key.call_id),
                pack_int2(2, key.type),
                NULL if key.ssrc is None else pack_int8(8, key.ssrc),
                pack_int4(4, key.src_port),
                pack_int4(4, key.dst_port),
                inet(key.src_ip),
                inet(key.dst_ip),
                optional_text(key.direction),
            ),
            stream,
        )


def _ends(key: StreamKey) -> _Ends:
    """Both ends, the same for both directions."""
    ends = Endpoint(key.src_ip, key.src_port), Endpoint(key.dst_ip, key.dst_port)
    return ends if ends[0] <= ends[1] else ends[::-1]


def _remember(known: dict[_Asked, _Answer], key: _Asked, value: _Answer) -> None:
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = value
