# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings of the way from a packet to a row: what is read, and how."""

from __future__ import annotations

from typing import Annotated

from collector.settings.section import DAY, LONGEST, Section, setting


class Sip(Section, frozen=True):
    """How messages are read."""

    max_field_bytes: Annotated[
        int,
        setting(
            "Longest header value in a column. A longer one is cut there and the message is "
            "marked field_length; the raw message keeps everything.",
            unit="bytes",
            ge=64,
            le=2048,
        ),
    ] = 512


class Clock(Section, frozen=True):
    """How far a sender's clock may be off."""

    accept_past: Annotated[
        float,
        setting(
            "A message older than this is filed by time of arrival; its own time is kept in "
            "sender_ts. Agents that were offline send old messages with true times.",
            unit="s",
            ge=0,
            le=LONGEST,
        ),
    ] = 3.0 * DAY
    accept_future: Annotated[
        float,
        setting("The same for a message from the future.", unit="s", ge=0, le=LONGEST),
    ] = 300.0
