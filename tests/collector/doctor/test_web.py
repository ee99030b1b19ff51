# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of the web API's set-up."""

from __future__ import annotations

from pathlib import Path

import msgspec

from collector.doctor import web as subject
from collector.doctor.finding import Level
from collector.settings import Settings
from collector.settings.sign_in import Ldap
from collector.settings.web import Web
from stack import certificate


def _settings(**values: str) -> Settings:
    return msgspec.structs.replace(Settings(), web=msgspec.structs.replace(Web(), **values))


def test_nothing_to_say() -> None:
    """With sign-in and without a certificate."""
    assert list(subject.check(_settings())) == []


def test_without_sign_in() -> None:
    """A warning, at each look."""
    (found,) = subject.check(_settings(sign_in="off"))
    assert found.level is Level.WARN
    assert "web.sign_in is off" in found.text


def test_passwords_that_others_could_read() -> None:
    """A warning when the system that checks them is not checked itself, and is asked at all."""
    careless = msgspec.structs.replace(Ldap(), tls_verify=False)
    assert list(subject.check(msgspec.structs.replace(_settings(), ldap=careless))) == []
    asked = msgspec.structs.replace(_settings(sign_in="ldap"), ldap=careless)
    (found,) = subject.check(asked)
    assert (found.level, "ldap.tls_verify" in found.text) == (Level.WARN, True)


def test_its_own_certificate(tmp_path: Path) -> None:
    """That of the HEP sockets has a check already."""
    made = certificate.make(tmp_path, "web", days=30)
    files = {"certificate": str(made.certificate), "key": str(made.key)}
    (found,) = subject.check(_settings(tls_listen="0.0.0.0:443", **files))
    assert found.level is Level.OK
    files["key"] = str(tmp_path / "missing")
    (found,) = subject.check(_settings(tls_listen="0.0.0.0:443", **files))
    assert (found.level, "web.key" in found.text) == (Level.FAIL, True)
    assert list(subject.check(_settings(tls_listen="0.0.0.0:443"))) == []
