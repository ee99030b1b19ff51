# SPDX-License-Identifier: GPL-2.0-or-later
"""The control of a proxy over HTTP, without the proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fake_control import FakeControl


@pytest.fixture
async def control() -> AsyncIterator[FakeControl]:
    """A proxy without rules."""
    fake = FakeControl()
    async with fake.server:
        yield fake
