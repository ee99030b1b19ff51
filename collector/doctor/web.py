# SPDX-License-Identifier: GPL-2.0-or-later
"""The web API as it is set up: who may read, and its certificate."""

from __future__ import annotations

from collections.abc import Iterator

from collector.doctor import certificate
from collector.doctor.finding import Finding, Level
from collector.settings import Settings
from collector.settings.web import SIGN_IN_OFF, certificate_of


def check(settings: Settings) -> Iterator[Finding]:
    """A warning when nobody has to sign in; the certificate if it has one of its own."""
    if settings.web.sign_in == SIGN_IN_OFF:
        text = f"web.sign_in is off: whoever reaches {settings.web.listen} can read all calls"
        yield Finding("web API", Level.WARN, text, "set it to internal, unless this is a trial")
    for section in ("ldap", "http_auth"):
        is_asked = settings.web.sign_in == section.partition("_")[0]
        if is_asked and not getattr(settings, section).tls_verify:
            text = f"{section}.tls_verify is off: whoever is on the way can read passwords"
            yield Finding("web API", Level.WARN, text, f"set it to true, and {section}.tls_ca")
    if settings.web.tls_listen and settings.web.certificate:
        yield from certificate.check(certificate_of(settings.web, settings.tls), "web")
