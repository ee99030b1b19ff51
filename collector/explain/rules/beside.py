# SPDX-License-Identifier: GPL-2.0-or-later
"""What other tables know of the leg: linked legs and the quality of its audio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.statement import Certainty, Severity, Statement, state
from collector.explain.words import name, quote

_CERTAINTY: Final = {"certain": Certainty.CERTAIN, "likely": Certainty.LIKELY}
_LOSS_PERCENT: Final = 2.0
"""Lost packets from which on people hear it."""
_MOS: Final = 3.6
"""Below it many users are dissatisfied (ITU-T G.107 annex B: R 70)."""


def linked(_: Leg, known: Known) -> Iterator[Statement]:
    """Other legs of the same call."""
    for link in known.links:
        other, reason = str(link.get("linked_id", "")), str(link.get("reason", ""))
        text = f"Belongs together with {quote(other)} ({quote(reason, marks=False)}"
        text += f": {quote(str(link['detail']), marks=False)})." if link.get("detail") else ")."
        certainty = _CERTAINTY.get(str(link.get("confidence")), Certainty.UNKNOWN)
        yield state(Code.LINKED, text, [], certainty=certainty)


def bad_audio(leg: Leg, known: Known) -> Iterator[Statement]:
    """Audio that people will have complained about."""
    if not known.quality:
        return
    heard = ((leg.callee, known.quality.to_callee), (leg.caller, known.quality.to_caller))
    for party, summary in heard:
        mos, loss = summary.mos, summary.loss_percent
        bad = [f"MOS {mos.mean:.1f} ({summary.mos_source})"] if mos and mos.mean < _MOS else []
        if loss and loss.mean > _LOSS_PERCENT:
            bad.append(f"{loss.mean:.1f} % of the packets lost")
        if bad:
            text = f"What {name(party)} heard was bad: {', '.join(bad)}."
            yield state(Code.BAD_AUDIO, text, [], Severity.PROBLEM)


def one_sided(leg: Leg, known: Known) -> Iterator[Statement]:
    """Reports of how one way arrived, and none of the other."""
    if not known.quality:
        return
    ways = known.quality.to_callee.reported, known.quality.to_caller.reported
    if set(ways) == {True, False}:
        party = leg.caller if ways[0] else leg.callee
        text = f"No report was received of what {name(party)} heard: nothing, or nobody reported."
        yield state(Code.ONE_SIDED, text, [], Severity.NOTICE, Certainty.UNKNOWN)


RULES = (linked, bad_audio, one_sided)
