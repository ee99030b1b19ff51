# SPDX-License-Identifier: GPL-2.0-or-later
"""What other tables know of the leg: linked legs and the quality of its audio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import quote

_CERTAINTY: Final = {"certain": Certainty.CERTAIN, "likely": Certainty.LIKELY}
_LOSS: Final = 0.02
"""Share of lost packets from which on people hear it."""
_MOS: Final = 3.6
"""Below it, many users are dissatisfied (ITU-T G.107 annex B: R 70)."""


def linked(_: Leg, known: Known) -> Iterator[Statement]:
    """Other legs of the same call."""
    for link in known.links:
        other, reason = str(link.get("linked_id", "")), str(link.get("reason", ""))
        text = f"Belongs together with {quote(other)} ({quote(reason, marks=False)}"
        text += f": {quote(str(link['detail']), marks=False)})." if link.get("detail") else ")."
        certainty = _CERTAINTY.get(str(link.get("confidence")), Certainty.UNKNOWN)
        yield state(Code.LINKED, text, [], certainty=certainty)


def quality(_: Leg, known: Known) -> Iterator[Statement]:
    """Streams that people will have complained about."""
    for stream in known.streams:
        mos, loss = _figure(stream, "mos"), _figure(stream, "loss")
        bad = [f"MOS {mos:.1f}"] if mos is not None and mos < _MOS else []
        bad += [f"{loss:.1%} of the packets lost"] if loss is not None and loss > _LOSS else []
        if bad:
            where = f"{stream.get('src_ip') or '?'} to {stream.get('dst_ip') or '?'}"
            text = f"Bad audio from {where}: {', '.join(bad)}."
            yield state(Code.BAD_AUDIO, text, [], Severity.PROBLEM)


def _figure(stream: Mapping[str, Any], name: str) -> float | None:
    value = stream.get(name)
    return float(value) if isinstance(value, int | float) else None


RULES = (linked, quality)
