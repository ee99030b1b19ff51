# SPDX-License-Identifier: GPL-2.0-or-later
"""What can become of a journal record at an output: the counterpart of ``collector.causes``.

Every output has a balance of its own, true at every moment::

    linked = delivered + waiting + skipped + rejected + dropped
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Fate(StrEnum):
    """The names used in the state file, the database, metrics, JSON and documentation."""

    outcome: str
    help: str

    def __new__(cls, label: str, outcome: str, text: str) -> Self:
        fate = str.__new__(cls, label)
        fate._value_ = label
        fate.outcome = outcome
        fate.help = text
        return fate

    DELIVERED = "delivered", "delivered", "the receiver has it"

    TYPE = "type", "skipped", "its HEP type is not in the output's `types`"
    FILTERED = "filtered", "skipped", "a filter, the sampling or the hook leaves it out"
    KEEPALIVE = "keepalive", "skipped", "a ping without a message"

    PASSWORD = "password", "rejected", "its capture password is missing or wrong"
    MALFORMED = "malformed", "rejected", "it is not HEP, or damaged HEP"
    TOO_LARGE = "too_large", "rejected", "it does not fit a datagram or a HEP3 packet"
    REFUSED = "refused", "rejected", "the receiver refuses it whenever it is asked"

    BACKLOG = (
        "backlog",
        "dropped",
        "the oldest of the backlog had to go: `max_bytes`, or `journal.min_free_bytes`",
    )
    DAMAGED = "damaged", "dropped", "its checksum in the journal is wrong"
