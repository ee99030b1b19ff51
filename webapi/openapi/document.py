# SPDX-License-Identifier: GPL-2.0-or-later
"""The description as an object: OpenAPI 3.1.1, of the routes that an application has."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias

from collector import __version__
from collector.settings import Settings
from collector.settings.web import SIGN_IN_OFF, Web
from webapi.access.roles import ANYBODY, NEEDS, SCOPES, Need, Scope
from webapi.access.sessions import COOKIE
from webapi.openapi.answers import SCHEMAS
from webapi.openapi.operation import JSON, Operation
from webapi.openapi.operations import OPERATIONS, TAGS
from webapi.schema import TEXT, Schema, Setting, integer

Object: TypeAlias = dict[str, Any]

VERSION: Final = "3.1.1"
SAFE: Final = ("GET",)
ERROR: Final = "#/components/responses/"
_MAX_ID: Final = (1 << 31) - 1
_SENTENCE: Final = re.compile(r"(?<=\.) ")
_PATH_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PATH: Final[Mapping[str, Schema]] = {"id": integer(1, _MAX_ID), "call_id": TEXT}
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_BODY: Final = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_HEADERS: Final[Mapping[int, Mapping[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "`Bearer`"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "Seconds to wait."},
}
_SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token. Its scopes are named beside it.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE.name(secure=False),
        "description": f"Set by sign-in; over TLS it is `{COOKIE.name(secure=True)}`.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "`csrf_token` of sign-in; with a session, for what changes something.",
    },
}


class Route(NamedTuple):
    """What an application has."""

    method: str
    path: str
    handler: Callable[..., Any]


def describe(routes: Iterable[Route], settings: Settings) -> Object:
    """The description of those of these routes that have an entry."""
    paths: dict[str, Object] = {}
    for route in routes:
        one, need = OPERATIONS.get(route[:2]), NEEDS.get(route[:2])
        if one and need:
            made = _operation(route, one, need, settings.web)
            paths.setdefault(route.path, {})[route.method.lower()] = made
    parameters = _shared(paths)
    statuses = {int(s) for one in OPERATIONS.values() for s in _errors(one, "{", Scope.READ)}
    found = {
        "openapi": VERSION,
        "info": {
            "title": "kemiscope",
            "version": __version__,
            "summary": "SIP capture: messages, calls, quality",
            "license": {"name": "GPL-2.0-or-later", "identifier": "GPL-2.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "parameters": parameters,
            "responses": {f"Error{s}": _error(s) for s in sorted(statuses)},
            "securitySchemes": _SCHEMES,
        },
    }
    plain: Object = _plain(found, settings.web)
    return plain


def _operation(route: Route, one: Operation, need: Scope | Need, web: Web) -> Object:
    summary, text = _said(route.handler)
    answer = {"description": HTTPStatus(one.status).phrase, "content": _content(one.answer)}
    found: Object = {
        "operationId": route.handler.__name__,
        "tags": [one.tag],
        "summary": summary,
        "description": "\n\n".join(filter(None, (text, _rights(need)))),
        "security": list(_security(route.method, need, web)),
        "parameters": [*_in_path(route.path, one), *_in_query(one)],
        "responses": {
            str(int(one.status)): answer,
            **{
                str(int(status)): {"$ref": f"{ERROR}Error{int(status)}"}
                for status in _errors(one, route.path, need)
            },
        },
    }
    if one.body:
        found["requestBody"] = {"required": True, "content": _content(one.body)}
    return found


def _said(handler: Callable[..., Any]) -> tuple[str, str]:
    """Its docstring: the first sentence, and the rest without what it raises."""
    text = " ".join((inspect.getdoc(handler) or "").replace("``", "`").split())
    sentences = [one for one in _SENTENCE.split(text) if not one.startswith("Raises ")]
    return sentences[0].removesuffix("."), " ".join(sentences[1:])


def _rights(need: Scope | Need) -> str:
    """For people; programs read ``security``."""
    if isinstance(need, Scope):
        roles = ", ".join(role for role, scopes in SCOPES.items() if need in scopes)
        return f"Needs the right `{need}`: the roles {roles}, or a token with this scope."
    return {
        Need.NOTHING: "Needs no sign-in.",
        Need.SIGNED_IN: "Needs a session, or any token.",
        Need.IN_PERSON: "Needs a session, or a token with the scope `admin`.",
        Need.SCRAPE: "From this host, with `web.metrics_token`, or with the right `read`.",
    }[need]


def _security(method: str, need: Scope | Need, web: Web) -> Iterator[dict[str, list[str]]]:
    if need in (Need.NOTHING, Need.SCRAPE) or (need in ANYBODY and web.sign_in == SIGN_IN_OFF):
        yield {}
    if need is Need.NOTHING:
        return
    scopes = [Scope.ADMIN.value] if need is Need.IN_PERSON else []
    scopes = [Scope.READ.value] if need is Need.SCRAPE else scopes
    scopes = [need.value] if isinstance(need, Scope) else scopes
    yield {"token": scopes}
    yield {"session": []} if method in SAFE else {"session": [], "csrf": []}


def _in_path(path: str, one: Operation) -> Iterator[Object]:
    for name in _PATH_PARAMETER.findall(path):
        schema = one.path.get(name) or _PATH.get(name, TEXT)
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _in_query(one: Operation) -> Iterator[Object]:
    for name, schema in one.query.items():
        plain = {key: value for key, value in schema.items() if key != "description"}
        found: Object = {"name": name, "in": "query", "schema": plain}
        if "description" in schema:
            found["description"] = schema["description"]
        if "array" in str(schema):
            found["explode"] = False  # commas, not the parameter again
        yield found


def _content(content: Mapping[str, Schema]) -> Object:
    return {kind: {"schema": schema} if schema else {} for kind, schema in content.items()}


def _errors(one: Operation, path: str, need: Scope | Need) -> list[int]:
    found = {*_ALWAYS, *one.errors}
    if one.body:
        found |= {*_WITH_BODY}
    if "{" in path:
        found.add(HTTPStatus.NOT_FOUND)
    if need is not Need.NOTHING or HTTPStatus.TOO_MANY_REQUESTS in one.errors:
        found.add(HTTPStatus.UNAUTHORIZED)
    return sorted(found)


def _error(status: int) -> Object:
    headers = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.get(status, {}).items()
    }
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    found: Object = {"description": HTTPStatus(status).phrase, "content": content}
    return {**found, "headers": headers} if headers else found


def _shared(paths: Mapping[str, Object]) -> Object:
    """Query parameters that several routes have, by name; the routes refer to them."""
    operations = [one for path in paths.values() for one in path.values()]
    seen: list[Object] = []
    for one in operations:
        seen += [found for found in one["parameters"] if found["in"] == "query"]
    names: Object = {}
    for parameter in seen:
        if seen.count(parameter) > 1 and parameter not in names.values():
            same = sum(known["name"] == parameter["name"] for known in names.values())
            names[f"{parameter['name']}{same + 1 if same else ''}"] = parameter
    for one in operations:
        one["parameters"] = [
            next(
                (
                    {"$ref": f"#/components/parameters/{name}"}
                    for name, known in names.items()
                    if known == parameter
                ),
                parameter,
            )
            for parameter in one["parameters"]
        ]
    return names


def _plain(value: Any, web: Web) -> Any:
    """With the values of settings in their places."""
    if isinstance(value, Setting):
        return getattr(web, value.name)
    if isinstance(value, Mapping):
        return {str(name): _plain(part, web) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, web) for part in value]
    return value
