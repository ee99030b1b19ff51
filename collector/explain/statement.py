# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said about a call: sentences, how sure they are, and the messages that prove them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from collector.explain.code import Code
from collector.log import one_line

if TYPE_CHECKING:
    from collector.explain.message import Message

MAX_PROOFS: Final = 100
"""Messages that a statement names; of more the first ones."""


class Severity(StrEnum):
    """How much a statement matters to somebody who looks for a fault."""

    INFO = "info"
    NOTICE = "notice"
    PROBLEM = "problem"


class Certainty(StrEnum):
    """How far the captured messages carry a statement."""

    CERTAIN = "certain"
    """The messages say it."""
    LIKELY = "likely"
    """The messages fit it best; something that was not captured may say otherwise."""
    UNKNOWN = "unknown"
    """The statement says what cannot be told."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One plain sentence. ``messages`` are ids of rows, in the order of capture.

    Only what is not about messages (linked legs, quality reports) has none. ``at`` is when it
    happened.
    """

    code: Code
    text: str
    severity: Severity
    certainty: Certainty
    messages: tuple[int, ...]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The story of one leg: ``headline`` says what happened and why it ended, the rest how."""

    headline: Statement
    statements: tuple[Statement, ...]
    started_at: datetime | None
    """Time of the first message, which the text shows times from."""


def state(
    code: Code,
    text: str,
    proofs: Iterable[Message],
    severity: Severity = Severity.INFO,
    certainty: Certainty = Certainty.CERTAIN,
) -> Statement:
    """A statement whose sentence has no control characters, proved by these messages.

    The first of them says when it happened.
    """
    listed = list(proofs)
    proved = sorted({message.id: message for message in listed}.values(), key=lambda m: m.order)
    return Statement(
        code,
        one_line(text),
        severity,
        certainty,
        tuple(message.id for message in proved[:MAX_PROOFS]),
        listed[0].ts if listed else None,
    )
