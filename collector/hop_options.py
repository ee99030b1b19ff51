# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings as the hop takes them."""

from __future__ import annotations

from collector.columns import TABLES
from collector.hop import Options
from collector.selection import Selection
from collector.settings import Settings
from collector.settings.storing import kept_s


def options(settings: Settings, selection: Selection, max_refused: int) -> Options:
    """Options by which journal records become rows; ``max_refused`` as in ``Options``."""
    return Options(
        accept_past=int(settings.clock.accept_past * 1e6),
        accept_future=int(settings.clock.accept_future * 1e6),
        max_field_bytes=settings.sip.max_field_bytes,
        max_refused=max_refused,
        selection=selection if selection.is_needed else None,
        correlate=settings.correlation.calls,
        accept_imported=tuple(
            int(1e6 * kept_s(settings.retention, table.kind)) for table in TABLES
        ),
    )
