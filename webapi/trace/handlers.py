# SPDX-License-Identifier: GPL-2.0-or-later
"""``/api/v1/trace-rules``: ask for a rule, look at all of them and at the proxies, end one."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from collector import trace_rule
from collector.errors import TraceRuleError
from collector.trace_rule import MAX_ID
from webapi import change, schema
from webapi.access.principal import author_of
from webapi.context import CONTEXT, json_response
from webapi.errors import ApiError, bad_parameter
from webapi.parameters import integer, single
from webapi.schema import Parameters
from webapi.trace import report, rules
from webapi.trace.asked import MAX_NAME, parse
from webapi.trace.rules import StoredRule
from webapi.trace.tracing import TRACING, Tracing

DEFAULT_LIMIT: Final = 100
LIST_PARAMETERS: Final[Parameters] = {
    "state": schema.one_of(rules.STATES),
    "limit": schema.up_to("max_rows"),
    "before": schema.integer(1, MAX_ID),
}
REMOVE_PARAMETERS: Final[Parameters] = {"requested_by": {**schema.TEXT, "maxLength": MAX_NAME}}


async def list_rules(request: web.Request) -> web.Response:
    """Rules, the newest first, and how the proxies do.

    While PostgreSQL is away, the rules in force are shown as they were read last.
    """
    parameters = single(request.query, LIST_PARAMETERS)
    state = parameters.get("state", rules.STATES[0])
    if state not in rules.STATES:
        raise bad_parameter("state", f"must be one of {', '.join(rules.STATES)}")
    most = request.app[CONTEXT].settings.web.max_rows
    limit = integer("limit", parameters.get("limit", str(min(DEFAULT_LIMIT, most))), 1, most)
    before = integer("before", parameters["before"], 1, MAX_ID) if "before" in parameters else None
    tracing = request.app[TRACING]
    found = tracing.book.found
    try:
        listed = await rules.some(request.app[CONTEXT], state, limit, before)
        complete = True
    except ApiError:
        if found is None:
            raise
        listed, complete = found.active[::-1], False
    return json_response(
        {
            "trace_rules": [report.rule(stored, tracing.proxies) for stored in listed],
            "complete": complete,
            **_state(tracing),
        }
    )


async def show_rule(request: web.Request) -> web.Response:
    """One rule, in force or ended, and how the proxies do."""
    single(request.query, ())
    stored = await rules.one(request.app[CONTEXT], _rule_id(request))
    return _answer(request, stored)


async def add_rule(request: web.Request) -> web.Response:
    """Make a rule and bring it to the proxies at once; 201 says where it is in force."""
    single(request.query, ())
    settings, author = request.app[CONTEXT].settings.trace, author_of(request)
    try:
        given = {"requested_by": author.username, **await change.read_object(request)}
        asked = parse(given, settings)
    except TraceRuleError as error:
        raise _refused(error) from None
    if not settings.proxies:
        message = "there is no proxy to bring a rule to: name one in trace.proxies"
        raise ApiError(409, "no_proxies", message)
    stored = await rules.add(request.app[CONTEXT], asked, author)
    await request.app[TRACING].push()
    return _answer(request, stored, 201)


async def remove_rule(request: web.Request) -> web.Response:
    """End a rule, and the tracing of its calls, on all proxies at once."""
    parameters, author = single(request.query, REMOVE_PARAMETERS), author_of(request)
    try:
        by = trace_rule.check_text(
            "requested_by", parameters.get("requested_by", author.username), MAX_NAME
        )
    except TraceRuleError as error:
        raise _refused(error) from None
    stored = await rules.end(request.app[CONTEXT], _rule_id(request), by, author)
    await request.app[TRACING].push()
    return _answer(request, stored)


def _refused(error: TraceRuleError) -> ApiError:
    return ApiError(422, "bad_rule", f"{error.field}: {error}", error.field)


def _rule_id(request: web.Request) -> int:
    return integer("id", request.match_info["id"], 1, MAX_ID)


def _answer(request: web.Request, stored: StoredRule, status: int = 200) -> web.Response:
    tracing = request.app[TRACING]
    response = json_response({**report.rule(stored, tracing.proxies), **_state(tracing)})
    response.set_status(status)
    return response


def _state(tracing: Tracing) -> dict[str, Any]:
    return {
        "proxies": [report.proxy(one) for one in tracing.proxies],
        "database": report.database(tracing.book),
    }
