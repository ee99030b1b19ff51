# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates for trial stacks, made by the program `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from stack.errors import StackError


class Certificate(NamedTuple):
    """PEM files of a certificate and its private key, which has no pass phrase."""

    certificate: Path
    key: Path


def make(
    directory: Path, name: str, *, issuer: Certificate | None = None, days: int = 2
) -> Certificate:
    """A certificate for 127.0.0.1 and localhost, self-signed unless there is an issuer.

    A self-signed one may issue others. Raises StackError if openssl is missing or refuses.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    command = [
        *("openssl", "req", "-x509", "-nodes", "-days", str(days), "-subj", f"/CN={name}"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-keyout", str(made.key), "-out", str(made.certificate)),
    ]
    if issuer:
        command += ["-CA", str(issuer.certificate), "-CAkey", str(issuer.key)]
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        message = "the program openssl is missing: run `make install-dev`"
        raise StackError(message) from error
    if done.returncode:
        message = f"openssl made no certificate: {done.stderr}"
        raise StackError(message)
    return made
