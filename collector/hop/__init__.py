# SPDX-License-Identifier: GPL-2.0-or-later
"""The hop: journal bytes in, COPY bytes out. Pure, so that it can be measured and compiled alone.

It has two forms that give the same bytes. ``plain`` is the reference; ``collector.compiled.hop``
takes its place where it was built from the sources that are there.
"""

from collector.hop.batch import (
    CHALLENGED,
    RUN,
    US_PER_MINUTE,
    Batch,
    Options,
    Refused,
    Rows,
    SenderKey,
    SenderTally,
    StatKey,
    StatTally,
)
from collector.hop.form import FORM

encode = FORM.encode

__all__ = [
    "CHALLENGED",
    "FORM",
    "RUN",
    "US_PER_MINUTE",
    "Batch",
    "Options",
    "Refused",
    "Rows",
    "SenderKey",
    "SenderTally",
    "StatKey",
    "StatTally",
    "encode",
]
