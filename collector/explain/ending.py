# SPDX-License-Identifier: GPL-2.0-or-later
"""How an answered call ended: the BYE, and who is behind it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from collector.explain.leg import Leg, Transaction
from collector.explain.message import Message
from collector.explain.statement import Certainty
from collector.explain.words import name


class Side(StrEnum):
    """Who ended a call."""

    CALLER = "caller"
    CALLEE = "callee"
    MIDDLE = "middle"
    """An element between them, in the name of one of them."""
    UNKNOWN = "unknown"


class Ending(NamedTuple):
    """The first BYE."""

    hop: Transaction
    bye: Message
    side: Side
    who: str
    """For the beginning of a sentence."""
    certainty: Certainty

    @classmethod
    def of(cls, leg: Leg) -> Ending | None:
        """None when no BYE was captured."""
        hop = next((hop for hop in leg.of("BYE") if hop.requests), None)
        if hop is None:
            return None
        bye = hop.requests[0]
        if _from_the_middle(leg, bye):
            text = f"An element in the middle, {bye.src},"
            return cls(hop, bye, Side.MIDDLE, text, Certainty.LIKELY)
        if leg.last and bye.from_tag and bye.from_tag == leg.caller_tag:
            return cls(hop, bye, Side.CALLER, name(leg.caller), Certainty.CERTAIN)
        if leg.last and bye.to_tag and bye.to_tag == leg.caller_tag:
            return cls(hop, bye, Side.CALLEE, name(leg.callee), Certainty.CERTAIN)
        if bye.from_user:
            return cls(hop, bye, Side.UNKNOWN, name(bye.from_user), Certainty.LIKELY)
        text = "One side, which cannot be told,"
        return cls(hop, bye, Side.UNKNOWN, text, Certainty.UNKNOWN)


def _from_the_middle(leg: Leg, bye: Message) -> bool:
    """Whether the BYE begins at an element that the INVITE passed through.

    The ends of the call are known from the INVITE. A request of one Via that comes from neither of
    them, but from where the INVITE was passed on, was made there.
    """
    if not leg.last or len(bye.branches) > 1:
        return False
    passed = {hop.src for hop in leg.last.hops if hop.parent}
    passed &= {hop.dst for hop in leg.last.hops if hop.children}
    return bye.src in passed and bye.src.ip != ""
