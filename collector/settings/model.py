# SPDX-License-Identifier: GPL-2.0-or-later
"""All settings, and what loader and documentation need to know of each."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from collector.settings.backends import Backends
from collector.settings.links import Links
from collector.settings.oauth2 import OAuth2
from collector.settings.receiving import HepSettings, Journal, Node, Senders, Tls
from collector.settings.section import Section
from collector.settings.selecting import Clock, Correlation, Filter, Hook, Sip
from collector.settings.sending import Loki, Metrics, Output, Relay
from collector.settings.share import Share
from collector.settings.sign_in import HttpAuth, Ldap
from collector.settings.sites import Sites
from collector.settings.storing import Database, Ingest, Partition, Retention
from collector.settings.trace import Trace
from collector.settings.web import Web

ENV_PREFIX: Final = "KEMISCOPE_"


class Settings(Section, frozen=True):
    """All sections."""

    node: Node = Node()
    hep: HepSettings = HepSettings()
    tls: Tls = Tls()
    senders: Senders = Senders()
    journal: Journal = Journal()
    ingest: Ingest = Ingest()
    sip: Sip = Sip()
    clock: Clock = Clock()
    correlation: Correlation = Correlation()
    filter: Filter = Filter()
    hook: Hook = Hook()
    database: Database = Database()
    partition: Partition = Partition()
    retention: Retention = Retention()
    output: Output = Output()
    relay: Relay = Relay()
    loki: Loki = Loki()
    metrics: Metrics = Metrics()
    web: Web = Web()
    sites: Sites = Sites()
    share: Share = Share()
    links: Links = Links()
    ldap: Ldap = Ldap()
    http_auth: HttpAuth = HttpAuth()
    oauth2: OAuth2 = OAuth2()
    backends: Backends = Backends()
    trace: Trace = Trace()


class Setting(NamedTuple):
    """One setting, as loader and documentation use it."""

    section: str
    name: str
    annotation: Any
    """The field's type with its rule, as ``msgspec.convert`` takes it."""
    type: str
    default: Any
    unit: str
    """``bytes``, ``s``, ``path`` or another word; empty for none."""
    low: float | None
    high: float | None
    help: str
    secret: bool

    @property
    def key(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"{ENV_PREFIX}{self.section}_{self.name}".upper()


_TYPE_NAMES: Final[dict[object, str]] = {
    msgspec.inspect.IntType: "integer",
    msgspec.inspect.BoolType: "true or false",
    msgspec.inspect.FloatType: "number",
    msgspec.inspect.StrType: "text",
    msgspec.inspect.VarTupleType: "list of text",
}


@cache
def describe() -> tuple[Setting, ...]:
    """Every setting in the order of the file."""
    return tuple(
        _describe(section.name, field)
        for section in msgspec.structs.fields(Settings)
        for field in msgspec.structs.fields(section.type)
    )


def _describe(section: str, field: msgspec.structs.FieldInfo) -> Setting:
    info: Any = msgspec.inspect.type_info(field.type)
    return Setting(
        section,
        field.name,
        field.type,
        _TYPE_NAMES[type(info.type)],
        field.default,
        info.extra["unit"],
        getattr(info.type, "ge", None),
        getattr(info.type, "le", None),
        info.extra_json_schema["description"],
        info.extra["secret"],
    )
