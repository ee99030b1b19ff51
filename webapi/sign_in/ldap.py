# SPDX-License-Identifier: GPL-2.0-or-later
"""LDAP (RFC 4511): a person's entry, a bind with the password, and the groups.

ldap3 waits for its server, so each check is work of a thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPSASLPrepError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn

from collector.log import LOGGER, one_line
from collector.settings.sign_in import Ldap, ldap_server
from webapi.access.threads import Threads
from webapi.errors import ApiError
from webapi.sign_in.person import Person
from webapi.sign_in.role import Rules

LDAP: Final = "ldap"
AT_ONCE: Final = 4
WAITING: Final = 16
LONGEST_S: Final = 30.0
"""A sign-in that takes longer has no answer, however many servers there are."""
DEPTH: Final = 5
"""Groups of groups, so deep."""

_SUCCESS: Final = 0
_SIZE_LIMIT_EXCEEDED: Final = 4
_NO_SUCH_OBJECT: Final = 32
_NO_ANSWER: Final = frozenset({1, 3, 51, 52, 80})
"""Results that say nothing of the password (RFC 4511 appendix A): operationsError,
timeLimitExceeded, busy, unavailable, other."""
_SCOPES: Final = {"subtree": ldap3.SUBTREE, "level": ldap3.LEVEL, "base": ldap3.BASE}
_DEREFERENCE: Final[dict[str, Any]] = {
    "never": ldap3.DEREF_NEVER,
    "search": ldap3.DEREF_SEARCH,
    "base": ldap3.DEREF_BASE,
    "always": ldap3.DEREF_ALWAYS,
}


class Entry(NamedTuple):
    """What a search finds."""

    dn: str
    attributes: dict[str, list[str]]
    """By names in lower case."""

    def first(self, attribute: str) -> str:
        """Its first value; empty if there is none."""
        return next(iter(self.attributes.get(attribute.lower(), ())), "")


class _ServerError(Exception):
    """A server that cannot be asked; perhaps another one can."""


class Directory:
    """The servers of ``ldap.servers``."""

    def __init__(self, settings: Ldap) -> None:
        """Raises OSError for a file with certificates that cannot be read."""
        self._settings = settings
        self._tls = _Tls(settings)
        self._threads = Threads("ldap", AT_ONCE, WAITING)
        self._rules = Rules.of(settings)

    async def check(self, username: str, password: str) -> Person | None:
        """As ``Backend`` says."""
        # RFC 4513 §5.1.2: a bind with a name and no password succeeds, and proves nothing.
        if not username or not password:
            return None
        try:
            async with asyncio.timeout(LONGEST_S):
                return await self._threads.run(lambda: self._check(username, password))
        except (TimeoutError, _ServerError) as error:
            text = str(error) or f"no answer within {LONGEST_S:g} s"
            LOGGER.warning("ldap: %s", one_line(text))
            message = "the directory that checks passwords does not answer"
            raise ApiError(503, "sign_in_unavailable", message) from error

    async def close(self) -> None:
        """As ``Backend`` says."""
        await asyncio.to_thread(self._threads.close)

    def _check(self, username: str, password: str) -> Person | None:
        errors = []
        for url in self._settings.servers:
            try:
                return self._ask(url, username, password)
            except (_ServerError, LDAPException, OSError) as error:
                errors.append(f"{url}: {str(error) or type(error).__name__}")
        raise _ServerError("; ".join(errors))

    def _ask(self, url: str, username: str, password: str) -> Person | None:
        settings = self._settings
        with self._connection(url) as connection:
            if settings.user_dn:
                dn = settings.user_dn.replace("%s", escape_rdn(username))
                if not connection.bind(dn, password):
                    return None
                entry = connection.one(dn, "(objectClass=*)", ldap3.BASE, self._attributes())
            else:
                self._bind_service(connection)
                wanted = settings.user_filter.replace("%s", escape_filter_chars(username))
                entry = connection.one(
                    settings.base, wanted, _SCOPES[settings.scope], self._attributes()
                )
                if entry is None or not entry.dn:
                    return None
                with self._connection(url) as own:
                    if not own.bind(entry.dn, password):
                        return None
            if entry is None:
                return None
            return self._person(connection, entry, username)

    def _bind_service(self, connection: _Connection) -> None:
        settings = self._settings
        if settings.anonymous:
            return  # a connection begins so (RFC 4511 §4.2.1)
        if not connection.bind(settings.bind_dn, settings.bind_password):
            message = "ldap.bind_dn and ldap.bind_password are refused"
            raise _ServerError(message)

    def _person(self, connection: _Connection, entry: Entry, username: str) -> Person | None:
        settings = self._settings
        groups = set(self._groups(connection, entry, username)) if self._rules.knows else set()
        role = self._rules.role(groups)
        if role is None:
            LOGGER.info("ldap: %s is in no group that has a role", one_line(entry.dn))
            return None
        name = entry.first(settings.username_attribute) or username
        return Person(
            *(LDAP, name, role, self._rules.knows),
            *(entry.first(settings.email_attribute), entry.first(settings.name_attribute)),
        )

    def _groups(self, connection: _Connection, entry: Entry, username: str) -> Iterator[str]:
        """DN and cn of each."""
        settings = self._settings
        base = settings.group_base or settings.base
        seen: set[str] = set()
        members = [entry.dn if settings.group_by == "dn" else username]
        for _ in range(DEPTH if settings.nested_groups else 1):
            found = []
            for member in members:
                wanted = settings.group_filter.replace("%s", escape_filter_chars(member))
                left = settings.max_groups - len(seen)
                if left <= 0:
                    return
                for group in connection.search(base, wanted, ldap3.SUBTREE, ["cn"], left):
                    if group.dn not in seen:
                        seen.add(group.dn)
                        found.append(group.dn)
                        yield group.dn
                        yield from group.attributes.get("cn", ())
            members = found

    def _attributes(self) -> list[str]:
        settings = self._settings
        names = (settings.username_attribute, settings.email_attribute, settings.name_attribute)
        # "1.1" asks for none (RFC 4511 §4.5.1.8); an empty list would be all of them.
        return [name for name in names if name] or ["1.1"]

    def _connection(self, url: str) -> _Connection:
        settings = self._settings
        is_tls, host, port = ldap_server(url)
        server = ldap3.Server(
            host,
            port,
            use_ssl=is_tls,
            tls=self._tls,
            # Stays that of the socket: ldap3's receive_timeout takes whole seconds only.
            connect_timeout=settings.timeout,
            get_info=ldap3.NONE,
        )
        connection = ldap3.Connection(server, read_only=True, auto_referrals=False)
        try:
            connection.open(read_server_info=False)
            # False is what it says of a connection that stays in clear.
            is_open = is_tls or not settings.start_tls
            is_open = is_open or connection.start_tls(read_server_info=False)
        except BaseException:
            _close(connection)
            raise
        if not is_open:
            _close(connection)
            message = "StartTLS was not done"
            raise _ServerError(message)
        return _Connection(connection, settings.dereference)


def _close(connection: ldap3.Connection) -> None:
    """ldap3 leaves open what it could not open to the end."""
    connection.strategy.close()
    if connection.socket:
        connection.socket.close()


class _Connection:
    """Binds and searches; closes in the end."""

    def __init__(self, connection: ldap3.Connection, dereference: str) -> None:
        self._connection = connection
        self._dereference = _DEREFERENCE[dereference]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._connection.unbind()
        except (LDAPException, OSError):
            LOGGER.debug("ldap: the server has closed the connection first")

    def bind(self, dn: str, password: str) -> bool:
        """Whether the directory agrees. Raises _ServerError when it says nothing of that."""
        self._connection.user, self._connection.password = dn, password
        self._connection.authentication = ldap3.SIMPLE
        try:
            if self._connection.bind(read_server_info=False):
                return True
        except LDAPSASLPrepError:
            # With characters that no password has (RFC 4513 §5.1.3, RFC 4013 §2.3), or with none.
            return False
        self._result("bind")
        return False

    def one(self, base: str, wanted: str, scope: Any, attributes: list[str]) -> Entry | None:
        """The entry, if exactly one is found."""
        found = list(self.search(base, wanted, scope, attributes, 2))
        if len(found) > 1:
            LOGGER.warning("ldap: %s finds more than one entry", one_line(wanted))
        return found[0] if len(found) == 1 else None

    def search(
        self, base: str, wanted: str, scope: Any, attributes: list[str], most: int
    ) -> Iterator[Entry]:
        """What it finds, ``most`` entries; nothing where there is no such base."""
        self._connection.search(
            base,
            wanted,
            scope,
            dereference_aliases=self._dereference,
            attributes=attributes,
            size_limit=most,
        )
        result = self._result("search")
        if result not in (_SUCCESS, _SIZE_LIMIT_EXCEEDED, _NO_SUCH_OBJECT):
            message = f"search: {self._connection.result['description']}"
            raise _ServerError(message)
        entries = [
            item for item in self._connection.response or () if item["type"] == "searchResEntry"
        ]
        for item in entries[:most]:
            values = {
                name.lower(): [value.decode(errors="replace") for value in found]
                for name, found in item["raw_attributes"].items()
            }
            yield Entry(item["dn"], values)

    def _result(self, what: str) -> int:
        result = self._connection.result
        if result["result"] in _NO_ANSWER:
            message = f"{what}: {result['description']} {result['message']}"
            raise _ServerError(message)
        return int(result["result"])


class _Tls(ldap3.Tls):
    """The standard library's checks of chain and name instead of ldap3's own."""

    def __init__(self, settings: Ldap) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._name = settings.server_name
        self._context = ssl.create_default_context(cafile=settings.tls_ca or None)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not settings.tls_verify:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Of the base class; called for ldaps and after StartTLS."""
        del do_handshake  # always, and the name is checked with it
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._name or connection.server.host
        )
