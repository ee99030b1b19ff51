# SPDX-License-Identifier: GPL-2.0-or-later
"""From file and environment to checked settings."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.errors import SettingsError
from collector.settings.backends import conflicts as backends_conflicts
from collector.settings.endpoint import ENCRYPTED, UDP, parse_endpoint
from collector.settings.links import conflicts as links_conflicts
from collector.settings.model import ENV_PREFIX, Setting, Settings, describe
from collector.settings.network import parse_network
from collector.settings.oauth2 import conflicts as oauth2_conflicts
from collector.settings.origin import Origin, Origins
from collector.settings.quantity import parse_quantity
from collector.settings.section import PATH
from collector.settings.sending import conflicts as sending_conflicts
from collector.settings.share import conflicts as share_conflicts
from collector.settings.sign_in import conflicts as sign_in_conflicts
from collector.settings.sites import conflicts as sites_conflicts
from collector.settings.trace import conflicts as trace_conflicts
from collector.settings.web import conflicts as web_conflicts
from collector.sip import Kind, kind_of
from collector.tables import KINDS

CONFIG_VARIABLE: Final = "KEMISCOPE_CONFIG"
_GONE: Final = {
    "web.change_token": "is gone: remove it; docs/access.md says who may change trace rules now"
}
"""Settings of files that earlier versions made."""
CONFIG_PATHS: Final = (Path("kemiscope.toml"), Path("/etc/kemiscope/kemiscope.toml"))


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings in force.

    ``path`` is a TOML file; without it the one that ``KEMISCOPE_CONFIG`` names or the first of
    ``CONFIG_PATHS`` that exists, and if there is none the defaults. Paths come back absolute:
    relative ones are taken from the file's directory.

    Raises SettingsError with every mistake found, one per line.
    """
    return load_with_origins(path, environ)[0]


def load_with_origins(
    path: Path | None = None, environ: Mapping[str, str] = os.environ
) -> tuple[Settings, Origins]:
    """The same, and where each value comes from."""
    path = find(path, environ)
    document = _read(path) if path else {}
    errors: list[str] = []
    values: dict[str, dict[str, Any]] = {}
    given: dict[str, Origin] = {}
    for setting in describe():
        table = document.get(setting.section, {})
        try:
            if setting.variable in environ:
                given[setting.key] = Origin.ENVIRONMENT
                value = _convert(environ[setting.variable], setting, from_text=True)
            elif isinstance(table, dict) and setting.name in table:
                given[setting.key] = Origin.FILE
                value = _convert(table[setting.name], setting, from_text=False)
            else:
                continue
            values.setdefault(setting.section, {})[setting.name] = value
        except ValueError as error:
            is_variable = given[setting.key] is Origin.ENVIRONMENT
            source = f" (from {setting.variable})" if is_variable else ""
            errors.append(f"{setting.key}: {error}{source}")
    errors += _unknown(document, environ)
    if not errors:
        settings = msgspec.convert(values, Settings)
        errors = list(_conflicts(settings))
    if errors:
        where = f"{path}: " if path else ""
        raise SettingsError("\n".join(where + error for error in errors))
    absolute = _with_absolute_paths(settings, path.parent if path else Path())
    return absolute, Origins(path, given)


def load_with_database(path: Path | None = None) -> Settings:
    """``load`` for what needs the database: raises SettingsError when no ``dsn`` is set."""
    loaded = load(path)
    if not loaded.database.dsn:
        message = "database.dsn: is empty; set it in kemiscope.toml or KEMISCOPE_DATABASE_DSN"
        raise SettingsError(message)
    return loaded


def find(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file: ``path``, or the one that ``load`` takes without it; None if none."""
    if path or CONFIG_VARIABLE in environ:
        return path or Path(environ[CONFIG_VARIABLE])
    return next((path for path in CONFIG_PATHS if path.exists()), None)


def _with_absolute_paths(settings: Settings, base: Path) -> Settings:
    for setting in describe():
        section = getattr(settings, setting.section)
        value = getattr(section, setting.name)
        if setting.unit == PATH and value:
            absolute = {setting.name: str((base / value).absolute())}
            section = msgspec.structs.replace(section, **absolute)
            settings = msgspec.structs.replace(settings, **{setting.section: section})
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise SettingsError(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not TOML: {error}"
        raise SettingsError(message) from error


def _convert(value: Any, setting: Setting, *, from_text: bool) -> Any:
    """The typed value; ValueError with the rule that it breaks."""
    if isinstance(value, str) and setting.unit in ("bytes", "s"):
        value = parse_quantity(value, setting.unit)
        value = int(value) if setting.type == "integer" else value
    elif from_text and setting.type == "list of text":
        value = _split(value)
    try:
        return msgspec.convert(value, setting.annotation, strict=not from_text)
    except msgspec.ValidationError as error:
        message = str(error).replace("`", "")
        raise ValueError(message[:1].lower() + message[1:]) from None


def _split(text: str) -> list[str]:
    """A list from the environment: separated by commas, or as in TOML when an item has one."""
    if text.lstrip().startswith("["):
        try:
            items: list[str] = tomllib.loads(f"items = {text}")["items"]
        except tomllib.TOMLDecodeError:
            message = "begins with [ and is no list of texts in quotes"
            raise ValueError(message) from None
        return items
    return [item.strip() for item in text.split(",") if item.strip()]


def _unknown(document: dict[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    known = {(setting.section, setting.name) for setting in describe()}
    sections = {section for section, _ in known}
    for section, table in document.items():
        if section not in sections:
            yield f"{section}: there is no such section"
        elif not isinstance(table, dict):
            yield f"{section}: is a section, write it as [{section}]"
        else:
            for name in table:
                if (section, name) not in known:
                    key = f"{section}.{name}"
                    yield f"{key}: {_GONE.get(key, 'there is no such setting')}"
    variables = {setting.variable for setting in describe()} | {CONFIG_VARIABLE}
    for variable in environ:
        if variable.startswith(ENV_PREFIX) and variable not in variables:
            yield f"{variable}: there is no such setting"


def _conflicts(settings: Settings) -> Iterator[str]:
    """Rules that need more than one value, or more than a range."""
    yield from _receiving_conflicts(settings)
    yield from web_conflicts(settings.web, settings.tls)
    yield from sites_conflicts(settings.sites)
    yield from share_conflicts(settings.share)
    yield from links_conflicts(settings.links)
    yield from backends_conflicts(settings.backends)
    yield from sign_in_conflicts(settings.web.sign_in, settings.ldap, settings.http_auth)
    yield from oauth2_conflicts(settings.oauth2)
    interval = settings.partition.interval
    if 86400 % interval and interval % 86400:
        yield "partition.interval: must divide a day or be whole days"
    for kind in KINDS:
        kept = getattr(settings.retention, kind)
        if 0 < kept < settings.clock.accept_past:
            yield f"retention.{kind}: is shorter than clock.accept_past"
    precious = settings.retention.precious
    for name in dict.fromkeys(precious):
        if name not in KINDS or precious.count(name) > 1:
            yield f"retention.precious: {name!r} is not one of {', '.join(KINDS)}, each once"
    for method in settings.retention.failed_only:
        if kind_of(method.encode()) is Kind.CALL:
            yield f"retention.failed_only: {method} belongs to calls, which are kept whole"
    yield from sending_conflicts(
        settings.relay, settings.loki, settings.metrics, settings.journal.segment_bytes
    )
    yield from trace_conflicts(settings.trace)
    if settings.journal.max_bytes < 2 * settings.journal.segment_bytes:
        yield "journal.max_bytes: must hold at least two segments (journal.segment_bytes)"


def _receiving_conflicts(settings: Settings) -> Iterator[str]:
    protocols = set()
    for listen in settings.hep.listen:
        try:
            protocols.add(parse_endpoint(listen).protocol)
        except ValueError as error:
            yield f"hep.listen: {error}"
    if protocols and UDP not in protocols:
        yield "hep.listen: needs a udp socket: without one Kamailio listens on all addresses"
    if protocols.intersection(ENCRYPTED):
        for name in ("certificate", "key"):
            if not getattr(settings.tls, name):
                yield f"tls.{name}: must name a file, because hep.listen has a tls or wss socket"
    for network in settings.senders.networks:
        try:
            parse_network(network)
        except ValueError as error:
            yield f"senders.networks: {error}"
