# SPDX-License-Identifier: GPL-2.0-or-later
"""heplify-server.toml → settings. Every option is mapped here, or named with the reason why not."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from psycopg.conninfo import make_conninfo

from collector.errors import SettingsError
from collector.import_config.imported import Imported
from collector.settings.selecting import Clock

_DAY: Final = 86_400
_DATABASE: Final = "DBDriver, DBAddr, DBUser, DBPass, DBDataTable, DBSSLMode"
_MAX_OFF: Final = 2
"""heplify-server takes an address of up to two characters for none."""

# Options that say nothing here, with the reason.
_ELASTIC: Final = "there is no Elasticsearch output"
_LINEPROTO: Final = "there is no line protocol output; /metrics and the database have the figures"
_QUEUE: Final = "there is no queue in memory: the journal on disk (journal.max_bytes) holds packets"
_LOG: Final = "messages go to Kamailio's log; its debug and log_facility in kamailio.cfg decide"
_SCRIPT: Final = (
    "Lua and expr scripts are not run; hook.file takes Python functions that do the same: see "
    "docs/filters.md"
)
_PARTITION: Final = "all tables have one length of partition (partition.interval)"
_WEB: Final = "settings are changed in the file; `python -m collector reload` puts them into force"

UNMAPPED: Final[Mapping[str, str]] = {
    "HEPv2Enable": "HEP versions 1, 2 and 3 are always accepted",
    **dict.fromkeys(("ESAddr", "ESUser", "ESPass", "ESDiscovery"), _ELASTIC),
    "LokiBuffer": _QUEUE,
    "LokiAllowOutOfOrder": "loki.out_of_order says how old a line may be",
    "LokiCustomLabels": "hook.file cannot set labels; loki.labels chooses among those there are",
    **dict.fromkeys(
        (
            *("LineprotoURL", "LineprotoBulk", "LineprotoTimer", "LineprotoBuffer"),
            *("LineprotoHEPFilter", "LineprotoIPPortLabels"),
        ),
        _LINEPROTO,
    ),
    "ForceHEPPayload": "hep_event keeps every payload as it came",
    "DBShema": "there is one schema",
    "DBConfTable": "configuration is not kept in a database of its own",
    "DBBulk": "ingest.batch_messages bounds a transaction; its default suits any rate",
    "DBTimer": "ingest.commit_interval is the time between transactions, 50 ms",
    "DBBuffer": _QUEUE,
    "DBWorker": "ingest.processes; two are enough for two cores",
    "DBRotate": "partitions are always made and dropped by kemiscope",
    **dict.fromkeys(("DBPartLog", "DBPartIsup", "DBPartQos"), _PARTITION),
    "DBDropOnStart": "retention works at the start and every minute",
    "DBProcDropLimit": "as many partitions are dropped as the limit asks for, the oldest first",
    "IgnoreCaseCH": "header names are found in any case",
    "SIPHeader": "all fields have columns of their own",
    **dict.fromkeys(("ScriptEnable", "ScriptEngine", "ScriptFolder", "ScriptHEPFilter"), _SCRIPT),
    **dict.fromkeys(("LogDbg", "LogLvl", "LogStd", "LogSys"), _LOG),
    "Config": "--config or KEMISCOPE_CONFIG names the settings file",
    **dict.fromkeys(("ConfigHTTPAddr", "ConfigHTTPPW"), _WEB),
    "Version": "python -m collector --version",
}
"""Option → why it has no equivalent, or none is needed."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "HEPAddr": "0.0.0.0:9060",
    "HEPTCPAddr": "",
    "HEPTLSAddr": "",
    "HEPWSAddr": "",
    "LokiURL": "",
    "LokiOrgID": "",
    "LokiBulk": 400,
    "LokiTimer": 4,
    "LokiHEPFilter": [1, 5, 100],
    "LokiIPPortLabels": False,
    "LokiFromToLabels": False,
    "LokiCallIDLabels": False,
    "PromAddr": "",
    "PromTargetIP": "",
    "PromTargetName": "",
    "DBDriver": "mysql",
    "DBAddr": "localhost:3306",
    "DBSSLMode": "disable",
    "DBUser": "root",
    "DBPass": "",
    "DBDataTable": "homer_data",
    "DBPartSip": "2h",
    "DBDropDays": 14,
    "DBDropDaysCall": 0,
    "DBDropDaysRegister": 0,
    "DBDropDaysDefault": 0,
    "DBUsageProtection": False,
    "DBUsageScheme": "percentage",
    "DBPercentageUsage": "80%",
    "DBMaxSize": "20GB",
    "Dedup": False,
    "DiscardMethod": [],
    "CensorMethod": [],
    "AlegIDs": [],
    "ForceALegID": False,
    "CustomHeader": [],
    "TLSCertFolder": ".",
    "TLSMinVersion": "1.2",
}
"""Mapped options and heplify-server's own defaults; PromAddr's is left out: an open port."""

_PART_MINUTES: Final[Mapping[str, int]] = {
    "5m": 5,
    "10m": 10,
    "15m": 15,
    "20m": 20,
    "25m": 30,
    "30m": 30,
    **dict.fromkeys(("35m", "40m", "45m"), 45),
    **dict.fromkeys(("50m", "55m", "60m", "1h"), 60),
    **dict.fromkeys(("120m", "2h"), 120),
    **dict.fromkeys(("3h", "4h", "5h", "6h"), 360),
    **dict.fromkeys(("7h", "8h", "9h", "10h", "11h", "12h"), 720),
    **dict.fromkeys(("24h", "1d"), 1440),
}
_OTHER_PART: Final = 120
_SIZE: Final = re.compile(r"([0-9]+)(?:\.[0-9]+)?\s*(MB|GB)\Z", re.IGNORECASE)
_BYTES: Final = {"MB": 1 << 20, "GB": 1 << 30}


def read(text: str, name: str) -> Imported:
    """Import the text of a heplify-server.toml. Raises SettingsError when it is no TOML."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{name}: not TOML: {error}"
        raise SettingsError(message) from error
    known = {option.lower(): option for option in (*DEFAULTS, *UNMAPPED)}
    given: dict[str, Any] = {}
    result = Imported(name)
    for key, value in document.items():
        option = known.get(key.lower())
        if option:
            _check(name, option, value)
            given[option] = value
        else:
            result.remark(key, "is no option of heplify-server")
    options = {**DEFAULTS, **given}
    for part in _PARTS:
        part(options, given, result)
    for option in given:
        if option in UNMAPPED:
            result.remark(option, UNMAPPED[option])
    return result


def _check(name: str, option: str, value: Any) -> None:
    """Refuse what heplify-server would not read either. Raises SettingsError."""
    if option not in DEFAULTS:
        return
    default = DEFAULTS[option]
    fits = type(value) is type(default)
    if fits and isinstance(value, list):
        kind = int if option == "LokiHEPFilter" else str
        fits = all(type(item) is kind for item in value)
    if not fits:
        message = f"{name}: {option}: {value!r} is not like {default!r}"
        raise SettingsError(message)


Options = Mapping[str, Any]


def _listeners(options: Options, given: Options, result: Imported) -> None:
    listen = []
    for option, protocol in (
        ("HEPAddr", "udp"),
        ("HEPTCPAddr", "tcp"),
        ("HEPTLSAddr", "tls"),
        ("HEPWSAddr", "ws"),
    ):
        address = options[option]
        if len(address) > _MAX_OFF:
            host, _, port = address.rpartition(":")
            listen.append((option, f"{protocol}:{host or '0.0.0.0'}:{port}"))  # noqa: S104
    result.listen(listen, "HEPAddr, HEPTCPAddr, HEPTLSAddr, HEPWSAddr")
    if any(option == "HEPTLSAddr" for option, _ in listen):
        folder = options["TLSCertFolder"].rstrip("/")
        result.set("tls.certificate", f"{folder}/heplify-server-cert.pem", "TLSCertFolder")
        result.set("tls.key", f"{folder}/heplify-server-key.pem", "TLSCertFolder")
        result.remark(
            "TLSCertFolder",
            "heplify-server signed a new certificate for each name with the authority in this "
            "folder; here tls.certificate is the certificate that senders see: sign one",
        )
        version = options["TLSMinVersion"]
        result.set("tls.min_version", "1.3" if version == "1.3" else "1.2", "TLSMinVersion")
        if version in ("1.0", "1.1"):
            result.remark("TLSMinVersion", "1.2 is the lowest version")
    elif "TLSCertFolder" in given or "TLSMinVersion" in given:
        result.remark("TLSCertFolder, TLSMinVersion", "no TLS socket is set")


def _selection(options: Options, _given: Options, result: Imported) -> None:
    if options["Dedup"]:
        result.set("filter.duplicate_window", 0.5, "Dedup")
    for option, key in (
        ("DiscardMethod", "filter.discard_methods"),
        ("CensorMethod", "filter.censor_methods"),
        ("CustomHeader", "sip.custom_headers"),
    ):
        if options[option]:
            result.set(key, tuple(options[option]), option)
    if options["AlegIDs"]:
        headers = []
        for entry in options["AlegIDs"]:
            header, comma, pattern = entry.partition(",")
            headers.append(f"{header.strip()}: {pattern.strip()}" if comma else header.strip())
        result.set("correlation.headers", tuple(headers), "AlegIDs")
        if len(headers) > 1:
            result.remark(
                "AlegIDs", "the first header in the list that a message has counts, not the last"
            )
    result.set("correlation.force", bool(options["ForceALegID"]), "ForceALegID")


def _database(options: Options, given: Options, result: Imported) -> None:
    if options["DBDriver"] != "postgres":
        if "DBDriver" in given or "DBAddr" in given:
            result.remark(
                _DATABASE,
                "only PostgreSQL is supported; set database.dsn",
            )
        return
    address = options["DBAddr"]
    if address.startswith("unix:"):
        place = {"host": address.removeprefix("unix:")}
    else:
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        place = {"host": host.strip("[]") or "localhost", **({"port": port} if port else {})}
    dsn = make_conninfo(
        "",
        **place,
        dbname=options["DBDataTable"],
        user=options["DBUser"],
        password=options["DBPass"] or None,
        sslmode=options["DBSSLMode"],
    )
    result.set("database.dsn", dsn, _DATABASE)
    result.remark(
        "DBAddr",
        "`python -m collector init-db` makes tables of its own beside hep_proto_*, which stay as "
        "they are; database.reader_dsn needs a role that may only read",
    )


def _retention(options: Options, given: Options, result: Imported) -> None:
    minutes = _PART_MINUTES.get(options["DBPartSip"], _OTHER_PART)
    result.set("partition.interval", minutes * 60.0, "DBPartSip")
    days = options["DBDropDays"]
    accept_past = Clock().accept_past
    for kind, option in (
        ("call", "DBDropDaysCall"),
        ("registration", "DBDropDaysRegister"),
        ("other", "DBDropDaysDefault"),
        ("report", ""),
        ("event", ""),
    ):
        own = options[option] if option else 0
        # Without DBDropDays heplify-server drops nothing, whatever the others say; who set one of
        # them meant it.
        kept = float((own or days) * _DAY)
        result.set(f"retention.{kind}", kept, f"{option}, DBDropDays".removeprefix(", "))
        if kept:
            accept_past = min(accept_past, kept)
    if accept_past < Clock().accept_past:
        # What is older than it may become would be dropped as soon as it is stored.
        result.set("clock.accept_past", accept_past, "DBDropDays and its like")
    _disk(options, given, result)


def _disk(options: Options, given: Options, result: Imported) -> None:
    by_size = options["DBUsageScheme"] == "maxusage"
    limit, other = (
        ("DBMaxSize", "DBPercentageUsage") if by_size else ("DBPercentageUsage", "DBMaxSize")
    )
    if not options["DBUsageProtection"]:
        if "DBUsageProtection" in given:
            result.remark(
                "DBUsageProtection", "is on by default here: retention.max_disk_percent = 0 ends it"
            )
        unused = [name for name in ("DBUsageScheme", limit, other) if name in given]
        if unused:
            result.remark(", ".join(unused), "DBUsageProtection is off")
        return
    if other in given:
        result.remark(other, f"the limit is {limit} (DBUsageScheme)")
    origin = f"DBUsageProtection, DBUsageScheme, {limit}"
    text = options[limit]
    size = _SIZE.match(text)
    percent = text.rstrip("% ")
    if by_size and size:
        result.set("retention.max_bytes", int(size[1]) * _BYTES[size[2].upper()], origin)
    elif not by_size and percent.isdigit() and 0 < int(percent) < 100:
        result.set("retention.max_disk_percent", float(percent), origin)
    else:
        wanted = "size in MB or GB" if by_size else "share below 100%"
        result.remark(origin, f"{text!r} is no {wanted}")


def _loki(options: Options, _given: Options, result: Imported) -> None:
    url = options["LokiURL"]
    if len(url) <= _MAX_OFF:
        return
    result.set("loki.url", re.sub(r"(?<=[^:/])/.*", "", url), "LokiURL")
    result.set("loki.org_id", options["LokiOrgID"], "LokiOrgID")
    result.set("loki.batch_bytes", options["LokiBulk"] << 10, "LokiBulk")
    result.set("loki.interval", float(options["LokiTimer"]), "LokiTimer")
    result.set("loki.types", tuple(options["LokiHEPFilter"]), "LokiHEPFilter")
    metadata = [
        field
        for option, fields in (
            ("LokiIPPortLabels", ("src_ip", "src_port", "dst_ip", "dst_port")),
            ("LokiFromToLabels", ("from", "to")),
            ("LokiCallIDLabels", ("call_id",)),
        )
        if options[option]
        for field in fields
    ]
    if metadata:
        names = "LokiIPPortLabels, LokiFromToLabels, LokiCallIDLabels"
        result.set("loki.metadata", tuple(metadata), names)
        result.remark(
            names, "structured metadata (Loki 3) instead of labels, which would make a stream each"
        )


def _metrics(options: Options, given: Options, result: Imported) -> None:
    address = options["PromAddr"]
    if len(address) > _MAX_OFF:
        host, _, port = address.rpartition(":")
        result.set("metrics.listen", f"{host or '0.0.0.0'}:{port}", "PromAddr")  # noqa: S104
        result.remark("PromAddr", "whoever reaches it can read it: better name an address")
    addresses = _items(options["PromTargetIP"])
    names = _items(options["PromTargetName"])
    if len(addresses) != len(names):
        result.remark("PromTargetIP, PromTargetName", "have not the same length: ignored")
        return
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for name, target in zip(names, addresses, strict=True):
        by_name[name].append(target)
    if by_name:
        peers = tuple(f"{name}={','.join(targets)}" for name, targets in by_name.items())
        result.set("metrics.peers", peers, "PromTargetIP, PromTargetName")
    if given.get("PromAddr"):
        result.remark(
            "PromAddr", "metric names begin with kemiscope_, times are in seconds: docs/outputs.md"
        )


def _items(text: str) -> list[str]:
    """Of a text separated by commas."""
    return [item.strip() for item in text.split(",") if item.strip()]


_PARTS: Final[tuple[Callable[[Options, Options, Imported], None], ...]] = (
    *(_listeners, _selection, _database, _retention, _loki, _metrics),
)
