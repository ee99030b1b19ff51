# SPDX-License-Identifier: GPL-2.0-or-later
"""The certificate of the tls and wss sockets, read again when its files change."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from collector.errors import SettingsError
from collector.log import LOGGER
from collector.settings.receiving import Tls

_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_FLIGHTS: Final = 4
"""Turns until a handshake is over, and more than enough."""
_State: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class ServerContext:
    """What new connections use; those that are open keep what they began with."""

    def __init__(self, settings: Tls, section: str = "tls") -> None:
        """Raises SettingsError that names section and file if one cannot be used."""
        self._settings = settings
        self._section = section
        self._state = self._look()
        self._context = make_context(settings, section)

    def get(self) -> ssl.SSLContext:
        """The context of the files as they are now.

        Files that cannot be used are logged once; what was read before them stays in force.
        """
        state = self._look()
        if state != self._state:
            self._state = state
            try:
                self._context = make_context(self._settings, self._section)
                LOGGER.info("%s.certificate was read again", self._section)
            except SettingsError as error:
                LOGGER.error("%s; the certificate read before stays in force", error)
        return self._context

    def _look(self) -> _State:
        """What tells one version of the files from the next."""
        return tuple(_stat(path) for path in _files(self._settings).values())


def make_context(settings: Tls, section: str = "tls") -> ssl.SSLContext:
    """Read the files. Raises SettingsError that names setting and file if one cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    what = section
    try:
        for name, path in _files(settings).items():
            what = f"{section}.{name} {path}"
            path.open("rb").close()
        what = f"{section}.certificate {settings.certificate} and {section}.key {settings.key}"
        # A key with a pass phrase is refused instead of asked for.
        context.load_cert_chain(settings.certificate, settings.key, password="")
        if settings.client_ca:
            what = f"tls.client_ca {settings.client_ca}"
            context.load_verify_locations(cafile=settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:  # ssl.SSLError is one
        message = f"{what}: {error.strerror or error}"
        raise SettingsError(message) from error
    return context


def expiry(settings: Tls, section: str = "tls") -> datetime:
    """When the certificate ends. Raises SettingsError if the files cannot be used, and
    ssl.SSLCertVerificationError if no client could accept it, because it has ended for example.

    The ssl module tells this of the certificate of a connection only, so there is one in memory.
    """
    server = make_context(msgspec.structs.replace(settings, client_ca=""), section)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cafile=settings.certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    for _ in range(_FLIGHTS):
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown = ends[0].getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)


def _files(settings: Tls) -> dict[str, Path]:
    """The files by the name of the setting."""
    names = ("certificate", "key", "client_ca")
    return {name: Path(path) for name in names if (path := getattr(settings, name))}


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
