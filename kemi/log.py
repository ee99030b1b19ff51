# SPDX-License-Identifier: GPL-2.0-or-later
"""Our log through Kamailio's."""

from __future__ import annotations

import logging

import KSR

from collector.log import LOGGER

_KEMI_LEVELS = {
    logging.DEBUG: KSR.dbg,
    # kamailio.cfg shows NOTICE and above: INFO is where the core talks about every packet.
    logging.INFO: KSR.notice,
    logging.WARNING: KSR.warn,
    logging.ERROR: KSR.err,
    logging.CRITICAL: KSR.crit,
}


class KsrHandler(logging.Handler):
    """Sends log records through Kamailio's log."""

    def emit(self, entry: logging.LogRecord) -> None:
        """Log one record at Kamailio's level of the same name."""
        log = _KEMI_LEVELS.get(entry.levelno, KSR.notice)
        # KEMI takes UTF-8 only; a file name may be something else.
        text = self.format(entry).encode("utf-8", "replace").decode()
        for line in text.splitlines():
            log(line + "\n")


def start() -> None:
    """From now on our log lines of INFO and above are Kamailio's."""
    LOGGER.addHandler(KsrHandler())
    LOGGER.setLevel(logging.INFO)
