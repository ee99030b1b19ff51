# SPDX-License-Identifier: GPL-2.0-or-later
"""Which outputs the settings ask for: names and limits. Writers need it, so it stays light."""

from __future__ import annotations

from typing import Final

from collector.settings import Settings
from collector.settings.endpoint import Endpoint
from collector.settings.target import parse_target

LOKI: Final = "loki"
METRICS: Final = "metrics"


def relay_name(target: Endpoint) -> str:
    """The output's name, fit for a directory: ``relay-tcp-192.0.2.1-9060``."""
    return f"relay-{target.protocol}-{target.host.replace(':', '_')}-{target.port}"


def relays(settings: Settings) -> dict[str, Endpoint]:
    """The relay targets by output name."""
    targets = map(parse_target, settings.relay.targets)
    return {relay_name(target): target for target in targets}


def limits(settings: Settings) -> dict[str, int]:
    """Every output's name with the bytes of backlog that it may keep; empty when there is none."""
    found = dict.fromkeys(relays(settings), settings.relay.max_bytes)
    if settings.loki.url:
        found[LOKI] = settings.loki.max_bytes
    if settings.metrics.listen:
        found[METRICS] = settings.metrics.max_bytes
    return found
