# SPDX-License-Identifier: GPL-2.0-or-later
"""homer-app's webapp_config.json → settings. Every option is mapped here, or named with the reason
why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from collector.import_config import homer_sign_in
from collector.import_config.document import Document
from collector.import_config.imported import Imported, stock_secret
from collector.settings.endpoint import parse_host_port

_LOG: Final = "messages go to stderr; the service manager keeps them"
_FILES: Final = "no files of the HOMER UI are served; the pages are our own"
_UNKNOWN: Final = "is no option of homer-app"

UNMAPPED: Final[Mapping[str, str]] = {
    "database_config": (
        "users, aliases and dashboards are in the one database; `python -m webapi import-homer` "
        "reads them from this one"
    ),
    "hep_relay": "there is no WebSocket that sends HEP on; relay.targets sends on what is captured",
    "influxdb_config": (
        "there is no InfluxDB client; the database keeps figures per minute: docs/api.md"
    ),
    "prometheus_config.enable": "had no effect",
    "loki_config": "queries go to query_range; there are no links of its own: links.call",
    "grafana_config": "clients reach Grafana at its own address, backends.grafana",
    "dashboard_settings": "dashboards are those that users store",
    "http_settings.root": _FILES,
    "http_settings.enable": "there is always a listener; tls_listen is the other one",
    "http_settings.path": "everything is below /; a reverse proxy can put it elsewhere",
    "http_settings.api_prefix": "everything is below /; a reverse proxy can put it elsewhere",
    "http_settings.apply_prefix_to_index": _FILES,
    "http_settings.gzip": "had no effect",
    "http_settings.gzip_static": _FILES,
    "http_settings.debug": "bodies are never logged: they hold passwords",
    "https_settings.use_mozilla_profile": "ciphers are those of OpenSSL's configuration",
    "http_client": "no requests go to HEPSUB agents",
    "transaction_settings": (
        "what is captured twice is told apart when it is stored: filter.duplicate_window"
    ),
    "api_settings.add_captid_to_resolve": "aliases do not look at the capture id",
    "auth_settings.auth_token_header": "it is Auth-Token, or Authorization: Bearer",
    "api_settings.enable_token_access": "API tokens are always accepted, within their scopes",
    "group_settings": (
        "there is no SQL that is added to the searches of a group. Whoever had it sees everything "
        "here: do not give them an account"
    ),
    "system_settings": _LOG,
    "auth_settings.jwt_secret": "is not taken over: whoever is signed in signs in again",
    "auth_settings.user_groups": "the roles are admin, support and user",
    "auth_settings.gravatar": "no avatar is fetched from other hosts",
    "auth_settings.gravatar_url": "no avatar is fetched from other hosts",
    "swagger": "the description of the API is always served",
    "decoder_shark.param": "a message is decoded without further parameters",
    "decoder_shark.protocols": "messages of every kind can be decoded",
    "decoder_shark.uid": "nothing runs as root",
    "decoder_shark.gid": "nothing runs as root",
    "decoder_shark.enable": "files are imported without tshark",
    "decoder_shark.import_node": "imported messages have web.import_capture_id",
}
"""Option or section → why it has no equivalent, or none is needed."""

_DATABASE: Final = "database_data"
_OF_NODE: Final = {
    "node": "a node is the one that captured: node.name",
    "keepalive": "connections are checked before each use",
}
_TLS_FILES: Final = ("sslrootcert", "sslcert", "sslkey")
_VERIFY: Final = "counts with sslmode verify-full only"
_LOCAL: Final = "127.0.0.1"
_ANYWHERE: Final = "0.0.0.0"  # noqa: S104 (what an empty host meant there)
_MINUTE: Final = 60.0
_LONGEST_SESSION: Final = 365 * 86_400.0


def read(text: str, name: str) -> Imported:
    """Import the text of a webapp_config.json. Raises SettingsError when it is no such file."""
    document = Document(text, name)
    result = Imported(name)
    for part in _PARTS:
        part(document, result)
    _tell_of_others(document, result)
    return result


def _database(document: Document, result: Imported) -> None:
    children = document.children(_DATABASE)
    nodes = [name for name in children if document.is_section(f"{_DATABASE}.{name}")]
    if not nodes and not document.is_section(_DATABASE):
        return
    chosen = f"{_DATABASE}.{nodes[0]}" if nodes else _DATABASE
    for other in nodes[1:]:
        where = f"{_DATABASE}.{other}"
        host = document.text(f"{where}.host")
        document.drop(where)
        result.remark(
            where,
            f"a web API searches one database: {chosen} is taken. Let all capture nodes write to "
            f"it, or run another web API for {host or other}",
        )
    _dsn(document, result, chosen)


def _dsn(document: Document, result: Imported, at: str) -> None:
    password = stock_secret(result, f"{at}.pass", document.text(f"{at}.pass"))
    usessl = document.flag(f"{at}.usessl")
    sslmode = document.text(f"{at}.sslmode") or ("require" if usessl else "disable")
    parts = {
        "host": document.text(f"{at}.host") or "localhost",
        "port": document.text(f"{at}.port"),
        "dbname": document.text(f"{at}.name"),
        "user": document.text(f"{at}.user"),
        "password": password,
        "sslmode": sslmode,
        **{key: document.text(f"{at}.{key}") for key in _TLS_FILES if sslmode == "verify-full"},
    }
    options = document.text(f"{at}.custom_cli")
    if options:
        try:
            more = {key: str(value) for key, value in conninfo_to_dict(options).items()}
            parts = more | parts
        except ProgrammingError:
            result.remark(f"{at}.custom_cli", "is no list of libpq keywords")
    given = {key: value for key, value in parts.items() if value}
    result.set("database.dsn", make_conninfo("", **given), at)
    unused = {**_OF_NODE, **dict.fromkeys((key for key in _TLS_FILES if key not in given), _VERIFY)}
    for option, reason in unused.items():
        if document.drop(f"{at}.{option}"):
            result.remark(f"{at}.{option}", reason)
    result.remark(
        at,
        "this is the role that owns the tables and writes. `python -m collector create-db` makes "
        "one that may only read, for database.reader_dsn, and tables of our own beside "
        "hep_proto_*, which stay as they are",
    )


def _http(document: Document, result: Imported) -> None:
    tls = _https(document, result)
    if not ("http_settings.host" in document or "http_settings.port" in document):
        return
    origin = "http_settings.host, http_settings.port"
    host = document.text("http_settings.host") or _ANYWHERE
    port = document.text("http_settings.port", "80")
    address = _address(host, port)
    if address is None:
        result.remark(origin, f"{host}:{port} is not an address and a port: set web.listen")
        return
    if not _is_loopback(address):
        instead = f"{_LOCAL}:{port}"
        result.remark(
            origin,
            f"without TLS everybody on the way can read passwords: {instead} instead of {address}. "
            + (
                "Clients use web.tls_listen"
                if tls
                else "Give clients web.tls_listen with a certificate, or a proxy that is named in "
                "web.reverse_proxies"
            ),
        )
        address = instead
    result.set("web.listen", address, origin)


def _https(document: Document, result: Imported) -> bool:
    host = document.text("https_settings.host") or _ANYWHERE
    port = document.text("https_settings.port", "443")
    files = {name: document.text(f"https_settings.{option}") for option, name in _CERTIFICATE}
    version = document.text("https_settings.min_tls_version")
    if not document.flag("https_settings.enable"):
        if document.is_section("https_settings"):
            result.remark("https_settings", "is off (https_settings.enable)")
        return False
    address = _address(host, port)
    if address is None or not all(files.values()):
        wanted = "an address, a port, a certificate and a key"
        result.remark("https_settings", f"set web.tls_listen by hand: it needs {wanted}")
        return False
    origin = "https_settings.enable, https_settings.host, https_settings.port"
    result.set("web.tls_listen", address, origin)
    for option, name in _CERTIFICATE:
        result.set(f"web.{name}", files[name], f"https_settings.{option}")
    if version == "1.3":
        result.set("tls.min_version", version, "https_settings.min_tls_version")
        result.remark("https_settings.min_tls_version", "counts for HEP over TLS, too")
    elif version:
        result.remark("https_settings.min_tls_version", "1.2 is the lowest version")
    result.remark(
        "https_settings", "the names that browsers use, like sip.example.com, belong in web.hosts"
    )
    return True


_CERTIFICATE: Final = (("cert", "certificate"), ("key", "key"))


def _tshark(document: Document, result: Imported) -> None:
    if "decoder_shark.active" not in document and "decoder_shark.bin" not in document:
        return
    program = document.text("decoder_shark.bin", "/usr/bin/tshark")
    active = document.flag("decoder_shark.active")
    result.set("web.tshark", program if active else "", "decoder_shark.active, decoder_shark.bin")


def _sessions(document: Document, result: Imported) -> None:
    minutes = document.whole("auth_settings.token_expire")
    if minutes:
        lifetime = min(max(minutes * _MINUTE, _MINUTE), _LONGEST_SESSION)
        result.set("web.session_lifetime", lifetime, "auth_settings.token_expire")


def _services(document: Document, result: Imported) -> None:
    """Those that HOMER's API passes requests on to."""
    for name, path in (("prometheus", "api/v1"), ("loki", "loki/api/v1")):
        section = f"{name}_config"
        api = document.text(f"{section}.api", path).strip("/")
        host = document.text(f"{section}.host")
        user = document.text(f"{section}.user")
        # loki_config has known both names.
        password = document.text(f"{section}.password") or document.text(f"{section}.pass")
        if not host:
            continue
        result.set(f"backends.{name}", host.rstrip("/"), f"{section}.host, {section}.api")
        if user:
            result.set(f"backends.{name}_user", user, f"{section}.user")
        if kept := stock_secret(result, f"{section}.pass", password):
            result.set(f"backends.{name}_password", kept, f"{section}.pass")
        if api not in (path, "", "api/prom"):
            result.remark(f"{section}.api", f"the API is expected below {path}")
    if template := document.text("loki_config.template"):
        result.set("backends.loki_template", template, "loki_config.template")
    host = document.text("grafana_config.host", "http://grafana:3000/")
    token = document.text("grafana_config.token")
    if document.flag("grafana_config.enable"):
        result.set("backends.grafana", host.rstrip("/"), "grafana_config.host")
        kept = stock_secret(result, "grafana_config.token", token)
        result.set("backends.grafana_token", kept, "grafana_config.token")
    elif document.drop("grafana_config"):
        result.remark("grafana_config", "is off (grafana_config.enable)")


_PARTS: Final[tuple[Callable[[Document, Imported], None], ...]] = (
    *(_database, _http, _tshark, _sessions, _services, homer_sign_in.take),
)


def _tell_of_others(document: Document, result: Imported) -> None:
    """Name what no part has asked for: by option, or by section when that is all of it."""
    reasons: dict[str, dict[str, None]] = {}
    for option, shown in document.left():
        section = option.partition(".")[0]
        reason = UNMAPPED.get(option) or UNMAPPED.get(section) or _UNKNOWN
        whole = option not in UNMAPPED and section in UNMAPPED
        reasons.setdefault(reason, {})[shown.partition(".")[0] if whole else shown] = None
    for reason, options in reasons.items():
        result.remark(", ".join(options), reason)


def _address(host: str, port: str) -> str | None:
    """``address:port`` in its usual spelling; None when it is none."""
    host = _LOCAL if host == "localhost" else host
    try:
        found, number = parse_host_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except ValueError:
        return None
    return f"[{found}]:{number}" if ":" in found else f"{found}:{number}"


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "[::1]"))
