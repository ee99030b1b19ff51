# SPDX-License-Identifier: GPL-2.0-or-later
"""A kamailio.cfg with the ``sipcapture`` module → settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from collector.errors import SettingsError
from collector.import_config.imported import Imported

_COMMENT: Final = re.compile(r'("(?:[^"\\\n]|\\.)*")|/\*.*?\*/|#(?!!)[^\n]*|//[^\n]*', re.DOTALL)
_DEFINE: Final = re.compile(r"^#!(?:trydef|define|redefine)\s+(\w+)[ \t]+(.+?)\s*$", re.MULTILINE)
_SUBST: Final = re.compile(r'^#!substdefs?\s+"(.)(\w+)\1(.*?)\1g?"', re.MULTILINE)
_MODPARAM: Final = re.compile(
    r'modparam\s*\(\s*"([^"]*)"\s*,\s*"([^"]*)"\s*,\s*("(?:[^"\\]|\\.)*"|[\w.:+-]+)\s*\)'
)
_LISTEN: Final = re.compile(r"^\s*listen\s*=\s*(\S+)", re.MULTILINE)
_GLOBAL: Final = re.compile(r"^\s*(children|tcp_accept_hep3)\s*=\s*(\w+)", re.MULTILINE)

_TABLES: Final = (
    "tables are kemiscope's own: sip_message_call, _registration, _other, rtcp_report, hep_event"
)
_RAW: Final = "traffic of other hosts is captured by an agent: see docs/kamailio.md"
_ALWAYS: Final = "HEP is always captured"
_JOURNAL: Final = "the journal keeps every message until PostgreSQL has it"

UNMAPPED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("table_name", "mt_mode", "hash_source", "capture_mode"), _TABLES),
    **dict.fromkeys(("capture_on", "hep_capture_on", "nonsip_hook"), _ALWAYS),
    "event_callback": "hook.file takes Python functions that see every packet: docs/filters.md",
    **dict.fromkeys(("db_insert_mode", "insert_retries", "insert_retry_timeout"), _JOURNAL),
    "capture_bad_msgs": "messages with broken headers are always stored, and marked",
    "topoh_unmask": "Call-IDs are stored as they are on the wire",
    "table_time_sufix": "partitions are made by partition.interval",
    **dict.fromkeys(
        (
            *("raw_socket_listen", "raw_ipip_capture_on", "raw_moni_capture_on"),
            *("raw_interface", "raw_sock_children", "promiscuous_on", "raw_moni_bpf_on"),
        ),
        _RAW,
    ),
}
"""Parameter → why it has no equivalent, or none is needed."""
MAPPED: Final = (
    *("db_url", "capture_node", "callid_aleg_header"),
    *("custom_field1_header", "custom_field2_header", "custom_field3_header"),
)


def read(text: str, name: str) -> Imported:
    """Import the text of a kamailio.cfg. Raises SettingsError if it has no sipcapture settings."""
    text = _COMMENT.sub(lambda found: found[1] or " ", text)
    words = dict(_DEFINE.findall(text))
    substitutes = {word: value for _, word, value in _SUBST.findall(text)}
    result = Imported(name)
    parameters: dict[str, str] = {}
    for modules, parameter, value in _MODPARAM.findall(text):
        if "sipcapture" in modules.split("|"):
            parameters[parameter] = _value(value, words, substitutes)
    if not parameters:
        message = f"{name}: has no modparam of sipcapture; included files are imported one by one"
        raise SettingsError(message)
    _sockets(text, words, substitutes, result)
    _take_over(parameters, result)
    for parameter in parameters:
        if parameter.endswith("_column"):
            result.remark(parameter, "columns have fixed names")
        elif parameter in UNMAPPED:
            result.remark(parameter, UNMAPPED[parameter])
        elif parameter not in MAPPED:
            result.remark(parameter, "is no parameter of sipcapture that is known here")
    return result


def _value(text: str, words: Mapping[str, str], substitutes: Mapping[str, str]) -> str:
    """A literal, or what a define says; texts without their quotes."""
    text = words.get(text, text)
    if text.startswith('"'):
        text = text[1:-1].replace('\\"', '"')
    for word, value in substitutes.items():
        text = text.replace(word, value)
    return text


def _sockets(
    text: str, words: Mapping[str, str], substitutes: Mapping[str, str], result: Imported
) -> None:
    options = dict(_GLOBAL.findall(text))
    listen = []
    for found in _LISTEN.findall(text):
        socket = _value(found, words, substitutes)
        protocol, _, address = socket.partition(":")
        if protocol not in ("udp", "tcp"):
            protocol, address = "udp", socket
        if protocol == "tcp" and options.get("tcp_accept_hep3") != "yes":
            result.remark("listen", f"{found}: took no HEP, since tcp_accept_hep3 is not set")
        else:
            listen.append(("listen", f"{protocol}:{address}"))
    result.listen(listen, "listen")
    if options.get("children", "").isdigit():
        result.remark(
            "children", f"{options['children']}; two UDP workers (hep.workers) are enough here"
        )


def _take_over(parameters: Mapping[str, str], result: Imported) -> None:
    url = parameters.get("db_url", "")
    if url.startswith("postgres://"):
        result.set("database.dsn", "postgresql" + url.removeprefix("postgres"), "db_url")
        result.remark(
            "db_url",
            "`python -m collector init-db` makes tables of its own beside sip_capture; "
            "database.reader_dsn needs a role that may only read",
        )
    elif url:
        result.remark("db_url", "only PostgreSQL is supported; set database.dsn")
    if parameters.get("capture_node"):
        result.set("node.name", parameters["capture_node"], "capture_node")
    headers = parameters.get("callid_aleg_header", "X-CID")
    names = tuple(header.strip() for header in headers.split(";") if header.strip())
    result.set("correlation.headers", names, "callid_aleg_header")
    custom = tuple(
        parameters[name] for name in MAPPED if name.startswith("custom_") and parameters.get(name)
    )
    if custom:
        result.set("sip.custom_headers", custom, "custom_field1_header and its like")
