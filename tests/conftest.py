# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures are named files beside this one; here is what a run in several processes needs."""

from __future__ import annotations

from collections.abc import Generator

import pytest

pytest_plugins = [
    "tests.fix_database",
    "tests.fix_journal",
    "tests.fix_mounts",
    "tests.fix_output",
    "tests.fix_trial",
    "tests.fix_api",
    "tests.fix_access",
    "tests.fix_openapi",
    "tests.fix_live",
    "tests.fix_calls",
    "tests.fix_control",
    "tests.fix_ksr",
    "tests.fix_listener",
    "tests.fix_ldap",
    "tests.fix_provider",
    "tests.fix_edge",
    "tests.fix_network",
    "tests.fix_agent",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole systems first: they take longest, and at the end others would wait for them."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/system/"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has logged goes to the process that reports it, as UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report
