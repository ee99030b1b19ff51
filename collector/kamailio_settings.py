# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings in the language of Kamailio: the text of kamailio-settings.cfg."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from collector.output import configured
from collector.settings import Settings
from collector.settings.endpoint import parse_endpoint

FILE_NAME: Final = "kamailio-settings.cfg"
SCRIPT: Final = Path(__file__).resolve().parent.parent / "kemi" / "capture.py"


def render(settings: Settings, script: Path = SCRIPT) -> str:
    """What kamailio.cfg includes. ``script`` is the KEMI script to load."""
    endpoints = [parse_endpoint(listen) for listen in settings.hep.listen]
    lines = [
        "# Made by `python -m collector dump-config --kamailio`: change kemiscope.toml instead.",
        "#!define KEMISCOPE_SETTINGS",
        f'#!substdef "!KEMI_SCRIPT!{script}!g"',
        f"#!define HEP_WORKERS {settings.hep.workers}",
        f"#!define SOCKET_BUFFER {settings.hep.socket_buffer}",
    ]
    if settings.ingest.processes:
        lines += ["#!define WITH_INGEST"]
        lines += [f'#!substdef "!INGEST_PROCESSES!{settings.ingest.processes}!g"']
    if any(endpoint.is_stream for endpoint in endpoints):
        lines += ["#!define WITH_LISTENER"]
    if settings.output.processes and configured.limits(settings):
        lines += ["#!define WITH_OUTPUT"]
    lines += [f"listen={endpoint}" for endpoint in endpoints if not endpoint.is_stream]
    return "\n".join(lines) + "\n"
