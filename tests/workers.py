# SPDX-License-Identifier: GPL-2.0-or-later
"""A run in several processes (pytest-xdist): who gets which tests, and when."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ALONE: Final = tuple(
    f"tests/{name}.py"
    for name in (
        "system/test_retention",
        "system/test_outage",
        "system/test_bench",
        "system/test_outputs",
        "agent/sending/test_outage",
        "system/test_start_order",
        "system/test_two_nodes",
        "system/test_hostile",
        "system/test_admission",
        "system/test_pages_walk",
    )
)
"""What loads the machine and asks that it keeps up: marked ``alone``, and run beside nothing.

What waits for each thing to have happened, and counts no packet that a socket lost, is not here.
"""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """A file is for one process, which makes what the module shares; in the collection's order."""
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For ``-n auto``: one more than processors, because most tests wait most of the time."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: nothing is left for the others to do while they end."""
    for item in items:
        if _file(item) in ALONE:
            item.add_marker("alone")
    items.sort(key=lambda item: not _file(item).startswith("tests/system/"))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test has logged goes to the process that reports it, as UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report
