# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of share links: who has one sees one call without a user of his own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from collector.settings.section import DAY, Section, setting


class Share(Section, frozen=True):
    """Share links."""

    enabled: Annotated[
        bool,
        setting(
            "Whether share links are made and opened. Those that there are open again when this is "
            "switched on again and they have not expired."
        ),
    ] = True
    lifetime: Annotated[
        float,
        setting(
            "A link expires after so long unless told otherwise.", unit="s", ge=60, le=90 * DAY
        ),
    ] = 7.0 * DAY
    max_lifetime: Annotated[
        float, setting("Longest that a link may be valid.", unit="s", ge=60, le=365 * DAY)
    ] = 30.0 * DAY


def conflicts(share: Share) -> Iterator[str]:
    """What is wrong beyond the rules of single settings, as ``section.name: sentence``."""
    if share.lifetime > share.max_lifetime:
        yield "share.lifetime: is longer than share.max_lifetime"
