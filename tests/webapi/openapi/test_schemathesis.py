# SPDX-License-Identifier: GPL-2.0-or-later
"""schemathesis over the whole description: requests as it allows them, and as it does not."""

from __future__ import annotations

from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fix_openapi import description
from tests.webapi.openapi.conftest import Asking, Served
from webapi.access.roles import Role

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
CASES: Final = 10
"""Requests of each kind for each route and person."""
FEW: Final = 3
"""The same for what takes a process, a hash, or the session with it, and for what is forbidden."""
LONGEST_PATH: Final = 8190
"""What is longer aiohttp's parser refuses; the application does not see it."""
SLOW: Final = ("/api/v1/sign-in", "/api/v1/sign-out", "/api/v1/me/password", "/api/v1/imports")


def _valid(found: Any) -> Any:
    """The operation, whose description schemathesis must understand."""
    return found.ok()


_SCHEMA: Final = schemathesis.openapi.from_dict(description())
_OPERATIONS: Final = {
    f"{one.method.upper()} {one.path}": one
    for one in (_valid(found) for found in _SCHEMA.get_all_operations())
}
_KINDS: Final = [
    (route, mode)
    for route, one in _OPERATIONS.items()
    for mode in GenerationMode
    # Where nothing can be given, nothing wrong can.
    if mode is GenerationMode.POSITIVE or one.path_parameters or one.query or one.body
]


@pytest.fixture(scope="module", params=[Role.ADMIN, Role.USER])
def asking(request: pytest.FixtureRequest, served: Served) -> Asking:
    """An administrator, and one who may read."""
    return Asking(served, request.param)


@pytest.mark.parametrize(("route", "mode"), _KINDS)
def test_no_request_brings_a_fault_and_every_answer_is_as_described(
    served: Served, asking: Asking, route: str, mode: GenerationMode
) -> None:
    """Status, type, headers and form; what the description does not allow is refused."""
    operation = _OPERATIONS[route]
    ends_session = operation.path == "/api/v1/sign-out"
    is_short = operation.path in SLOW or not asking.may(operation.method, operation.path)

    @settings(
        max_examples=FEW if is_short else CASES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(base_url=served.url, session=asking.session())
        if ends_session:
            asking.sign_in_again()
        if len(answer.request.path_url) > LONGEST_PATH:
            assert answer.status_code == 400
        else:
            case.validate_response(answer, checks=CHECKS)

    ask()
