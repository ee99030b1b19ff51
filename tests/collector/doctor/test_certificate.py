# SPDX-License-Identifier: GPL-2.0-or-later
"""What the doctor says of the certificate of the TLS sockets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from collector.doctor import certificate as subject
from collector.doctor.finding import Level
from collector.settings.receiving import Tls
from stack import certificate
from stack.certificate import Certificate
from tests.fix_listener import Certificates


def _tls(files: Certificate, **others: str) -> Tls:
    return Tls(certificate=str(files.certificate), key=str(files.key), **others)


def test_without_a_certificate_nothing_is_said() -> None:
    """Nobody asked for TLS."""
    assert list(subject.check(Tls())) == []


@pytest.mark.parametrize(
    ("days", "level", "text"),
    [(30, Level.OK, "is good for another 30.0 d"), (3, Level.WARN, "is good for another 3.0 d")],
)
def test_how_long_it_is_good(tmp_path: Path, days: int, level: Level, text: str) -> None:
    """Two weeks before its end there is a warning."""
    (found,) = subject.check(_tls(certificate.make(tmp_path, "node", days=days)))
    assert found.level is level
    assert found.text == f"{tmp_path / 'node.pem'} {text}"


def test_one_that_others_have_issued(certificates: Certificates) -> None:
    """The file needs not have the authority in it; whether clients must show one is no matter."""
    settings = _tls(certificates.server, client_ca=str(certificates.ca.certificate))
    (found,) = subject.check(settings)
    assert found.level is Level.WARN
    assert "is good for another 2.0 d" in found.text


def test_one_that_has_ended(tmp_path: Path) -> None:
    """No client would accept it."""
    made = certificate.make(tmp_path, "node")
    files = made._replace(certificate=tmp_path / "old.pem")
    subprocess.run(
        [
            *("openssl", "x509", "-in", str(made.certificate), "-signkey", str(made.key)),
            *("-days", "-1", "-out", str(files.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    (found,) = subject.check(_tls(files))
    assert found.level is Level.FAIL
    assert found.text == f"{files.certificate}: certificate has expired"
    assert "without a restart" in found.advice


def test_files_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    """Named, with the setting."""
    key = tmp_path / "node.key"
    (found,) = subject.check(_tls(certificates.server._replace(key=key)))
    assert found.level is Level.FAIL
    assert found.text == f"tls.key {key}: No such file or directory"
