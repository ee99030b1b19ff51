# SPDX-License-Identifier: GPL-2.0-or-later
"""Each route has its description, and each description is true of what its handler reads."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from collector.settings import Settings
from tests.fix_access import Person, Site
from tests.fix_openapi import description, differences, operations, sample
from webapi.app import create_app
from webapi.openapi.handlers import routes
from webapi.openapi.operation import JSON
from webapi.openapi.operations import OPERATIONS, ROOTS, TAGS
from webapi.sign_in.oauth2.handlers import CALLBACK

WITH_JSON: Final = sorted(route for route, one in OPERATIONS.items() if JSON in one.body)
_KNOWN: Final = re.compile(r"there is no such (?:parameter|field); there are ([\w, ]+)$")


def _path(path: str) -> str:
    return re.sub(r"\{\w+\}", "1", path)


def _known(message: str) -> set[str]:
    """The names in an answer to a wrong one."""
    found = _KNOWN.search(message)
    assert found, message
    return set(found[1].split(", ")) - {"none"}


def test_each_route_has_a_description_and_each_description_a_route() -> None:
    """Who adds a route describes it."""
    found = {
        (route.method, route.path)
        for route in routes(create_app(Settings()))
        if route.path.startswith(ROOTS)
    }
    missing = sorted(found - set(OPERATIONS))
    assert not missing, f"add an entry to OPERATIONS in webapi/openapi/operations.py: {missing}"
    assert not sorted(set(OPERATIONS) - found), "these routes are no more: remove their entries"
    assert {one.tag for one in OPERATIONS.values()} == set(TAGS), "TAGS has one line for each tag"


def test_each_operation_has_a_name_and_a_summary_of_its_own() -> None:
    """Programs that are made of the description name their functions so."""
    for name in ("operationId", "summary"):
        names = sorted(one[name] for _, _, one in operations())
        assert sorted(set(names)) == names, f"{name}: names and docstrings of handlers tell it"


async def test_each_parameter_is_described_and_each_described_one_is_read(site: Site) -> None:
    """The parser itself says which it knows."""
    admin = await site.signed_in("admin")
    for (method, path), one in sorted(OPERATIONS.items()):
        if path == CALLBACK:  # RFC 6749 §4.1.2: others than ours are to be left alone
            continue
        answer = await admin.ask(method, f"{_path(path)}?no_such=1")
        assert (answer.status, answer.json["error"]["field"]) == (400, "no_such"), (method, path)
        assert _known(answer.json["error"]["message"]) == set(one.query), (method, path)


async def test_each_field_of_a_body_is_described_and_each_described_one_is_read(
    site: Site,
) -> None:
    """Likewise, and those are required that the description calls so."""
    admin = await site.signed_in("admin")
    for method, path in WITH_JSON:
        schema = OPERATIONS[method, path].body[JSON]
        error = await _refused(admin, method, path, {"no_such": 1})
        assert _known(error["message"]) == set(schema["properties"]), (method, path)
        whole = {name: sample(field) for name, field in schema["properties"].items()}
        for name in schema["required"]:
            fewer = {other: value for other, value in whole.items() if other != name}
            error = await _refused(admin, method, path, fewer)
            assert error["message"] == f"{name}: is missing", (method, path)


async def _refused(person: Person, method: str, path: str, body: Any) -> dict[str, Any]:
    answer = await person.ask(method, _path(path), body)
    assert answer.status == 422, (method, path, answer)
    found: dict[str, Any] = answer.json["error"]
    return found


async def test_an_answer_that_is_not_as_described_is_found(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the fixture that compares all answers of all tests can fail."""
    admin = await site.signed_in("admin")
    assert differences() == []
    monkeypatch.setattr("webapi.access.handlers._me", lambda _: {"username": 7})
    await admin.ask("GET", "/api/v1/me")
    monkeypatch.delitem(description()["paths"]["/api/v1/audit"]["get"]["responses"], "400")
    await admin.ask("GET", "/api/v1/audit?limit=0")
    form, status = differences()
    assert '/api/v1/me → 200: "role" is a required property' in form
    assert "/api/v1/audit?limit=0 → 400: this status is not among the answers" in status
