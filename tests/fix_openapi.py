# SPDX-License-Identifier: GPL-2.0-or-later
"""Every answer that any test gets from the API is compared with the description."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import orjson
import pytest
from aiohttp import web
from jsonschema_rs import Draft202012Validator, ValidationError

from collector.settings import Settings
from webapi import app
from webapi.openapi import operation
from webapi.openapi.document import describe
from webapi.openapi.handlers import routes

# Of the last answers, from whichever thread they came.
_wrong: Final[list[str]] = []


@cache
def description() -> dict[str, Any]:
    """With the settings that everybody begins with."""
    made = describe(routes(app.create_app(Settings())), Settings())
    found: dict[str, Any] = orjson.loads(orjson.dumps(made))
    return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of each route that is described."""
    paths = description()["paths"].items()
    return [(method.upper(), path, one) for path, has in paths for method, one in has.items()]


def _answers(method: str, path: str, status: int) -> dict[str, Any] | None:
    """What the description says of this answer."""
    operation = description()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return {"content": {}}  # test_operations says what is missing
    found: dict[str, Any] | None = operation["responses"].get(str(status))
    if found and "$ref" in found:
        found = description()["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return found


@cache
def _validator(method: str, path: str, status: int) -> Draft202012Validator:
    answer = _answers(method, path, status) or {}
    schema = answer["content"][operation.JSON]["schema"]
    return Draft202012Validator(
        {**schema, "components": description()["components"]}, validate_formats=True
    )


def sample(schema: Any) -> Any:
    """A value that the description allows."""
    if "enum" in schema:
        return schema["enum"][0]
    if "oneOf" in schema:
        return sample(schema["oneOf"][0])
    if schema["type"] == "array":
        return [sample(schema["items"])]
    samples = {"string": "x" * 12, "boolean": True, "integer": 1, "number": 1, "object": {}}
    return samples[schema["type"]]


def fault(request: web.Request, response: web.StreamResponse) -> str:
    """What the description does not say of this answer; empty when it is as it should be."""
    resource = request.match_info.route.resource
    if request.match_info.http_exception or resource is None:
        return ""
    method = "GET" if request.method == "HEAD" else request.method
    key = method, resource.canonical, response.status
    answer = _answers(*key)
    if answer is None:
        return "this status is not among the answers"
    content = answer["content"]
    if not content:
        return ""
    if response.content_type not in content:
        return f"{response.content_type} is not among the types {[*content]}"
    body = response.body if isinstance(response, web.Response) else None
    if response.content_type != operation.JSON or not isinstance(body, bytes):
        return ""
    try:
        _validator(*key).validate(orjson.loads(body))
    except ValidationError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session", autouse=True)
def _compare_answers() -> Iterator[None]:
    add_headers = app._add_headers

    async def compare(request: web.Request, response: web.StreamResponse) -> None:
        await add_headers(request, response)
        if why := fault(request, response):
            _wrong.append(f"{request.method} {request.path_qs} → {response.status}: {why}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "_add_headers", compare)
        yield


def differences() -> list[str]:
    """What was found since it was asked for last."""
    found, _wrong[:] = _wrong.copy(), []
    return found


@pytest.fixture(autouse=True)
def _answers_are_as_described(_compare_answers: None) -> Iterator[None]:
    differences()
    yield
    found = differences()
    assert not found, f"webapi/openapi/operations.py does not say so: {found}"
