# SPDX-License-Identifier: GPL-2.0-or-later
"""A real slapd with a few people and groups, TLS, and a folder and ports of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from stack.ports import free_port
from tests.fix_listener import Certificates
from tests.until_listening import listening

BASE: Final = "dc=example,dc=com"
PEOPLE: Final = f"ou=people,{BASE}"
SERVICE: Final = f"cn=kemiscope,{BASE}"
SERVICE_PASSWORD: Final = "of the service account"
LDAP_PASSWORD: Final = "what anna types"
"""Of everybody."""

_CONFIGURATION: Final = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
# As careless as servers are: it agrees to a name without a password (RFC 4513 §5.1.2).
allow bind_anon_dn
database mdb
suffix {base}
rootdn cn=root,{base}
directory {directory}/data
maxsize 16777216
index objectClass eq
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""

_PERSON: Final = """
dn: uid={uid},{people}
objectClass: inetOrgPerson
uid: {uid}
cn: {cn}
sn: {cn}
mail: {uid}@example.com
userPassword: {password}
"""

_ENTRIES: Final = """\
dn: {base}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {service}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: kemiscope
userPassword: {service_password}

dn: {people}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: cn=voip-admins,ou=groups,{base}
objectClass: groupOfNames
cn: voip-admins
member: uid=anna,{people}

dn: cn=voip-users,ou=groups,{base}
objectClass: groupOfNames
cn: voip-users
member: uid=ben,{people}
member: uid=anna,{people}
member: cn=night-shift,ou=groups,{base}

dn: cn=night-shift,ou=groups,{base}
objectClass: groupOfNames
cn: night-shift
member: uid=cleo,{people}
member: cn=voip-users,ou=groups,{base}

dn: cn=support,ou=groups,{base}
objectClass: posixGroup
cn: support
gidNumber: 5000
memberUid: dan
"""


class Slapd(NamedTuple):
    """A running server."""

    ldap: str
    ldaps: str
    ca: str

    def settings(self, **changed: str) -> dict[str, str]:
        """Environment with which the web API asks it, without the prefix KEMISCOPE_."""
        values = {
            "SERVERS": self.ldap,
            "TLS_CA": self.ca,
            "BASE": BASE,
            "BIND_DN": SERVICE,
            "BIND_PASSWORD": SERVICE_PASSWORD,
            "ADMIN_GROUPS": "voip-admins",
            "USER_GROUPS": "voip-users",
            **changed,
        }
        return {"WEB_SIGN_IN": "ldap"} | {f"LDAP_{name}": value for name, value in values.items()}


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Slapd]:
    """One for all tests; nobody writes to it."""
    directory = tmp_path_factory.mktemp("slapd")
    (directory / "data").mkdir()
    values = {"base": BASE, "people": PEOPLE, "service": SERVICE, "directory": str(directory)}
    configuration = directory / "slapd.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            **values,
            ca=certificates.ca.certificate,
            certificate=certificates.server.certificate,
            key=certificates.server.key,
        )
    )
    people = {"anna": "Anna A", "ben": "Ben B", "cleo": "Cleo C", "dan": "Dan D", "eve": "Eve E"}
    entries = _ENTRIES.format(**values, service_password=SERVICE_PASSWORD) + "".join(
        _PERSON.format(uid=uid, cn=name, people=PEOPLE, password=LDAP_PASSWORD)
        for uid, name in people.items()
    )
    (directory / "entries.ldif").write_text(entries)
    command = ["/usr/sbin/slapadd", "-f", str(configuration), "-l", str(directory / "entries.ldif")]
    subprocess.run(command, check=True, capture_output=True)
    plain, encrypted = free_port(), free_port()
    server = Slapd(
        f"ldap://127.0.0.1:{plain}",
        f"ldaps://127.0.0.1:{encrypted}",
        str(certificates.ca.certificate),
    )
    command = ["/usr/sbin/slapd", "-d", "stats", "-f", str(configuration)]
    command += ["-h", f"{server.ldap}/ {server.ldaps}/"]
    with listening(command, plain, directory / "log"):
        yield server
