# SPDX-License-Identifier: GPL-2.0-or-later
"""All rules, and what they say about one leg."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from collector.explain.code import Code
from collector.explain.known import Known
from collector.explain.leg import Leg
from collector.explain.rules import (
    authentication,
    beside,
    cancel,
    capture,
    delivery,
    extension,
    fork,
    media,
    refusal,
    session,
    silence,
    story,
    transfer,
)
from collector.explain.statement import Statement
from collector.moment import EPOCH

RULES: Final[tuple[Callable[[Leg, Known], Iterator[Statement]], ...]] = (
    *story.RULES,
    *fork.RULES,
    *authentication.RULES,
    *refusal.RULES,
    *cancel.RULES,
    *silence.RULES,
    *delivery.RULES,
    *extension.RULES,
    *media.RULES,
    *session.RULES,
    *transfer.RULES,
    *capture.RULES,
    *beside.RULES,
)

MAX_ALIKE: Final = 20
"""Statements with one code; of a call with hundreds of changes the first ones are told."""


def statements_of(leg: Leg, known: Known) -> list[Statement]:
    """In the order of what they are about; those without a message come last."""
    told: Counter[Code] = Counter()
    found: list[tuple[bool, datetime, int, Statement]] = []
    for number, rule in enumerate(RULES):
        for statement in rule(leg, known):
            told[statement.code] += 1
            if told[statement.code] <= MAX_ALIKE:
                at = statement.at
                found.append((at is None, at or EPOCH, number, statement))
    return [statement for *_, statement in sorted(found, key=lambda entry: entry[:3])]
