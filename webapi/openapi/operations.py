# SPDX-License-Identifier: GPL-2.0-or-later
"""Every route of the API: what it takes and what it answers.

A new route needs an entry in ``OPERATIONS``: what it is about, its answer, and the mapping that its
handler gives to ``parameters.single``. Names for what is answered are in ``answers``, bodies in
``bodies``.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from webapi import calls, decode, drops, stats
from webapi.access import administration
from webapi.export import svg
from webapi.export.handlers import CONTENT_TYPES, SIPP_PARAMETERS, SIPP_TYPE, parameters_of
from webapi.imports import handlers as imports
from webapi.listing import OWNED_PARAMETERS, PAGE_PARAMETERS
from webapi.names import alias_handlers, search_handlers
from webapi.openapi import bodies, names
from webapi.openapi.answers import listed, page
from webapi.openapi.operation import EVENTS, Operation, file, json
from webapi.openapi.shape import INTEGER, STRING, of_type
from webapi.schema import Parameters, Schema, array, record, ref
from webapi.sign_in.oauth2 import flow
from webapi.sign_in.oauth2 import handlers as oauth2
from webapi.sign_in.ways import Way
from webapi.subject import CALLS, MESSAGES, REGISTRATIONS, REPORTS, Subject
from webapi.subject import EVENTS as EVENT_ROWS
from webapi.trace import handlers as trace

ROOTS: Final = ("/api/v1/", "/metrics")
"""Paths that are described. What HOMER's API is like, HOMER says; pages are for people."""
TAGS: Final[Mapping[str, str]] = {
    "search": "What was captured, a page at a time",
    "call": "All that is known of one call",
    "export": "Files of calls and of what a search finds",
    "live": "What is new, as Server-Sent Events",
    "statistics": "Figures over time",
    "service": "The state of the capture nodes, and this description",
    "trace rules": "Which calls the proxies send",
    "import": "Capture files",
    "names": "Names of hosts, saved searches, links to one call",
    "account": "What one does with one's own account",
    "administration": "Users, audit log, settings",
}
_MESSAGE_ID: Final[Mapping[str, Schema]] = {
    "id": {"type": "string", "pattern": f"^[0-9]{{1,{decode.ID_DIGITS}}}$"}
}
_EMPTY: Final = json(record({}))


def _search(subject: Subject) -> Operation:
    return Operation("search", page(subject), subject.parameters)


def _found(subject: Subject, suffix: str) -> Operation:
    return Operation("export", file(CONTENT_TYPES[suffix]), parameters_of(subject, suffix))


def _call_file(content_type: str, query: Parameters = calls.PARAMETERS) -> Operation:
    return Operation("export", file(content_type), query)


def _live(subject: Subject) -> Operation:
    return Operation("live", file(EVENTS), subject.live_parameters)


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("GET", "/api/v1/messages"): _search(MESSAGES),
    ("GET", "/api/v1/reports"): _search(REPORTS),
    ("GET", "/api/v1/events"): _search(EVENT_ROWS),
    ("GET", "/api/v1/calls"): _search(CALLS),
    ("GET", "/api/v1/registrations"): _search(REGISTRATIONS),
    ("GET", "/api/v1/calls/{call_id}"): Operation(
        "call", json(ref("CallDescription")), calls.PARAMETERS
    ),
    ("GET", "/api/v1/messages/{id}/decode"): Operation(
        "call",
        json(ref("DecodedMessage")),
        decode.PARAMETERS,
        errors=(HTTPStatus.CONFLICT, HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.BAD_GATEWAY),
        path=_MESSAGE_ID,
    ),
    ("GET", "/api/v1/messages/export.pcap"): _found(MESSAGES, "pcap"),
    ("GET", "/api/v1/messages/export.pcapng"): _found(MESSAGES, "pcapng"),
    ("GET", "/api/v1/messages/export.txt"): _found(MESSAGES, "txt"),
    ("GET", "/api/v1/messages/export.jsonl"): _found(MESSAGES, "jsonl"),
    ("GET", "/api/v1/messages/export.csv"): _found(MESSAGES, "csv"),
    ("GET", "/api/v1/calls/export.jsonl"): _found(CALLS, "jsonl"),
    ("GET", "/api/v1/calls/export.csv"): _found(CALLS, "csv"),
    ("GET", "/api/v1/calls/{call_id}/export.pcap"): _call_file(CONTENT_TYPES["pcap"]),
    ("GET", "/api/v1/calls/{call_id}/export.pcapng"): _call_file(CONTENT_TYPES["pcapng"]),
    ("GET", "/api/v1/calls/{call_id}/export.txt"): _call_file(CONTENT_TYPES["txt"]),
    ("GET", "/api/v1/calls/{call_id}/export.json"): Operation(
        "export", json(ref("CallDescription")), calls.PARAMETERS
    ),
    ("GET", "/api/v1/calls/{call_id}/export.svg"): _call_file(svg.CONTENT_TYPE),
    ("GET", "/api/v1/calls/{call_id}/export.xml"): Operation(
        "export",
        file(SIPP_TYPE),
        SIPP_PARAMETERS,
        errors=(HTTPStatus.UNPROCESSABLE_ENTITY,),
    ),
    ("GET", "/api/v1/live/calls"): _live(CALLS),
    ("GET", "/api/v1/live/messages"): _live(MESSAGES),
    ("GET", "/api/v1/stats"): Operation("statistics", json(ref("Statistics")), stats.PARAMETERS),
    ("GET", "/api/v1/status"): Operation("service", json(ref("Status"))),
    ("GET", "/api/v1/retention"): Operation("service", json(ref("Retention"))),
    ("GET", "/api/v1/retention/drops"): Operation(
        "service", listed("drops", "Drop", INTEGER), drops.PARAMETERS
    ),
    ("GET", "/api/v1/settings"): Operation("administration", json(ref("Settings"))),
    ("GET", "/api/v1/openapi.json"): Operation("service", json({"type": "object"})),
    ("GET", "/metrics"): Operation("service", file(CONTENT_TYPE_LATEST.partition(";")[0])),
    ("GET", "/api/v1/trace-rules"): Operation(
        "trace rules", json(ref("TraceRules")), trace.LIST_PARAMETERS
    ),
    ("GET", "/api/v1/trace-rules/{id}"): Operation("trace rules", json(ref("TraceRuleAndState"))),
    ("POST", "/api/v1/trace-rules"): Operation(
        "trace rules",
        json(ref("TraceRuleAndState")),
        body=bodies.NEW_RULE,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("DELETE", "/api/v1/trace-rules/{id}"): Operation(
        "trace rules",
        json(ref("TraceRuleAndState")),
        trace.REMOVE_PARAMETERS,
        errors=(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY),
    ),
    ("POST", "/api/v1/imports"): Operation(
        "import",
        json(ref("Import")),
        imports.PARAMETERS,
        bodies.CAPTURE_FILE,
        HTTPStatus.CREATED,
        errors=(HTTPStatus.INSUFFICIENT_STORAGE,),
    ),
    ("GET", "/api/v1/aliases"): Operation(
        "names", listed("aliases", "Alias", INTEGER), PAGE_PARAMETERS
    ),
    ("GET", "/api/v1/aliases/{id}"): Operation("names", json(ref("Alias"))),
    ("POST", "/api/v1/aliases"): Operation(
        "names",
        json(ref("Alias")),
        body=names.NEW_ALIAS,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("PATCH", "/api/v1/aliases/{id}"): Operation(
        "names", json(ref("Alias")), body=names.CHANGED_ALIAS, errors=(HTTPStatus.CONFLICT,)
    ),
    ("DELETE", "/api/v1/aliases/{id}"): Operation("names", json(ref("Alias"))),
    ("GET", "/api/v1/aliases/export.json"): Operation("names", json(ref("AliasFile"))),
    ("GET", "/api/v1/aliases/export.csv"): Operation("names", file(alias_handlers.CSV)),
    ("POST", "/api/v1/aliases/import"): Operation(
        "names",
        json(ref("AliasImport")),
        alias_handlers.IMPORT_PARAMETERS,
        names.ALIAS_FILE,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("GET", "/api/v1/saved-searches"): Operation(
        "names",
        listed("saved_searches", "SavedSearch", INTEGER),
        search_handlers.LIST_PARAMETERS,
    ),
    ("GET", "/api/v1/saved-searches/{id}"): Operation("names", json(ref("SavedSearch"))),
    ("POST", "/api/v1/saved-searches"): Operation(
        "names",
        json(ref("SavedSearch")),
        body=names.NEW_SEARCH,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("PATCH", "/api/v1/saved-searches/{id}"): Operation(
        "names", json(ref("SavedSearch")), body=names.CHANGED_SEARCH, errors=(HTTPStatus.CONFLICT,)
    ),
    ("DELETE", "/api/v1/saved-searches/{id}"): Operation("names", json(ref("SavedSearch"))),
    ("GET", "/api/v1/share-links"): Operation(
        "names", listed("share_links", "ShareLink", INTEGER), OWNED_PARAMETERS
    ),
    ("POST", "/api/v1/share-links"): Operation(
        "names",
        json(ref("NewShareLink")),
        body=names.NEW_LINK,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND),
    ),
    ("DELETE", "/api/v1/share-links/{id}"): Operation("names", json(ref("ShareLink"))),
    ("GET", "/api/v1/shared/{token}"): Operation(
        "names", json(ref("SharedCall")), errors=(HTTPStatus.TOO_MANY_REQUESTS,), path=names.TOKEN
    ),
    ("GET", "/api/v1/shared/{token}/export.pcap"): Operation(
        "names",
        file(CONTENT_TYPES["pcap"]),
        errors=(HTTPStatus.TOO_MANY_REQUESTS,),
        path=names.TOKEN,
    ),
    ("GET", "/api/v1/sign-in"): Operation("account", json(record({"ways": array(of_type(Way))}))),
    ("GET", "/api/v1/oauth2/{provider}"): Operation(
        "account", {}, oauth2.START_PARAMETERS, status=HTTPStatus.FOUND
    ),
    ("GET", "/api/v1/oauth2/{provider}/callback"): Operation(
        "account", file("text/html"), flow.CALLBACK_PARAMETERS
    ),
    ("POST", "/api/v1/sign-in"): Operation(
        "account",
        json(ref("Me")),
        body=bodies.SIGN_IN,
        errors=(HTTPStatus.TOO_MANY_REQUESTS,),
    ),
    ("POST", "/api/v1/sign-out"): Operation("account", _EMPTY),
    ("GET", "/api/v1/me"): Operation("account", json(ref("Me"))),
    ("POST", "/api/v1/me/password"): Operation(
        "account",
        _EMPTY,
        body=bodies.NEW_PASSWORD,
        errors=(HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS),
    ),
    ("GET", "/api/v1/tokens"): Operation(
        "account", listed("tokens", "Token", INTEGER), OWNED_PARAMETERS
    ),
    ("POST", "/api/v1/tokens"): Operation(
        "account",
        json(ref("NewToken")),
        body=bodies.NEW_TOKEN,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("DELETE", "/api/v1/tokens/{id}"): Operation("account", json(record({"name": STRING}))),
    ("GET", "/api/v1/users"): Operation(
        "administration", listed("users", "User", INTEGER), PAGE_PARAMETERS
    ),
    ("POST", "/api/v1/users"): Operation(
        "administration",
        json(ref("NewUser")),
        body=bodies.NEW_USER,
        status=HTTPStatus.CREATED,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("GET", "/api/v1/users/{id}"): Operation("administration", json(ref("User"))),
    ("PATCH", "/api/v1/users/{id}"): Operation(
        "administration",
        json(ref("User")),
        body=bodies.CHANGED_USER,
        errors=(HTTPStatus.CONFLICT,),
    ),
    ("DELETE", "/api/v1/users/{id}"): Operation(
        "administration", json(ref("User")), errors=(HTTPStatus.CONFLICT,)
    ),
    ("GET", "/api/v1/audit"): Operation(
        "administration", listed("audit", "AuditEntry", INTEGER), administration.AUDIT_PARAMETERS
    ),
}
"""Method and path of every route, as in ``access.roles.NEEDS``."""
