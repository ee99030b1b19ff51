# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the agent as a command line makes them."""

from __future__ import annotations

from agent.flags.options import Options, read_options


def options(*flags: str) -> Options:
    """What these flags ask for; metrics are off unless they say otherwise."""
    return read_options(["-prometheus", "", *flags])
