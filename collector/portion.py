# SPDX-License-Identifier: GPL-2.0-or-later
"""What one turn of ingest finds in the segments that it has claimed."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from collector.journal.reader import Claim
from collector.store import Step


class Outcome(Enum):
    """What a turn found in the claimed segments."""

    IDLE = auto()
    """Nothing new."""
    ABREAST = auto()
    """Something, and all of it is stored."""
    BEHIND = auto()
    """More than fits one batch."""


class Portion(NamedTuple):
    """What one segment gave to a batch."""

    claim: Claim
    step: Step
    ended: bool
    """Its last record is in the batch."""
    full: bool
    """There may be more to read."""
