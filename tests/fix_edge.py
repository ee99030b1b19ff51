# SPDX-License-Identifier: GPL-2.0-or-later
"""The example proxies, native and KEMI: one of each for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from stack import proxy
from tests.system.edge import Edge

ENGINES: Final = {"native": proxy.NATIVE, "kemi": proxy.KEMI}


@pytest.fixture(scope="module", params=ENGINES)
def config(request: pytest.FixtureRequest) -> Path:
    """The configuration of each."""
    return ENGINES[request.param]


@pytest.fixture(scope="module")
def running_edge(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A proxy of each, which the tests of a module share."""
    with Edge(tmp_path_factory.mktemp("edge"), config=config) as edge:
        yield edge


@pytest.fixture
def edge(running_edge: Edge) -> Iterator[Edge]:
    """That proxy without rules; Kamailio must have survived the test."""
    running_edge.clear()
    assert running_edge.collector.packets() == []
    yield running_edge
    assert running_edge.is_running()
