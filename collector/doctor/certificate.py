# SPDX-License-Identifier: GPL-2.0-or-later
"""A certificate of the TLS sockets: can it be used, and for how long?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from collector.doctor.finding import Finding, Level, span
from collector.errors import SettingsError
from collector.listener import tls
from collector.settings.receiving import Tls

_SOON_S: Final = 14 * 86_400
_RENEW: Final = "put a new one in its place: the listener reads it without a restart"


def check(settings: Tls, section: str = "tls") -> Iterator[Finding]:
    """Nothing when no certificate is set."""
    if not settings.certificate:
        return
    try:
        left = (tls.expiry(settings, section) - datetime.now(UTC)).total_seconds()
    except SettingsError as error:
        advice = "correct the file, or who may read it; connections get the certificate read before"
        yield Finding("certificate", Level.FAIL, str(error), advice)
    except ssl.SSLError as error:
        text = f"{settings.certificate}: {getattr(error, 'verify_message', '') or error}"
        yield Finding("certificate", Level.FAIL, text, _RENEW)
    else:
        text = f"{settings.certificate} is good for another {span(left)}"
        if left < _SOON_S:
            yield Finding("certificate", Level.WARN, text, _RENEW)
        else:
            yield Finding("certificate", Level.OK, text)
