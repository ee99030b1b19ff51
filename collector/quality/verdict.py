# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shown of a call's quality, out of its rows of ``rtp_stream`` and its row of ``call``.

A figure that nobody reported is None, which is not 0. Beside all stands what was lost while
capturing: a report that was lost looks like one that was never sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from collector.quality import codec
from collector.quality.codec import Codec
from collector.quality.stream import SIDES, VIEWS, Figure, Row, Stream, Way, merge_rows, read


class MosSource(StrEnum):
    """Where a mean opinion score is from."""

    REPORTED = "reported"
    """Somebody who reports gave it."""
    COMPUTED = "computed"
    """From loss, jitter and delay by the E-model."""


class Summary(NamedTuple):
    """The worst that was reported of one way, over its streams and sources."""

    reported: bool | None
    """False: no report was received of how it arrived, which says nothing about its quality.
    None: there are reports, but of which way is not known."""
    loss_percent: Figure | None = None
    jitter_ms: Figure | None = None
    rtt_ms: Figure | None = None
    mos: Figure | None = None
    mos_source: MosSource | None = None


class CaptureLoss(NamedTuple):
    """Packets that the capture nodes received while the call ran, and lost of them."""

    received: int
    lost: int

    @classmethod
    def of(cls, row: Row | None) -> CaptureLoss | None:
        """What ``capture_loss.READ`` found; None when nothing is known of that time."""
        return cls(row["received"], row["lost"]) if row and row["received"] is not None else None

    @property
    def percent(self) -> float:
        """The part that was lost."""
        return 100 * self.lost / self.received if self.received else 0.0


class Verdict(NamedTuple):
    """The quality of one call."""

    codec: str | None
    """Taken to be in use; None when SDP does not say."""
    to_callee: Summary
    to_caller: Summary
    streams: tuple[Stream, ...]
    """In the order of their first reports."""
    capture: CaptureLoss | None
    """None when it is not known."""


class Assigned(NamedTuple):
    """The streams of one call."""

    codec: str | None
    """Taken to be in use."""
    used: Codec
    """What is known of it."""
    streams: list[tuple[Row, Stream]]
    """With the row that each was read from, in the order of their first reports."""


_RTCP_AFTER_RTP: Final = 1


def verdict(
    rows: Iterable[Row], call: Row | None = None, capture: CaptureLoss | None = None
) -> Verdict:
    """The quality of a call.

    ``rows`` are all of ``rtp_stream`` with its Call-ID, in any order. ``call`` is its row, None
    when no message of it was captured.
    """
    assigned = assign(rows, call)
    streams = [stream for _, stream in assigned.streams]
    return Verdict(
        assigned.codec,
        _summary(streams, Way.TO_CALLEE),
        _summary(streams, Way.TO_CALLER),
        tuple(streams),
        capture,
    )


def assign(rows: Iterable[Row], call: Row | None) -> Assigned:
    """Read the rows of one call, and say which way each stream goes."""
    name = codec_in_use(call) if call else None
    used = codec.find(name)
    merged: list[tuple[Row, Stream]] = [
        (row, read(row, used)._replace(way=way(row, call) if call else None))
        for row in merge_rows(rows)
    ]
    merged.sort(key=lambda one: (one[1].first_at, one[1].ssrc or 0, one[1].direction or ""))
    return Assigned(name, used, merged)


def codec_in_use(call: Row) -> str | None:
    """The first codec of the answer that is in the offer; an offer alone decides nothing."""
    offered = _names(call["caller_codecs"])
    answered = _names(call["callee_codecs"])
    return next((name for name in answered if name in offered), next(iter(answered), None))


def way(row: Row, call: Row) -> Way | None:
    """Which way a stream goes: by the media addresses in SDP, with and then without their ports.

    None when neither end is one of the call's, or both are the same.
    """
    source, target = (row["src_ip"], row["src_port"]), (row["dst_ip"], row["dst_port"])
    if row["direction"] in SIDES:
        return None
    if row["direction"] in VIEWS:
        return _way_of_view(row, call)
    caller = call["caller_media_ip"], call["caller_media_port"]
    callee = call["callee_media_ip"], call["callee_media_port"]
    for at in (_is_at, _is_on):
        to_callee = at(source, caller) or at(target, callee)
        to_caller = at(source, callee) or at(target, caller)
        if to_callee != to_caller:
            return Way.TO_CALLEE if to_callee else Way.TO_CALLER
    return None


def _way_of_view(row: Row, call: Row) -> Way | None:
    """By who sent the report, which an end does by SIP: it is the local end."""
    reporter = row["src_ip"]
    is_caller = reporter in (call["src_ip"], call["caller_media_ip"])
    is_callee = reporter in (call["answer_ip"], call["callee_media_ip"])
    if reporter is None or is_caller == is_callee:
        return None
    received_by_caller = is_caller == (row["direction"] == "local")
    return Way.TO_CALLER if received_by_caller else Way.TO_CALLEE


def _is_at(end: tuple[Any, int], media: tuple[Any, int | None]) -> bool:
    """Whether it is the address and the port, or that of RTCP."""
    port, media_port = end[1], media[1]
    if media_port is None or not _is_on(end, media):
        return False
    return port in (media_port, media_port + _RTCP_AFTER_RTP)


def _is_on(end: tuple[Any, int], media: tuple[Any, int | None]) -> bool:
    return end[0] is not None and end[0] == media[0]


def _names(codecs: str | None) -> list[str]:
    return codecs.split(",") if codecs else []


def _summary(found: Sequence[Stream], wanted: Way) -> Summary:
    streams = [stream for stream in found if stream.way is wanted and stream.reports]
    if not streams:
        unassigned = any(stream.way is None and stream.reports for stream in found)
        return Summary(None if unassigned else False)
    reported = [stream.mos_reported for stream in streams if stream.mos_reported]
    computed = [
        Figure(stream.mos_computed.mean, stream.mos_computed.worst)
        for stream in streams
        if stream.mos_computed
    ]
    return Summary(
        True,
        _most(stream.loss_percent for stream in streams),
        _most(stream.jitter_ms for stream in streams),
        _most(stream.rtt_ms for stream in streams),
        _least(reported or computed),
        MosSource.REPORTED if reported else MosSource.COMPUTED if computed else None,
    )


def _most(figures: Iterable[Figure | None]) -> Figure | None:
    known = [figure for figure in figures if figure]
    if not known:
        return None
    return Figure(max(figure.mean for figure in known), max(figure.worst for figure in known))


def _least(figures: list[Figure]) -> Figure | None:
    if not figures:
        return None
    return Figure(min(figure.mean for figure in figures), min(figure.worst for figure in figures))


def to_json(value: Any) -> Any:
    """A verdict, or a part of it, as objects and arrays; times stay as they are.

    Figures have four places.
    """
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        document = {name: to_json(part) for name, part in value._asdict().items()}
        if isinstance(value, CaptureLoss):
            document["percent"] = value.percent
        return document
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    return value
